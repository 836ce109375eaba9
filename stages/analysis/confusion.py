"""Whether a detection means what it says: which class is taken for which, and how often a score
is right."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.analysis.tide import Inspection


def confusion(inspected: Inspection, score: float, iou: float = 0.5) -> dict[str, Any]:
    """A plain dict: labels: classes and then "background"; matrix: rows are what is there, columns
    what is detected; score, iou: the thresholds.

    Detections with at least `score` take, by falling score, the box that is left with the largest
    IoU of at least `iou`, whatever the classes. The row background holds detections that took none,
    the column background boxes that were not taken; their corner is 0. Detections that COCO does
    not count, or that lie in a crowd region of any class with at least `iou` of their area, count
    nowhere unless they take a box. None for the matrix without any box.
    """
    truth, detections, pairs = inspected.truth, inspected.detections, inspected.pairs
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
    counted = inspected.shown(score)
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


def calibration(inspected: Inspection, bins: int = 15) -> dict[str, Any]:
    """Guo, Pleiss, Sun, Weinberger 2017, "On Calibration of Modern Neural Networks"
    (arXiv:1706.04599), equations 2 to 5, with M bins ((m - 1) / M, m / M]. For detections "correct"
    is a true positive at IoU .5, so accuracy is precision (Kueppers et al. 2020, arXiv:2004.13546,
    without its box terms). Boxes that nobody found have no score and no part.

    A plain dict: ECE, MCE (the largest gap), detections, bins: [{low, high, detections,
    confidence, precision}], per_class: [{class, detections, ECE}]. confidence: the mean score.

    Over the detections that COCO counts. Numbers are None where there is none, and all where the
    split has no box: no detection can be right or wrong then.
    """
    truth, detections, evaluated = inspected.truth, inspected.detections, inspected.evaluated
    counted = np.zeros(0, dtype=np.int64)
    if truth.boxes_per_class().any():
        counted = np.flatnonzero(evaluated.counted)
    score = detections.score[counted]
    right = evaluated.box[counted] >= 0
    category = detections.category[counted]
    table = _bins(score, right, bins)
    per_class = []
    for index, name in enumerate(truth.classes):
        of_class = category == index
        ece = _ece(_bins(score[of_class], right[of_class], bins))
        per_class.append({"class": name, "detections": int(of_class.sum()), "ECE": ece})
    return {
        "ECE": _ece(table),
        "MCE": max(_gaps(table), default=None),
        "detections": len(counted),
        "bins": table,
        "per_class": per_class,
    }


def _bins(score: np.ndarray, right: np.ndarray, bins: int) -> list[dict[str, Any]]:
    # Compared with m / M rather than rounding score * M up: .7 * 10 is above 7 in floating point.
    edges = np.arange(bins + 1) / bins
    at = np.searchsorted(edges[1:-1], score, side="left")
    number = np.bincount(at, minlength=bins)
    total = np.bincount(at, score, bins)
    true = np.bincount(at, right, bins)
    table = []
    for m in range(bins):
        row: dict[str, Any] = {
            "low": float(edges[m]),
            "high": float(edges[m + 1]),
            "detections": int(number[m]),
            "confidence": None,
            "precision": None,
        }
        if number[m]:
            row["confidence"] = float(total[m] / number[m])
            row["precision"] = float(true[m] / number[m])
        table.append(row)
    return table


def _gaps(table: list[dict[str, Any]]) -> list[float]:
    """Between precision and confidence, of the bins that hold detections."""
    gaps = []
    for row in table:
        if row["detections"]:
            gaps.append(abs(row["precision"] - row["confidence"]))
    return gaps


def _ece(table: list[dict[str, Any]]) -> float | None:
    numbers = [row["detections"] for row in table if row["detections"]]
    if not numbers:
        return None
    weighted = 0.0
    for number, gap in zip(numbers, _gaps(table)):
        weighted += number * gap
    return weighted / sum(numbers)
