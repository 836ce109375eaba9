"""Which class is taken for which, with background."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.scoring.engine import Evaluated
from stages.scoring.tables import Detections, Pairs, Truth


def confusion(
    truth: Truth,
    detections: Detections,
    pairs: Pairs,
    evaluated: Evaluated,
    score: float,
    iou: float = 0.5,
) -> dict[str, Any]:
    """A plain dict: labels: classes and then "background"; matrix: rows are what is there, columns
    what is detected; score, iou: the thresholds.

    Detections with at least `score` take, by falling score, the box that is left with the largest
    IoU of at least `iou`, whatever the classes. The row background holds detections that took none,
    the column background boxes that were not taken; their corner is 0. Detections that COCO does
    not count, or that lie in a crowd region of any class with at least `iou` of their area, count
    nowhere unless they take a box. None for the matrix without any box.
    """
    size = len(truth.classes)
    result: dict[str, Any] = {
        "labels": [*truth.classes, "background"],
        "score": float(score),
        "iou": float(iou),
        "matrix": None,
    }
    real = ~truth.crowd
    if not real.any():
        return result
    counted = evaluated.counted & (detections.score >= score)
    close = np.flatnonzero(counted[pairs.detection] & (pairs.iou >= iou))
    detection, box = pairs.detection[close], pairs.box[close]
    in_crowd = np.zeros(len(counted), dtype=bool)
    in_crowd[detection[~real[box]]] = True
    rank = np.empty(len(counted), dtype=np.int64)
    rank[detections.ranking()] = np.arange(len(counted))
    # Of boxes that overlap a detection equally, the last one, as in COCO's matching.
    order = np.lexsort((-box, -pairs.iou[close], rank[detection]))
    order = order[real[box[order]]]
    taker: dict[int, int] = {}
    matched = set()
    for detection_index, box_index in zip(detection[order].tolist(), box[order].tolist()):
        if detection_index not in matched and box_index not in taker:
            taker[box_index] = detection_index
            matched.add(detection_index)
    matrix = np.zeros((size + 1, size + 1), dtype=np.int64)
    matched_boxes = np.array(list(taker), dtype=np.int64)
    takers = np.array(list(taker.values()), dtype=np.int64)
    np.add.at(matrix, (truth.category[matched_boxes], detections.category[takers]), 1)
    unmatched = counted & ~in_crowd
    unmatched[takers] = False
    matrix[size, :size] = np.bincount(detections.category[unmatched], minlength=size)
    real[matched_boxes] = False
    matrix[:size, size] = np.bincount(truth.category[real], minlength=size)
    return {**result, "matrix": matrix.tolist()}
