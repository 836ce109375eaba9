"""Whether a score means what it says: reliability bins and the expected calibration error.

Guo, Pleiss, Sun, Weinberger 2017, "On Calibration of Modern Neural Networks" (arXiv:1706.04599), equations 2 to 5,
with M bins ((m - 1) / M, m / M]. For detections "correct" is a true positive at IoU .5, so accuracy is precision
(Kueppers et al. 2020, arXiv:2004.13546, without its box terms). Boxes that nobody found have no score and no part.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.scoring.engine import Evaluated
from stages.scoring.tables import Detections, Truth


def calibration(truth: Truth, detections: Detections, evaluated: Evaluated, bins: int = 15) -> dict[str, Any]:
    """A plain dict: ECE, MCE (the largest gap), detections, bins: [{low, high, detections, confidence, precision}],
    per_class: [{class, detections, ECE}]. confidence: the mean score.

    Over the detections that COCO counts. Numbers are None where there is none, and all where the split has no box: no
    detection can be right or wrong then.
    """
    labelled = bool(truth.boxes_per_class().any())
    counted = np.flatnonzero(evaluated.counted) if labelled else np.zeros(0, dtype=np.int64)
    score, right, category = detections.score[counted], evaluated.box[counted] >= 0, detections.category[counted]
    table = _bins(score, right, bins)
    per_class = [{"class": name, "detections": int((category == index).sum()),
                  "ECE": _ece(_bins(score[category == index], right[category == index], bins))}
                 for index, name in enumerate(truth.classes)]
    return {"ECE": _ece(table), "MCE": max((_gap(one) for one in table if one["detections"]), default=None),
            "detections": len(counted), "bins": table, "per_class": per_class}


def _bins(score: np.ndarray, right: np.ndarray, bins: int) -> list[dict[str, Any]]:
    # Compared with m / M rather than rounding score * M up: .7 * 10 is above 7 in floating point.
    edges = np.arange(bins + 1) / bins
    at = np.searchsorted(edges[1:-1], score, side="left")
    number = np.bincount(at, minlength=bins)
    total, true = np.bincount(at, score, bins), np.bincount(at, right, bins)
    return [{"low": float(edges[m]), "high": float(edges[m + 1]), "detections": int(number[m]),
             "confidence": float(total[m] / number[m]) if number[m] else None,
             "precision": float(true[m] / number[m]) if number[m] else None} for m in range(bins)]


def _gap(one: dict[str, Any]) -> float:
    return abs(one["precision"] - one["confidence"])


def _ece(table: list[dict[str, Any]]) -> float | None:
    total = sum(one["detections"] for one in table)
    return sum(one["detections"] * _gap(one) for one in table if one["detections"]) / total if total else None
