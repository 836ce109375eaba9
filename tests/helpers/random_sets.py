"""Random sets with their detections, their matches, and what pycocotools makes of them."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from stages.scoring.tables import read_detections, read_truth
from stages.verdict.matches import Matches, match_detections

CLASSES = 4


def random_set(seed: int, images: int = 12, tied_within: bool = True) -> tuple[dict, list[dict]]:
    """A COCO file and results with crowds, equal scores, equal overlaps, all sizes, a class without boxes and one
    without anything, images without boxes, and one with 130 detections of one class."""
    rng = np.random.default_rng(seed)
    boxes, found = [], []

    def place() -> list[float]:
        # A coarse grid, so that some boxes overlap another one equally.
        side = rng.choice([8, 24, 32, 40, 96, 120, 200], 2)
        return [*map(float, rng.integers(0, 10, 2) * 8), *map(float, side)]

    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 7)):
            box = place()
            boxes.append(
                {
                    "image_id": image,
                    "category_id": int(rng.integers(1, CLASSES - 1)),
                    "bbox": box,
                    "area": box[2] * box[3] * float(rng.choice([1, 0.9])),
                    "iscrowd": int(rng.random() < 0.15),
                }
            )
        there = [box for box in boxes if box["image_id"] == image]
        # 1.0 to 0.0 in steps; equal within an image or only between images.
        steps = rng.integers(0, 20, 300) / 20 if tied_within else rng.permutation(300) / 300
        for number in range(130 if image == 2 else rng.integers(0, 25)):
            like = there[rng.integers(len(there))] if there and rng.random() < 0.8 else None
            box = (
                (np.array(like["bbox"]) + rng.choice([-4, 0, 0, 4], 4)).tolist()
                if like
                else place()
            )
            category = (
                1
                if image == 2
                else like["category_id"]
                if like and rng.random() < 0.8
                else rng.integers(1, CLASSES)
            )
            found.append(
                {
                    "image_id": image,
                    "category_id": int(category),
                    "bbox": box,
                    "score": float(steps[number]),
                }
            )
    rng.shuffle(found)
    return {
        "images": [
            {"id": image, "file_name": f"{image}.jpg", "width": 300, "height": 300}
            for image in range(1, images + 1)
        ],
        "annotations": [{"id": number, **box} for number, box in enumerate(boxes, 1)],
        "categories": [
            {"id": number, "name": f"class {number}"} for number in range(1, CLASSES + 1)
        ],
    }, found


def oracle(coco: dict[str, Any], found: list[dict]) -> tuple[list[float], np.ndarray]:
    """pycocotools' six average precisions, and AP, AP50 and AP75 of each class and size (K, 4, 3); NaN for its -1."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(coco))
        truth.createIndex()
        results = truth.loadRes([dict(one) for one in found])
        evaluation = COCOeval(truth, results, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][..., -1]
    levels = [precision[rows].mean(axis=(0, 1)) for rows in (slice(None), slice(0, 1), slice(5, 6))]
    both = np.stack(levels, axis=-1)
    return [np.nan if value < 0 else value for value in evaluation.stats[:6]], np.where(
        both < 0, np.nan, both
    )


def matched(coco: dict[str, Any], found: list[dict], folder: Any) -> Matches:
    path = folder / "truth.json"
    path.write_text(json.dumps(coco), encoding="utf-8")
    truth = read_truth(path)
    return match_detections(truth, read_detections(found, truth))


def same(ours: tuple[list[float], np.ndarray], theirs: tuple[list[float], np.ndarray]) -> None:
    for mine, expected in zip(ours, theirs):
        np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-9, equal_nan=True)


def first_images(coco: dict, number: int) -> dict:
    """The set of the first images alone."""
    images = coco["images"][:number]
    ids = {image["id"] for image in images}
    return cut({**coco, "images": images}, lambda box: box["image_id"] in ids)


def cut(coco: dict, keep) -> dict:
    return {**coco, "annotations": [box for box in coco["annotations"] if keep(box)]}
