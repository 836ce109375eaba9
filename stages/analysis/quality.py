"""How good a cell's detections are: AP per class and size, precision over recall, best thresholds,
which class is taken for which, and how often a score is right.

All results are plain dicts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.analysis.tide import Inspection
from stages.scoring.engine import AREAS, RECALLS
from stages.scoring.tables import Truth
from stages.study.group_metrics import MIN_BOXES

IOU = 0.5


def class_scores(inspected: Inspection) -> list[dict[str, Any]]:
    """[{class, boxes, thin, AP, AP50, best_f1, sizes: {small | medium | large: {boxes, thin, AP,
    AP50}}}].

    AP over IoU .50:.95 as COCO has it, None where the class has no such box; best_f1: see
    best_f1().
    """
    counts = {size: _boxes(inspected.truth, size) for size in AREAS}
    result = []
    for index, name in enumerate(inspected.truth.classes):
        by_size = {}
        for position, size in enumerate(AREAS):
            precision = inspected.evaluated.precision[:, :, index, position]
            by_size[size] = _scores(precision, int(counts[size][index]))
        result.append(
            {
                "class": name,
                **by_size.pop("all"),
                "best_f1": best_f1(inspected, index),
                "sizes": by_size,
            }
        )
    return result


def size_scores(inspected: Inspection) -> dict[str, dict[str, Any]]:
    """{all | small | medium | large: {boxes, thin, classes, AP, AP50}}: means over the classes with
    such boxes."""
    precision = inspected.evaluated.precision
    result = {}
    for position, size in enumerate(AREAS):
        counts = _boxes(inspected.truth, size)
        present = np.flatnonzero(counts)
        result[size] = {
            "classes": len(present),
            **_scores(precision[:, :, present, position], int(counts.sum())),
        }
    return result


def precision_recall(inspected: Inspection) -> dict[str, Any]:
    """{recall: 101 points, mean: {AP50, AP}, per_class: [{class, AP50, AP, score50}]}: COCO's
    interpolated precision.

    AP50: at IoU .5; AP: mean over IoU .50:.95; score50: the score at which the recall is reached at
    IoU .5, 0 where it never is. Each 101 numbers, None where the class has no box; the mean runs
    over the classes with boxes.
    """
    truth, evaluated = inspected.truth, inspected.evaluated
    precision = evaluated.precision[:, :, :, 0]
    present = np.flatnonzero(_boxes(truth, "all"))
    classes = []
    for index, name in enumerate(truth.classes):
        row = {"class": name, **_curve(precision[:, :, present[present == index]]), "score50": None}
        if index in present:
            row["score50"] = evaluated.scores[:, index].tolist()
        classes.append(row)
    return {
        "recall": RECALLS.tolist(),
        "mean": _curve(precision[:, :, present]),
        "per_class": classes,
    }


def best_f1(inspected: Inspection, category: int | None = None) -> dict[str, Any]:
    """{threshold, f1, precision, recall}: what keeping the scores from `threshold` up gives at IoU
    .5, where the F1 (2 right / (2 right + wrong + not found), van Rijsbergen 1979) is highest; the
    highest threshold of equals.

    Of one class, or of all boxes and one threshold together (micro average). All None where there
    is no box; f1 and recall 0 without a threshold where nothing is right. Leaving out lower scores
    changes no match of the higher ones.
    """
    detections, evaluated = inspected.detections, inspected.evaluated
    per_class = inspected.truth.boxes_per_class()
    boxes, chosen = int(per_class.sum()), evaluated.counted
    if category is not None:
        boxes = int(per_class[category])
        chosen = chosen & (detections.category == category)
    if not boxes:
        return dict.fromkeys(("threshold", "f1", "precision", "recall"))
    order = np.flatnonzero(chosen)
    order = order[np.argsort(-detections.score[order], kind="stable")]
    right = np.cumsum(evaluated.box[order] >= 0)
    if not len(right) or not right[-1]:
        return {"threshold": None, "f1": 0.0, "precision": None, "recall": 0.0}
    score = detections.score[order]
    # A threshold takes equal scores in together.
    ends = np.flatnonzero(np.diff(score, append=-1.0))
    kept = ends + 1
    f1 = 2 * right[ends] / (kept + boxes)
    at = int(np.argmax(f1))
    return {
        "threshold": float(score[ends[at]]),
        "f1": float(f1[at]),
        "precision": float(right[ends[at]] / kept[at]),
        "recall": float(right[ends[at]] / boxes),
    }


def _boxes(truth: Truth, size: str) -> np.ndarray:
    """(K,)"""
    low, high = AREAS[size]
    chosen = ~truth.crowd & (truth.area >= low) & (truth.area <= high)
    return np.bincount(truth.category[chosen], minlength=len(truth.classes))


def _curve(precision: np.ndarray) -> dict[str, Any]:
    """precision: (10 IoUs, 101, classes); None where there is no class."""
    curve: dict[str, Any] = {"AP50": None, "AP": None}
    if precision.size:
        curve["AP50"] = precision[0].mean(axis=1).tolist()
        curve["AP"] = precision.mean(axis=(0, 2)).tolist()
    return curve


def _scores(precision: np.ndarray, boxes: int) -> dict[str, Any]:
    """precision: (10 IoUs, 101, ...)"""
    scores = {"boxes": boxes, "thin": boxes < MIN_BOXES, "AP": None, "AP50": None}
    if boxes:
        scores["AP"] = float(precision.mean())
        scores["AP50"] = float(precision[0].mean())
    return scores


def confusion(inspected: Inspection, score: float) -> dict[str, Any]:
    """A plain dict: labels: classes and then "background"; matrix: rows are what is there, columns
    what is detected; score, iou: the thresholds, the latter IOU.

    Detections with at least `score` take, by falling score, the box that is left with the largest
    IoU of at least IOU, whatever the classes. The row background holds detections that took none,
    the column background boxes that were not taken; their corner is 0. Detections that COCO does
    not count, or that lie in a crowd region of any class with at least IOU of their area, count
    nowhere unless they take a box. None for the matrix without any box.
    """
    truth, detections, pairs = inspected.truth, inspected.detections, inspected.pairs
    size = len(truth.classes)
    result: dict[str, Any] = {
        "labels": [*truth.classes, "background"],
        "score": float(score),
        "iou": IOU,
        "matrix": None,
    }
    real = ~truth.crowd
    if not real.any():
        return result
    counted = inspected.shown(score)
    close = np.flatnonzero(counted[pairs.detection] & (pairs.iou >= IOU))
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
