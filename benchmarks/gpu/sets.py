"""Prepared data for measurements, made of the photographs in the pack: repeated, or few and
easy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stages.study import paths
from stages.study.params import ROOT

PREPARED = ROOT / paths.PREPARED
# Learning by heart: boxes with a shorter side below this many pixels are too much to ask.
SMALLEST_PX = 24


def read(split: str) -> dict[str, Any]:
    """A split of the pack in COCO's format, with a root of its images that holds in any folder."""
    coco = json.loads((PREPARED / f"{split}.json").read_text(encoding="utf-8"))
    coco["info"]["image_root"] = str(ROOT / coco["info"]["image_root"])
    return coco


def write(folder: Path, train: dict[str, Any], val: dict[str, Any]) -> Path:
    """Writes both as a folder of prepared data; a test split is not needed and is val again."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, coco in (("train", train), ("val", val), ("test", val)):
        (folder / f"{split}.json").write_text(json.dumps(coco), encoding="utf-8")
    return folder


def repeated(coco: dict[str, Any], least: int) -> dict[str, Any]:
    """The split so many times over that an epoch has `least` images or more: none ends while steps
    are timed."""
    times = -(-least // len(coco["images"]))
    images, boxes = [], []
    for _ in range(times):
        ids = {}
        for image in coco["images"]:
            ids[image["id"]] = len(images) + 1
            images.append({**image, "id": len(images) + 1})
        for box in coco["annotations"]:
            boxes.append({**box, "id": len(boxes) + 1, "image_id": ids[box["image_id"]]})
    return {**coco, "images": images, "annotations": boxes}


def first(coco: dict[str, Any], count: int | None) -> dict[str, Any]:
    """The first `count` images with their boxes, of which there may be none; None is all."""
    return _part(coco, coco["images"][:count])


def easy(coco: dict[str, Any], count: int) -> dict[str, Any]:
    """The first `count` images that have boxes, none of them small."""
    small = set()
    labelled = set()
    for box in coco["annotations"]:
        labelled.add(box["image_id"])
        if min(box["bbox"][2:]) < SMALLEST_PX or box.get("iscrowd"):
            small.add(box["image_id"])
    images = [image for image in coco["images"] if image["id"] in labelled - small][:count]
    return _part(coco, images)


def _part(coco: dict[str, Any], images: list[dict[str, Any]]) -> dict[str, Any]:
    kept = {image["id"] for image in images}
    boxes = [box for box in coco["annotations"] if box["image_id"] in kept]
    return {**coco, "images": images, "annotations": boxes}
