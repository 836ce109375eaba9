"""What keeps a cell from a perfect AP50, in six kinds of error.

TIDE: Bolya, Foley, Hays, Hoffman 2020, "TIDE: A General Toolbox for Identifying Object Detection
Errors" (arXiv:2008.08115), section 2. Where a detection fits several kinds, the order is that of
the authors' tool (tidecv): localisation, classification, duplicate, background, both. What is
evaluated is COCO's matching at IoU .5, so that the AP to start from is the AP50 of the tables;
tidecv caps an image's detections over all classes instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.scoring import engine
from stages.scoring.engine import Evaluated
from stages.scoring.tables import Detections, Pairs, Truth, overlaps, read_detections, read_truth

ERROR_KINDS = ("classification", "localisation", "both", "duplicate", "background", "missed")
CLASSIFICATION, LOCALISATION, BOTH, DUPLICATE, BACKGROUND, MISSED = range(6)
FOREGROUND = 0.5
BACKDROP = 0.1


@dataclass(frozen=True)
class Errors:
    """kind: (D,) position in ERROR_KINDS, -1 for detections that are right or not counted.

    target: (D,) the box that a classification or localisation error means, or that a duplicate
    detects again; else -1. missed: (N,) boxes that no detection matches and no classification or
    localisation error means; crowds never are.
    """

    kind: np.ndarray
    target: np.ndarray
    missed: np.ndarray


@dataclass(frozen=True)
class Inspection:
    """A cell's detections on a split, as arrays: which detection is which error on which box."""

    truth: Truth
    detections: Detections
    evaluated: Evaluated
    pairs: Pairs
    errors: Errors

    def shown(self, score: float) -> np.ndarray:
        """(D,) bool: the detections that COCO counts and that have at least `score`."""
        return self.evaluated.counted & (self.detections.score >= score)


def inspect(annotations: str | Path, results: Sequence[Mapping[str, Any]]) -> Inspection:
    """annotations: COCO file of a split as stage prepare writes it; results: COCO's results format,
    may be [].

    Raises InputError where either cannot be read (see tables.py).
    """
    truth = read_truth(annotations)
    detections = read_detections(results, truth)
    evaluated = engine.evaluate(truth, detections)
    pairs = overlaps(truth, detections)
    errors = _decompose(truth, detections, pairs, evaluated)
    return Inspection(truth, detections, evaluated, pairs, errors)


def _decompose(truth: Truth, detections: Detections, pairs: Pairs, evaluated: Evaluated) -> Errors:
    count = len(detections.score)
    real = ~truth.crowd[pairs.box]
    same = detections.category[pairs.detection] == truth.category[pairs.box]
    own, own_box = pairs.best(real & same, count)
    wrong, wrong_box = pairs.best(real & ~same, count)
    kind = np.select(
        [
            (own >= BACKDROP) & (own < FOREGROUND),
            wrong >= FOREGROUND,
            own >= FOREGROUND,
            np.maximum(own, wrong) <= BACKDROP,
        ],
        [LOCALISATION, CLASSIFICATION, DUPLICATE, BACKGROUND],
        default=BOTH,
    )
    kind[~evaluated.counted | (evaluated.box >= 0)] = -1
    target = np.select(
        [kind == CLASSIFICATION, (kind == LOCALISATION) | (kind == DUPLICATE)],
        [wrong_box, own_box],
        default=-1,
    )
    missed = ~truth.crowd
    missed[evaluated.box[evaluated.box >= 0]] = False
    missed[target[(kind == CLASSIFICATION) | (kind == LOCALISATION)]] = False
    return Errors(kind, target, missed)


def effects(inspected: Inspection) -> dict[str, Any]:
    """What AP50 would gain if one kind of error were mended and the rest stayed: dAP of the paper,
    never below 0.

    A plain dict: AP50; dAP and count by ERROR_KINDS; dAP_special: {false_positives,
    false_negatives}, the gain if no wrong detection stood before a right one, and if only the boxes
    that are matched counted; classes: how many the means run over (those with boxes); per_class:
    [{class, ERROR_KINDS: counts}], errors of detections by their own class, missed boxes by theirs.
    All dAP and AP50 are None where the split has no box."""
    truth, detections = inspected.truth, inspected.detections
    evaluated, errors = inspected.evaluated, inspected.errors
    boxes = truth.boxes_per_class()
    order = detections.ranking()
    order = order[evaluated.counted[order]]
    right = evaluated.box[order] >= 0
    label, kind, target = detections.category[order], errors.kind[order], errors.target[order]

    def ap(labels: np.ndarray, correct: np.ndarray, kept: np.ndarray, targets: np.ndarray) -> float:
        values = []
        for index in np.flatnonzero(boxes):
            of_class = kept & (labels == index)
            values.append(_of_class(correct[of_class], int(targets[index])))
        return float(np.mean(values))

    counts = {}
    for index, name in enumerate(ERROR_KINDS[:MISSED]):
        counts[name] = int((errors.kind == index).sum())
    counts[ERROR_KINDS[MISSED]] = int(errors.missed.sum())
    result: dict[str, Any] = {
        "AP50": None,
        "dAP": dict.fromkeys(ERROR_KINDS),
        "count": counts,
        "dAP_special": {"false_positives": None, "false_negatives": None},
        "classes": int((boxes > 0).sum()),
        "per_class": _per_class(inspected),
    }
    if not boxes.any():
        return result
    everything = np.ones(len(order), dtype=bool)
    mended = _mended(truth, evaluated, kind, target)
    missed = np.bincount(truth.category[errors.missed], minlength=len(boxes))
    matched = evaluated.box[evaluated.box >= 0]
    detected = np.bincount(truth.category[matched], minlength=len(boxes))
    after = {}
    for index in (CLASSIFICATION, LOCALISATION):
        better = mended & (kind == index)
        moved = np.where(better, truth.category[target], label)
        after[ERROR_KINDS[index]] = ap(moved, right | better, (kind != index) | better, boxes)
    for index in (BOTH, DUPLICATE, BACKGROUND):
        after[ERROR_KINDS[index]] = ap(label, right, kind != index, boxes)
    after[ERROR_KINDS[MISSED]] = ap(label, right, everything, boxes - missed)
    before = ap(label, right, everything, boxes)
    result["AP50"] = before
    # The 101 points of the curve can lose a trace where its steps move; tidecv calls that 0 too.
    result["dAP"] = {name: max(after[name] - before, 0.0) for name in ERROR_KINDS}
    result["dAP_special"] = {
        "false_positives": ap(label, right, right, boxes) - before,
        "false_negatives": ap(label, right, everything, detected) - before,
    }
    return result


def _mended(truth: Truth, evaluated: Evaluated, kind: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(n,), by falling score: whether a mended error becomes a true positive. Only the best of
    those that mean a box does, and none where the box is matched already: the rest would be
    duplicates and go."""
    matched = np.zeros(len(truth.ids), dtype=bool)
    matched[evaluated.box[evaluated.box >= 0]] = True
    rows = np.flatnonzero((kind == CLASSIFICATION) | (kind == LOCALISATION))
    _, first = np.unique(target[rows], return_index=True)
    best = rows[first]
    mended = np.zeros(len(kind), dtype=bool)
    mended[best] = ~matched[target[best]]
    return mended


def _of_class(correct: np.ndarray, boxes: int) -> float:
    if boxes:
        return engine.average_precision(correct, boxes)
    # Mending what is missed can leave no box to detect, which the paper does not treat (tidecv
    # divides by zero): perfect where nothing is detected either, else worth nothing.
    return float(not len(correct))


def _per_class(inspected: Inspection) -> list[dict[str, Any]]:
    truth, errors = inspected.truth, inspected.errors
    table: list[dict[str, Any]] = [{"class": name} for name in truth.classes]
    for index, kind in enumerate(ERROR_KINDS):
        labels = inspected.detections.category[errors.kind == index]
        if index == MISSED:
            labels = truth.category[errors.missed]
        counts = np.bincount(labels, minlength=len(table)).tolist()
        for row, count in zip(table, counts):
            row[kind] = count
    return table
