"""Whether a score means what it says: reliability bins and the expected calibration error.

Guo, Pleiss, Sun, Weinberger 2017, "On Calibration of Modern Neural Networks" (arXiv:1706.04599),
equations 2 to 5, with M bins ((m - 1) / M, m / M]. For detections "correct" is a true positive at
IoU .5, so accuracy is precision (Kueppers et al. 2020, arXiv:2004.13546, without its box terms).
Boxes that nobody found have no score and no part.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.scoring.engine import Evaluated
from stages.scoring.tables import Detections, Truth


def calibration(
    truth: Truth, detections: Detections, evaluated: Evaluated, bins: int = 15
) -> dict[str, Any]:
    """A plain dict: ECE, MCE (the largest gap), detections, bins: [{low, high, detections,
    confidence, precision}], per_class: [{class, detections, ECE}]. confidence: the mean score.

    Over the detections that COCO counts. Numbers are None where there is none, and all where the
    split has no box: no detection can be right or wrong then.
    """
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
