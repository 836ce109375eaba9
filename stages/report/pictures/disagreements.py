"""Where two cells disagree on a split: boxes that only one of them finds, and things that only one
of them sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.analysis.depth import Inspection
from stages.analysis.tide import BACKGROUND, CLASSIFICATION, LOCALISATION
from stages.scoring.tables import iou_with

# What the cell that is wrong does, in the order in which they are shown.
KINDS = ("missed", "classification", "localisation", "background")
_IOU = 0.5


@dataclass(frozen=True)
class View:
    """What a cell shows from its threshold up. kept (D,) bool: detections that count and reach it;
    fate (N,) of each box: -1 found, else the position in KINDS of what happens to it; by (N,): the
    detection that confuses or misplaces it, the one with the highest score, else -1."""

    inspected: Inspection
    score: float
    kept: np.ndarray
    fate: np.ndarray
    by: np.ndarray


@dataclass(frozen=True)
class Disagreements:
    """One entry for each (E,): kind, the position in KINDS of what the wrong cell does; right: 0
    where the first cell is right, 1 where the second is; image: position in Truth; box: its
    position in Truth, or -1 where nothing is; detection: the wrong cell's detection, -1 where it
    shows none."""

    kind: np.ndarray
    right: np.ndarray
    image: np.ndarray
    box: np.ndarray
    detection: np.ndarray

    def count(self, kind: int, right: int) -> int:
        return int(((self.kind == kind) & (self.right == right)).sum())


def view(inspected: Inspection, score: float) -> View:
    """A box counts as found where a detection of at least `score` finds it at IoU .5, as in
    images.per_image()."""
    evaluated, errors = inspected.evaluated, inspected.errors
    kept = evaluated.counted & (inspected.detections.score >= score)
    fate = np.zeros(len(inspected.truth.ids), dtype=np.int64)
    by = np.full(len(fate), -1)
    rising = inspected.detections.ranking()[::-1]
    # Later ones overrule: a box that is found is found, whatever else means it.
    for kind, name in ((LOCALISATION, "localisation"), (CLASSIFICATION, "classification")):
        rows = rising[(kept & (errors.kind == kind))[rising]]
        fate[errors.target[rows]] = KINDS.index(name)
        by[errors.target[rows]] = rows
    detected = evaluated.box[kept & (evaluated.box >= 0)]
    fate[detected] = by[detected] = -1
    return View(inspected, score, kept, fate, by)


def compare(first: View, second: View) -> Disagreements:
    """Both cells' views of the same split."""
    truth = first.inspected.truth
    parts = []
    for right, (good, bad) in enumerate(((first, second), (second, first))):
        box = np.flatnonzero(~truth.crowd & (good.fate < 0) & (bad.fate >= 0))
        parts.append((bad.fate[box], np.full(len(box), right), truth.image[box], box, bad.by[box]))
        ghost = _unshared(bad, good)
        parts.append(
            (
                np.full(len(ghost), KINDS.index("background")),
                np.full(len(ghost), right),
                bad.inspected.detections.image[ghost],
                np.full(len(ghost), -1),
                ghost,
            )
        )
    return Disagreements(*(np.concatenate(column).astype(np.int64) for column in zip(*parts)))


def _unshared(bad: View, good: View) -> np.ndarray:
    """Detections of nothing by `bad` where `good` shows nothing of any class, IoU .5 or more."""
    ghosts = np.flatnonzero(bad.kept & (bad.inspected.errors.kind == BACKGROUND))
    theirs = np.flatnonzero(good.kept)
    ours, others = bad.inspected.detections, good.inspected.detections
    theirs = theirs[np.argsort(others.image[theirs], kind="stable")]
    image = others.image[theirs]
    low = np.searchsorted(image, ours.image[ghosts], side="left")
    high = np.searchsorted(image, ours.image[ghosts], side="right")
    alone = []
    for ghost, start, end in zip(ghosts.tolist(), low.tolist(), high.tolist(), strict=True):
        overlap = iou_with(ours.boxes[ghost], others.boxes[theirs[start:end]])
        if not (overlap >= _IOU).any():
            alone.append(ghost)
    return np.array(alone, dtype=np.int64)
