"""Reads YOLO labels: one text file per image, a line per box, of numbers as shares of the image: a
box, a polygon, or a box with keypoints or a confidence after it."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from stages.data.disk import IMAGE_SUFFIXES, files_below, read_inside
from stages.data.findings import Findings
from stages.data.sources import yolo_names
from stages.data.sources.annotations import Raw, are_finite, number

# Shares of the image: numbers are rounded, and people place a keypoint on the edge of its box.
_SLACK = 0.02
# Of a set's long lines; the others are slips of whoever labelled.
_NEARLY_ALL = 0.95
_VISIBILITIES = {0.0, 1.0, 2.0}


def read(root: Path, annotations: str, folder: str, split: str, findings: Findings) -> Raw | None:
    """annotations: the folder of the label files; folder: that of the images, both inside `root`.

    An image without a label file has no boxes, as YOLO has it; images of one name and several
    suffixes share their label file. Class names: stages/data/sources/yolo_names.py. None, and a
    fatal finding, where one of them is missing.
    """
    origin = {"split": split, "source": annotations}
    categories = yolo_names.read(root, origin, findings)
    labels, images = root / annotations, root / folder
    for place in (labels, images):
        if not place.is_dir():
            findings.report("annotation_file_missing", origin, file=place, note="no such folder")
            return None
    if categories is None:
        return None
    raw = Raw(split, annotations, folder, categories=categories, relative=True)
    pictures: dict[Path, list[str]] = {}
    for file in files_below(images, *IMAGE_SUFFIXES):
        name = file.relative_to(images)
        pictures.setdefault(name.with_suffix(""), []).append(name.as_posix())
    texts: dict[Path, str] = {}
    sources: dict[Path, str] = {}
    for file in files_below(labels, ".txt"):
        place = {"split": split, "source": file.relative_to(root).as_posix()}
        stem = file.relative_to(labels).with_suffix("")
        # Where labels lie beside the images, as some programs put them, the list of classes does
        # too.
        if stem not in pictures:
            if file.name != "classes.txt":
                findings.report("label_without_image", place)
            continue
        try:
            if stem in texts:
                raise ValueError(f"{sources[stem]} is a label file of the same image")
            sources[stem] = place["source"]
            texts[stem] = read_inside(file, root).decode("utf-8-sig")
        except (OSError, ValueError) as error:
            image = posixpath.join(folder, pictures[stem][0])
            findings.report("label_file_broken", place, file=image, note=str(error))
            # Without a label file it would pass for an image without objects.
            del pictures[stem]
    kinds = LineKinds(texts.values(), keypoint_shape(root))
    for stem, files in pictures.items():
        source = sources.get(stem) or (Path(annotations) / f"{stem}.txt").as_posix()
        for name in files:
            raw.images.append({"id": len(raw.images) + 1, "file_name": name})
            place = {"split": split, "source": source, "file": posixpath.join(folder, name)}
            _read_lines(texts.get(stem, ""), kinds, raw, place, findings)
    _check_class_numbers(raw, findings)
    return raw


def _read_lines(
    text: str, kinds: LineKinds, raw: Raw, origin: dict[str, Any], findings: Findings
) -> None:
    """The boxes of the image that was added last."""
    for line, content in enumerate(text.splitlines(), 1):
        words = content.split()
        if not words:
            continue
        label, *box = map(number, words)
        if are_finite(box):
            box = _box(box, kinds, {**origin, "entry": f"line {line}"}, findings)
        if box is None:
            continue
        # Some programs write the class as 2.0.
        is_class = isinstance(label, float) and label.is_integer()
        raw.annotations.append(
            {
                "id": len(raw.annotations) + 1,
                "image_id": len(raw.images),
                "category_id": int(label) if is_class else words[0],
                "bbox": box,
                "iscrowd": 0,
                "at": f"line {line}",
            }
        )


def _check_class_numbers(raw: Raw, findings: Findings) -> None:
    """Reports labels whose classes are 1 to K where the names have the numbers 0 to K - 1.

    A policy of repair holds for every split: one without a box of class K cannot be told.
    """
    code = "class_numbers_from_one"
    numbers = set()
    for entry in raw.annotations:
        if isinstance(entry["category_id"], int):
            numbers.add(entry["category_id"])
    names = [category["id"] for category in raw.categories]
    count = len(names)
    if not numbers or names != list(range(count)):
        return
    is_repaired = findings.action(code) == "repair"
    is_shifted = min(numbers) > 0 and max(numbers) == count
    if not (is_shifted or is_repaired):
        return
    findings.report(
        code,
        raw.origin,
        before=f"classes {min(numbers)} to {max(numbers)}",
        after=f"classes {min(numbers) - 1} to {max(numbers) - 1}",
        note=f"the names are those of classes 0 to {count - 1}",
    )
    if is_repaired:
        for entry in raw.annotations:
            if isinstance(entry["category_id"], int):
                entry["category_id"] -= 1


def _box(
    numbers: list[float], kinds: LineKinds, place: dict[str, Any], findings: Findings
) -> list[float] | None:
    """x, y, w, h from the corner, or the numbers as they are where they are no box; None where the
    policy drops it."""
    kind = kinds.kind(numbers)
    if kind == "doubtful":
        findings.report("line_doubtful", place, before=" ".join(map(str, numbers)))
        if findings.action("line_doubtful") != "keep" or len(numbers) % 2:
            return None
        kind = "polygon"
    codes = {
        "polygon": ("polygon_as_box", f"{len(numbers) // 2} points", "the box around them"),
        "keypoints": ("keypoints_dropped", f"{len(numbers) - 4} numbers after the box", "the box"),
        "confidence": ("confidence_dropped", f"confidence {numbers[-1]:g}", "the box"),
    }
    if kind in codes:
        code, before, after = codes[kind]
        findings.report(code, place, before=before, after=after)
        if findings.action(code) == "drop":
            return None
    if kind == "polygon":
        xs, ys = numbers[0::2], numbers[1::2]
        return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    if kind:
        x, y, w, h = numbers[:4]
        return [x - w / 2, y - h / 2, w, h]
    return numbers


def keypoint_shape(root: Path) -> tuple[int, int] | None:
    """kpt_shape of the set's YAML file: keypoints of a box, and numbers of a keypoint, 2 or 3."""
    for file in yolo_names.tables(root):
        try:
            # All values are text to this loader: a class that looks like a date ends in no error.
            content = yaml.BaseLoader(file.read_bytes()).get_single_data()
            count, width = map(int, content["kpt_shape"])
        except (OSError, yaml.YAMLError, ValueError, LookupError, TypeError, RecursionError):
            continue
        if count > 0 and width in (2, 3):
            return count, width
    return None


class LineKinds:
    """Tells the lines of one set apart.

    Polygons, the corners of an oriented box and keypoints are written alike. Without kpt_shape the
    lines of the whole set decide: those of keypoints are equally long, and the box of their first
    four numbers holds the rest, while the second point of a polygon lies beside the others.
    """

    def __init__(self, texts: Iterable[str], shape: tuple[int, int] | None) -> None:
        """texts: the set's label files. shape: as `keypoint_shape` gives it."""
        self._keypoints: tuple[int, ...] = ()
        self._doubtful = 0
        if shape is not None:
            length = 4 + shape[0] * shape[1]
            # Predictions have a confidence at the end.
            self._keypoints = (length, length + 1)
            return
        lengths: Counter[int] = Counter()
        boxes: Counter[int] = Counter()
        polygons: Counter[int] = Counter()
        corners = 0
        for line in chain.from_iterable(map(str.splitlines, texts)):
            numbers = list(map(number, line.split()[1:]))
            length = len(numbers)
            if length < 4 or not are_finite(numbers):
                continue
            lengths[length] += 1
            if length >= 6:
                boxes[length] += _is_box_of_keypoints(numbers)
                polygons[length] += _is_polygon(numbers)
                corners += _is_parallelogram(numbers)
        # In a set of keypoints no line is a plain box.
        longer = lengths.total() - lengths[4] - lengths[5]
        if lengths[4] > longer or not longer:
            return
        length = max(boxes, key=lengths.__getitem__)
        least = _NEARLY_ALL * lengths[length]
        if lengths[length] < _NEARLY_ALL * longer or corners >= least:
            return
        is_boxes, is_polygons = boxes[length] >= least, polygons[length] >= least
        if is_boxes and not is_polygons:
            self._keypoints = (length,)
        elif is_boxes or (boxes[length] and not is_polygons):
            self._doubtful = length

    def kind(self, numbers: Sequence[float]) -> str:
        """numbers: the finite numbers after the class. "box", "confidence", "keypoints", "polygon",
        "doubtful" where it cannot be told, or "" where it is none of them."""
        length = len(numbers)
        if length == 4:
            return "box"
        if length == 5 and 0 <= numbers[4] <= 1:
            return "confidence"
        if length in self._keypoints:
            return "keypoints"
        if length >= 6 and (self._keypoints or length == self._doubtful):
            return "doubtful"
        if length >= 6 and length % 2 == 0:
            return "polygon"
        return ""


def _is_box_of_keypoints(numbers: Sequence[float]) -> bool:
    """x, y, w, h of a box inside the image, and points in it, with or without visibility."""
    x, y, w, h, *rest = numbers
    if min(w, h) <= 0 or max(abs(x - 0.5) + w / 2, abs(y - 0.5) + h / 2) > 0.5 + _SLACK:
        return False
    if len(rest) % 3 == 0 and _VISIBILITIES.issuperset(rest[2::3]):
        points = [point for point in zip(rest[0::3], rest[1::3], rest[2::3]) if point[2]]
    elif len(rest) % 2 == 0:
        # A keypoint that is not labelled is written as 0 0.
        points = [point for point in zip(rest[0::2], rest[1::2]) if any(point)]
    else:
        return False
    return all(
        abs(point[0] - x) <= w / 2 + _SLACK and abs(point[1] - y) <= h / 2 + _SLACK
        for point in points
    )


def _is_parallelogram(numbers: Sequence[float]) -> bool:
    """The four corners of an oriented box, in order."""
    if len(numbers) != 8:
        return False
    (x1, y1, x2, y2, x3, y3, x4, y4) = numbers
    return abs(x1 + x3 - x2 - x4) <= _SLACK and abs(y1 + y3 - y2 - y4) <= _SLACK


def _is_polygon(numbers: Sequence[float]) -> bool:
    """The second point lies no further from the box around the others than that box is long."""
    if len(numbers) % 2:
        return False
    xs, ys = [numbers[0], *numbers[4::2]], [numbers[1], *numbers[5::2]]
    reach = max(max(xs) - min(xs), max(ys) - min(ys)) + _SLACK
    return (
        min(xs) - reach <= numbers[2] <= max(xs) + reach
        and min(ys) - reach <= numbers[3] <= max(ys) + reach
    )
