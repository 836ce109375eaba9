"""AP per class and size, precision-recall curves and the score threshold with the best F1.

All results are plain dicts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.analysis.tide import Inspection
from stages.scoring.engine import AREAS, RECALLS
from stages.scoring.tables import Truth
from stages.study.group_metrics import MIN_BOXES


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
