"""Reads YOLO labels: one text file per image, a line per box, of numbers as shares of the image: a
box, a polygon, or a box with keypoints, a confidence or a track after it."""

from __future__ import annotations

import posixpath
from operator import itemgetter
from pathlib import Path
from typing import Any

from stages.data.disk import IMAGE_SUFFIXES, files_below, read_inside
from stages.data.findings import Findings
from stages.data.sources.annotations import Raw, are_finite, as_number
from stages.data.sources.yolo_lines import LineKinds
from stages.data.sources.yolo_names import keypoint_shape, read_class_names


def read_yolo(
    root: Path, annotations: str, folder: str, split: str, findings: Findings
) -> Raw | None:
    """annotations: the folder of the label files; folder: that of the images, both inside `root`.

    An image without a label file has no boxes, as YOLO has it; images of one name and several
    suffixes share their label file. Class names: stages/data/sources/yolo_names.py. None, and a
    fatal finding, where one of them is missing.
    """
    origin = {"split": split, "source": annotations}
    categories = read_class_names(root, origin, findings)
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
    # Path without a suffix -> the label file and its text.
    texts: dict[Path, tuple[str, str]] = {}
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
                raise ValueError(f"{texts[stem][0]} is a label file of the same image")
            texts[stem] = (place["source"], read_inside(file, root).decode("utf-8-sig"))
        except (OSError, ValueError) as error:
            image = posixpath.join(folder, pictures[stem][0])
            findings.report("label_file_broken", place, file=image, note=str(error))
            # Without a label file it would pass for an image without objects.
            del pictures[stem]
    kinds = LineKinds(map(itemgetter(1), texts.values()), keypoint_shape(root))
    if kinds.fault:
        findings.report("line_read_otherwise", origin, note=kinds.fault)
    for stem, files in pictures.items():
        no_labels = ((Path(annotations) / f"{stem}.txt").as_posix(), "")
        source, text = texts.get(stem, no_labels)
        place = {"split": split, "source": source}
        if len(files) > 1 and text:
            file = posixpath.join(folder, files[0])
            findings.report("label_file_shared", place, file=file, before=", ".join(files))
        for name in files:
            raw.add_image(name)
            image_place = {**place, "file": posixpath.join(folder, name)}
            _read_lines(text, kinds, raw, image_place, findings)
    _check_class_numbers(raw, root, findings)
    return raw


def _read_lines(
    text: str, kinds: LineKinds, raw: Raw, origin: dict[str, Any], findings: Findings
) -> None:
    """The boxes of the image that was added last."""
    for line, content in enumerate(text.splitlines(), 1):
        words = content.split()
        if not words:
            continue
        label, *box = map(as_number, words)
        if are_finite(box):
            box = _box(box, kinds, {**origin, "entry": f"line {line}"}, findings)
        if box is None:
            continue
        # Some programs write the class as 2.0.
        is_class = isinstance(label, float) and label.is_integer()
        raw.add_box(int(label) if is_class else words[0], box, f"line {line}")


def _check_class_numbers(raw: Raw, root: Path, findings: Findings) -> None:
    """Reports labels whose classes are 1 to K where the names have the numbers 0 to K - 1.

    A policy of repair holds for every split: one without a box of class K cannot be told. It may
    also have been set for an earlier data set, so that a single label of class 0 stops the repair.
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
    note = f"the names are those of classes 0 to {count - 1}"
    is_repaired = findings.action(code) == "repair"
    is_shifted = min(numbers) > 0 and max(numbers) == count
    if not (is_shifted or is_repaired):
        # Class K may be without a box, or else class 0. Another split may have it.
        is_last_or_first = count >= 3 and numbers == set(range(1, count))
        if is_last_or_first and _file_with_class_zero(root) is None:
            before = f"classes 1 to {count - 1}"
            findings.report("class_zero_unused", raw.origin, before=before, note=note)
        return
    before = f"classes {min(numbers)} to {max(numbers)}"
    if is_repaired:
        file = _file_with_class_zero(root)
        if file is not None:
            place = {**raw.origin, "file": file, "before": before}
            note = "not repaired: this file has the class 0, so the numbers do not start at 1"
            findings.report(code, place, "keep", note=note)
            return
    after = f"classes {min(numbers) - 1} to {max(numbers) - 1}"
    findings.report(code, raw.origin, before=before, after=after, note=note)
    if is_repaired:
        for entry in raw.annotations:
            if isinstance(entry["category_id"], int):
                entry["category_id"] -= 1


def _file_with_class_zero(root: Path) -> str | None:
    """The first label file in the set, of any split, that has a box of class 0."""
    for file in files_below(root, ".txt"):
        try:
            text = read_inside(file, root).decode("utf-8-sig")
        except (OSError, ValueError):
            continue
        for line in text.splitlines():
            label, *numbers = map(as_number, line.split() or [""])
            if label == 0.0 and len(numbers) >= 4 and are_finite(numbers):
                return file.relative_to(root).as_posix()
    return None


def _box(
    numbers: list[float], kinds: LineKinds, place: dict[str, Any], findings: Findings
) -> list[float] | None:
    """x, y, w, h from the corner, or the numbers as they are where they are no box; None where the
    policy drops it."""
    kind = kinds.kind(numbers)
    if not kind:
        return numbers
    if kind == "doubtful":
        findings.report("line_doubtful", place, before=" ".join(map(str, numbers)))
        if findings.action("line_doubtful") != "keep" or len(numbers) % 2:
            return None
        kind = "polygon"
    codes = {
        "polygon": ("polygon_as_box", f"{len(numbers) // 2} points", "the box around them"),
        "keypoints": ("keypoints_dropped", f"{len(numbers) - 4} numbers after the box", "the box"),
        "track": ("track_dropped", f"track {numbers[-1]:g}", "the box"),
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
    x, y, w, h = numbers[:4]
    return [x - w / 2, y - h / 2, w, h]
