"""How a cell does on each image, and on which it does worst."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.analysis.tide import KINDS, MISSED, Errors
from stages.scoring.engine import Evaluated
from stages.scoring.tables import Detections, Truth


def per_image(truth: Truth, detections: Detections, evaluated: Evaluated, errors: Errors,
              score: float) -> list[dict[str, Any]]:
    """[{image_id, file_name, boxes, right, wrong, not_found, f1, errors: {KINDS: count}}], plain, by image id.

    At IoU .5, of detections with at least `score`. f1: 2 right / (2 right + wrong + not_found), None where there is
    nothing to find and nothing detected. errors: the kinds (tide.py) of what is wrong; "missed" are boxes that no
    detection of any score finds or means, so not_found is larger. Of images without labels all but the first three
    are None where the whole split has none.
    """
    count = len(truth.image_ids)
    kept = evaluated.counted & (detections.score >= score)
    boxes = np.bincount(truth.image[~truth.crowd], minlength=count)
    right = np.bincount(detections.image[kept & (evaluated.box >= 0)], minlength=count)
    wrong = np.bincount(detections.image[kept & (evaluated.box < 0)], minlength=count)
    kinds = np.stack([np.bincount(detections.image[kept & (errors.kind == index)], minlength=count)
                      for index in range(MISSED)] + [np.bincount(truth.image[errors.missed], minlength=count)])
    labelled = bool(boxes.any())
    rows = zip(truth.image_ids.tolist(), truth.files, boxes.tolist(), right.tolist(), wrong.tolist(),
               kinds.T.tolist())
    return [{"image_id": number, "file_name": name, "boxes": there,
             "right": true if labelled else None, "wrong": false if labelled else None,
             "not_found": there - true if labelled else None,
             "f1": 2 * true / (there + true + false) if there + true + false and labelled else None,
             "errors": dict(zip(KINDS, by_kind)) if labelled else None}
            for number, name, there, true, false, by_kind in rows]


def worst(images: list[dict[str, Any]], count: int = 20) -> list[dict[str, Any]]:
    """The `count` images of per_image() with the most wrong and not found boxes together, then by F1, then by id.

    Images without an error are never among them. By errors rather than by F1, which a single box that is not found
    sets to 0.
    """
    faulty = [image for image in images if image["right"] is not None and image["wrong"] + image["not_found"]]
    return sorted(faulty, key=lambda image: (-image["wrong"] - image["not_found"], image["f1"], image["image_id"]))[
        :count]
