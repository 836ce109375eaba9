"""Reads YOLO labels: one text file per image, a line per box, numbers as shares of the image."""

from __future__ import annotations

import math
import posixpath
from pathlib import Path
from typing import Any

from stages.data.findings import Findings
from stages.data.sources import yolo_names
from stages.data.sources.coco import read_inside
from stages.data.sources.raw import IMAGE_SUFFIXES, Raw


def read(root: Path, annotations: str, folder: str, split: str, findings: Findings) -> Raw | None:
    """annotations: the folder of the label files; folder: that of the images, both inside `root`.

    An image without a label file has no boxes, as YOLO has it; images of one name and several suffixes share their
    label file. Class names: stages/data/sources/yolo_names.py.
    None, and a fatal finding, where one of them is missing.
    """
    where = {"split": split, "source": annotations}
    categories = yolo_names.read(root, where, findings)
    for place in (annotations, folder):
        if not (root / place).is_dir():
            findings.add("annotation_file_missing", [{**where, "file": root / place, "note": "no such folder"}])
            return None
    if categories is None:
        return None
    raw = Raw(annotations, folder, categories=categories, relative=True)
    labels, images = root / annotations, root / folder
    pictures: dict[Path, list[str]] = {}
    for file in sorted(images.rglob("*")):
        if file.suffix.lower() in IMAGE_SUFFIXES:
            name = file.relative_to(images)
            pictures.setdefault(name.with_suffix(""), []).append(name.as_posix())
    texts: dict[Path, str] = {}
    for file in sorted(labels.rglob("*.txt")):
        name, place = file.relative_to(labels), {"split": split, "source": file.relative_to(root).as_posix()}
        stem = name.with_suffix("")
        # Where labels lie beside the images, as some programs put them, the list of classes does too.
        if stem not in pictures:
            if name.name != "classes.txt":
                findings.add("label_without_image", [place])
            continue
        try:
            texts[stem] = read_inside(file, root).decode("utf-8-sig")
        except (OSError, ValueError) as error:
            findings.add("label_file_broken", [{
                **place, "file": posixpath.join(folder, pictures[stem][0]), "note": str(error)}])
            # Without a label file it would pass for an image without objects.
            del pictures[stem]
    for stem, files in pictures.items():
        source = (Path(annotations) / f"{stem}.txt").as_posix()
        for name in files:
            raw.images.append({"id": len(raw.images) + 1, "file_name": name})
            _read_lines(texts.get(stem, ""), raw, {
                "split": split, "source": source, "file": posixpath.join(folder, name)}, findings)
    return raw


def _read_lines(text: str, raw: Raw, where: dict[str, Any], findings: Findings) -> None:
    """The boxes of the image that was added last."""
    for line, content in enumerate(text.splitlines(), 1):
        words = content.split()
        if not words:
            continue
        box: list[Any] = [_number(word) for word in words[1:]]
        label = _number(words[0])
        # Some programs write the class as 2.0.
        label = int(label) if isinstance(label, float) and label.is_integer() else words[0]
        numbers = all(isinstance(number, float) and math.isfinite(number) for number in box)
        if numbers and len(box) >= 6 and len(box) % 2 == 0:
            findings.add("polygon_as_box", [{
                **where, "entry": f"line {line}", "before": f"{len(box) // 2} points", "after": "the box around them"}])
            if findings.action("polygon_as_box") == "drop":
                continue
            xs, ys = box[0::2], box[1::2]
            box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
        elif numbers and len(box) == 4:
            box = [box[0] - box[2] / 2, box[1] - box[3] / 2, box[2], box[3]]
        raw.annotations.append({"id": len(raw.annotations) + 1, "image_id": len(raw.images), "category_id": label,
                                "bbox": box, "iscrowd": 0, "at": f"line {line}"})


def _number(word: str) -> float | str:
    try:
        return float(word)
    except ValueError:
        return word
