"""How a cell does on each image, and on which it does worst."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.analysis.tide import KINDS, MISSED, Errors
from stages.scoring.engine import Evaluated
from stages.scoring.tables import Detections, Truth


def per_image(
    truth: Truth, detections: Detections, evaluated: Evaluated, errors: Errors, score: float
) -> list[dict[str, Any]]:
    """[{image_id, file_name, boxes, right, wrong, not_found, f1, errors: {KINDS: count}}], plain,
    by image id.

    At IoU .5, of detections with at least `score`. f1: 2 right / (2 right + wrong + not_found),
    None where there is nothing to find and nothing detected. errors: the kinds (tide.py) of what is
    wrong; "missed" are boxes that no detection of any score matches or means, so not_found is
    larger. Of images without labels all but the first three are None where the whole split has
    none.
    """
    count = len(truth.image_ids)
    counted = evaluated.counted & (detections.score >= score)
    boxes = _count(truth.image[~truth.crowd], count)
    right = _count(detections.image[counted & (evaluated.box >= 0)], count)
    wrong = _count(detections.image[counted & (evaluated.box < 0)], count)
    kinds = []
    for index in range(MISSED):
        kinds.append(_count(detections.image[counted & (errors.kind == index)], count))
    kinds.append(_count(truth.image[errors.missed], count))
    labelled = any(boxes)
    rows = []
    for index, number in enumerate(truth.image_ids.tolist()):
        row = dict.fromkeys(
            ("image_id", "file_name", "boxes", "right", "wrong", "not_found", "f1", "errors")
        )
        row.update(image_id=number, file_name=truth.files[index], boxes=boxes[index])
        if labelled:
            row.update(
                right=right[index],
                wrong=wrong[index],
                not_found=boxes[index] - right[index],
                errors={kind: numbers[index] for kind, numbers in zip(KINDS, kinds)},
            )
            total = boxes[index] + right[index] + wrong[index]
            if total:
                row["f1"] = 2 * right[index] / total
        rows.append(row)
    return rows


def _count(images: np.ndarray, count: int) -> list[int]:
    """How often each of `count` images is in `images`."""
    return np.bincount(images, minlength=count).tolist()


def worst(images: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The `count` images of per_image() with the most wrong and not found boxes together, then by
    F1, then by id.

    Images without an error are never among them. By errors rather than by F1, which a single box
    that is not found sets to 0.
    """
    faulty = []
    for image in images:
        if image["right"] is not None and image["wrong"] + image["not_found"]:
            faulty.append(image)
    faulty.sort(
        key=lambda image: (-image["wrong"] - image["not_found"], image["f1"], image["image_id"])
    )
    return faulty[:count]
