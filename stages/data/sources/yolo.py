"""Reads YOLO labels: one text file per image, a line per box, numbers as shares of the image."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

from stages.data.disk import IMAGE_SUFFIXES, read_inside
from stages.data.findings import Findings
from stages.data.sources import yolo_names
from stages.data.sources.raw import Raw
from stages.data.sources.yolo_lines import LineKinds, are_finite, keypoint_shape, number


def read(root: Path, annotations: str, folder: str, split: str, findings: Findings) -> Raw | None:
    """annotations: the folder of the label files; folder: that of the images, both inside `root`.

    An image without a label file has no boxes, as YOLO has it; images of one name and several
    suffixes share their label file. Class names: stages/data/sources/yolo_names.py. None, and a
    fatal finding, where one of them is missing.
    """
    origin = {"split": split, "source": annotations}
    categories = yolo_names.read(root, origin, findings)
    for place in (annotations, folder):
        if not (root / place).is_dir():
            findings.report(
                "annotation_file_missing", origin, file=root / place, note="no such folder"
            )
            return None
    if categories is None:
        return None
    raw = Raw(split, annotations, folder, categories=categories, relative=True)
    labels, images = root / annotations, root / folder
    pictures: dict[Path, list[str]] = {}
    for file in sorted(images.rglob("*")):
        if file.suffix.lower() in IMAGE_SUFFIXES:
            name = file.relative_to(images)
            pictures.setdefault(name.with_suffix(""), []).append(name.as_posix())
    texts: dict[Path, str] = {}
    for file in sorted(labels.rglob("*.txt")):
        name = file.relative_to(labels)
        place = {"split": split, "source": file.relative_to(root).as_posix()}
        stem = name.with_suffix("")
        # Where labels lie beside the images, as some programs put them, the list of classes does
        # too.
        if stem not in pictures:
            if name.name != "classes.txt":
                findings.report("label_without_image", place)
            continue
        try:
            texts[stem] = read_inside(file, root).decode("utf-8-sig")
        except (OSError, ValueError) as error:
            image = posixpath.join(folder, pictures[stem][0])
            findings.report("label_file_broken", place, file=image, note=str(error))
            # Without a label file it would pass for an image without objects.
            del pictures[stem]
    kinds = LineKinds(texts.values(), keypoint_shape(root))
    for stem, files in pictures.items():
        source = (Path(annotations) / f"{stem}.txt").as_posix()
        for name in files:
            raw.images.append({"id": len(raw.images) + 1, "file_name": name})
            place = {"split": split, "source": source, "file": posixpath.join(folder, name)}
            _read_lines(texts.get(stem, ""), kinds, raw, place, findings)
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
        # Some programs write the class as 2.0.
        is_class = isinstance(label, float) and label.is_integer()
        if are_finite(box):
            box = _box(box, kinds, {**origin, "entry": f"line {line}"}, findings)
        if box is not None:
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
