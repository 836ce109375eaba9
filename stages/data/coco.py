"""Reads COCO annotation files and writes them back with every id counted from 1."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from stages.program import InputError

# COCO's own limits: an object under 32 x 32 pixels is small, one under 96 x 96 medium.
SMALL, MEDIUM = 32**2, 96**2


def read(path: Path) -> dict[str, Any]:
    """One COCO file: images, annotations, categories.

    Raises InputError, naming the path, where it is missing, empty, not JSON or has no images, boxes or categories.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such annotation file; set data.root and data.train in params.yaml") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if not text.strip():
        raise InputError(f"{path}: is empty; expected a COCO annotation file")
    try:
        coco = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: broken JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None
    for key in ("images", "annotations", "categories"):
        if not isinstance(coco, dict) or not isinstance(coco.get(key), list):
            raise InputError(f"{path}: has no list '{key}'; expected a COCO annotation file")
        if not coco[key]:
            raise InputError(f"{path}: its list '{key}' is empty; nothing can be learnt from it")
    _check_fields(path, coco)
    return coco


def class_names(coco: dict[str, Any]) -> list[str]:
    """The category names in the order of their ids: the order of every model's outputs."""
    return [category["name"] for category in sorted(coco["categories"], key=lambda category: category["id"])]


def renumber(
    coco: dict[str, Any], path: Path, classes: list[str], folder: str
) -> tuple[dict[str, Any], dict[str, int]]:
    """The same set with all ids from 1 and file names that start from data.root, and its changes, counted.

    pycocotools takes a ground-truth id of 0 for "unmatched", so ids from 0 cost AP without a word. Categories are
    matched to `classes` by name. Images keep their old id as `source_id`; boxes without an area are dropped.
    Raises InputError where the categories are not those of `classes`.
    """
    if set(class_names(coco)) != set(classes):
        raise InputError(f"{path}: its categories {class_names(coco)} differ from the train file's {classes}; "
                         "name the same classes in both")
    by_name = {name: index for index, name in enumerate(classes, start=1)}
    category = {entry["id"]: by_name[entry["name"]] for entry in coco["categories"]}
    image = {}
    images = []
    for index, entry in enumerate(coco["images"], start=1):
        image[entry["id"]] = index
        file_name = f"{folder}/{entry['file_name']}" if folder else entry["file_name"]
        images.append({**entry, "id": index, "source_id": entry["id"], "file_name": file_name})
    annotations = []
    for entry in coco["annotations"]:
        width, height = entry["bbox"][2:]
        if width > 0 and height > 0:
            annotations.append({
                **entry, "id": len(annotations) + 1, "image_id": image[entry["image_id"]],
                "category_id": category[entry["category_id"]], "area": entry.get("area", width * height),
                "iscrowd": entry.get("iscrowd", 0)})
    changes = {
        "image ids renumbered": sum(old != new for old, new in image.items()),
        "annotation ids renumbered": sum(old["id"] != new["id"] for old, new in zip(coco["annotations"], annotations)),
        "category ids renumbered": sum(old != new for old, new in category.items()),
        "boxes without an area dropped": len(coco["annotations"]) - len(annotations),
    }
    categories = [{"id": index, "name": name} for name, index in by_name.items()]
    return {"images": images, "annotations": annotations, "categories": categories}, changes


def subset(coco: dict[str, Any], image_ids: set[int]) -> dict[str, Any]:
    """The images in `image_ids` with their boxes, renumbered from 1 again."""
    image = {}
    images = []
    for entry in coco["images"]:
        if entry["id"] in image_ids:
            image[entry["id"]] = len(images) + 1
            images.append({**entry, "id": len(images) + 1})
    kept = (entry for entry in coco["annotations"] if entry["image_id"] in image)
    annotations = [{**entry, "id": index, "image_id": image[entry["image_id"]]} for index, entry in enumerate(kept, 1)]
    return {"images": images, "annotations": annotations, "categories": coco["categories"]}


def summary(coco: dict[str, Any]) -> dict[str, Any]:
    """Counts for the data report: images, boxes, boxes per class and per COCO size."""
    names = {category["id"]: category["name"] for category in coco["categories"]}
    classes = dict.fromkeys(names.values(), 0)
    sizes = {"small": 0, "medium": 0, "large": 0}
    for entry in coco["annotations"]:
        classes[names[entry["category_id"]]] += 1
        area = entry["area"]
        sizes["small" if area < SMALL else "medium" if area < MEDIUM else "large"] += 1
    with_boxes = {entry["image_id"] for entry in coco["annotations"]}
    return {
        "images": len(coco["images"]),
        "boxes": len(coco["annotations"]),
        "images_without_boxes": len(coco["images"]) - len(with_boxes),
        "classes": classes,
        "sizes": sizes,
    }


def _check_fields(path: Path, coco: dict[str, Any]) -> None:
    required = {
        "images": ("id", "file_name", "width", "height"),
        "annotations": ("id", "image_id", "category_id", "bbox"),
        "categories": ("id", "name"),
    }
    for key, fields in required.items():
        for index, entry in enumerate(coco[key]):
            missing = [field for field in fields if not isinstance(entry, dict) or field not in entry]
            if missing:
                raise InputError(f"{path}: {key}[{index}] lacks {', '.join(missing)}")
    for key in ("images", "categories"):
        if len({entry["id"] for entry in coco[key]}) < len(coco[key]):
            raise InputError(f"{path}: {key} have duplicate ids; each must have its own")
    names = [entry["name"] for entry in coco["categories"]]
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two categories share a name among {names}; each must have its own")
    images = {entry["id"] for entry in coco["images"]}
    categories = {entry["id"] for entry in coco["categories"]}
    for index, entry in enumerate(coco["annotations"]):
        for field, there in (("image_id", images), ("category_id", categories)):
            if entry[field] not in there:
                raise InputError(f"{path}: annotations[{index}].{field} {entry[field]} is not in the file")
        box = entry["bbox"]
        if not (isinstance(box, list) and len(box) == 4 and all(_is_finite(number) for number in box)):
            raise InputError(f"{path}: annotations[{index}].bbox {box} is not four finite numbers")


def _is_finite(number: Any) -> bool:
    return isinstance(number, (int, float)) and math.isfinite(number)
