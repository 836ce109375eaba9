"""What cells show on an image and where two of them disagree, drawn and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stages.analysis import tide
from stages.analysis.tide import Inspection
from stages.report.pictures.thumbnails import DrawnBox
from stages.report.shown_cells import Shown
from stages.scoring.tables import iou_with
from stages.study.counts import count, form, shortened

# What the cell that is wrong does, as a heading and as a sentence of the table, in this order.
DISAGREEMENTS = {
    "missed": ("One finds a box that the other misses", "boxes that the other one misses"),
    "classification": (
        "One gives the right class, the other a wrong one",
        "boxes to which the other one gives a wrong class",
    ),
    "localisation": (
        "One places the box well, the other poorly",
        "boxes that the other one places poorly",
    ),
    "background": (
        "One sees something where nothing is labelled",
        "places where the other one sees something that is not labelled",
    ),
}
_KINDS = tuple(DISAGREEMENTS)
_IOU = 0.5
# What happens to a box that is not found, by kind.
_FATES = {
    "missed": "not found",
    "classification": "found with a wrong class",
    "localisation": "found, but misplaced",
}
_MOST_NAMES = 5


@dataclass(frozen=True)
class View:
    """What a cell shows from its threshold up. kept (D,) bool: detections that count and reach it;
    fate (N,) of each box: -1 found, else the position in DISAGREEMENTS of what happens to it;
    by (N,): the detection that confuses or misplaces it, the one with the highest score, else
    -1."""

    inspected: Inspection
    score: float
    kept: np.ndarray
    fate: np.ndarray
    by: np.ndarray


def view(inspected: Inspection, score: float) -> View:
    """A box is found where a detection of at least `score` finds it at IoU .5."""
    evaluated, errors = inspected.evaluated, inspected.errors
    kept = evaluated.counted & (inspected.detections.score >= score)
    fate = np.zeros(len(inspected.truth.ids), dtype=np.int64)
    by = np.full(len(fate), -1)
    rising = inspected.detections.ranking()[::-1]
    # Later ones overrule: a box that is found is found, whatever else means it.
    for kind in (tide.LOCALISATION, tide.CLASSIFICATION):
        rows = rising[(kept & (errors.kind == kind))[rising]]
        fate[errors.target[rows]] = _KINDS.index(tide.ERROR_KINDS[kind])
        by[errors.target[rows]] = rows
    detected = evaluated.box[kept & (evaluated.box >= 0)]
    fate[detected] = by[detected] = -1
    return View(inspected, score, kept, fate, by)


def compare_views(first: View, second: View) -> pd.DataFrame:
    """Where two cells' views of the same split disagree, a row each: kind, what the wrong cell does
    (of DISAGREEMENTS); right: 0 where the first cell is right, 1 where the second is; image:
    position in Truth; box: its position in Truth, or -1 where nothing is; detection: the wrong
    cell's, or -1 where it shows none."""
    truth = first.inspected.truth
    kinds = np.array(_KINDS)
    parts = []
    for right, (good, bad) in enumerate(((first, second), (second, first))):
        box = np.flatnonzero(~truth.crowd & (good.fate < 0) & (bad.fate >= 0))
        parts.append((kinds[bad.fate[box]], right, truth.image[box], box, bad.by[box]))
        ghost = _unshared(bad, good)
        parts.append(("background", right, bad.inspected.detections.image[ghost], -1, ghost))
    columns = ("kind", "right", "image", "box", "detection")
    tables = [pd.DataFrame(dict(zip(columns, part, strict=True))) for part in parts]
    return pd.concat(tables, ignore_index=True)


def _unshared(bad: View, good: View) -> np.ndarray:
    """Detections of nothing by `bad` where `good` shows nothing of any class, IoU .5 or more."""
    ours, others = bad.inspected.detections, good.inspected.detections
    theirs = np.flatnonzero(good.kept)
    of_image = pd.Series(theirs).groupby(others.image[theirs]).indices
    alone = []
    for ghost in np.flatnonzero(bad.kept & (bad.inspected.errors.kind == tide.BACKGROUND)).tolist():
        near = theirs[of_image.get(ours.image[ghost], [])]
        if not (iou_with(ours.boxes[ghost], others.boxes[near]) >= _IOU).any():
            alone.append(ghost)
    return np.array(alone, dtype=np.int64)


def boxes(
    view: View, image_id: int, lit_boxes: Collection[int] = (), lit: Collection[int] = ()
) -> list[DrawnBox]:
    """The labelled boxes of an image, solid, and what a cell shows, dashed in the colour of its
    kind.

    lit_boxes, lit: positions in Truth and of detections that the picture is there for.
    """
    truth, detections = view.inspected.truth, view.inspected.detections
    errors, right = view.inspected.errors, view.inspected.evaluated.box
    place = int(np.searchsorted(truth.image_ids, image_id))
    drawn = []
    for box in np.flatnonzero(truth.image == place).tolist():
        kind, words = "found", "found"
        if truth.crowd[box]:
            kind, words = "crowd", "a crowd: not counted"
        elif view.fate[box] >= 0:
            kind, words = "lost", _FATES[_KINDS[view.fate[box]]]
        mark = "," if kind == "crowd" else ":"
        title = f"labelled {truth.classes[truth.category[box]]}{mark} {words}"
        drawn.append(DrawnBox(*truth.boxes[box], kind, False, title, box in lit_boxes))
    for at in np.flatnonzero(view.kept & (detections.image == place)).tolist():
        name = f"{truth.classes[detections.category[at]]} {detections.score[at]:.2f}"
        if right[at] >= 0:
            drawn.append(DrawnBox(*detections.boxes[at], "right", True, f"{name}: right"))
        elif errors.kind[at] >= 0:
            kind = tide.ERROR_KINDS[errors.kind[at]]
            title = f"{name}: {kind}"
            if kind == "classification":
                title += f", this is {truth.classes[truth.category[errors.target[at]]]}"
            drawn.append(DrawnBox(*detections.boxes[at], kind, True, title, at in lit))
    return drawn


def image_tally(image: Mapping[str, Any]) -> str:
    """The counts of an image as images.per_image() gives them."""
    kinds = []
    for kind, number in image["errors"].items():
        if number and kind != "missed":
            kinds.append(f"{number} {kind}")
    text = (
        f"{count(image['boxes'], 'boxes')}: {image['right']} found, {image['not_found']} not; "
        f"{image['wrong']} wrong"
    )
    if kinds:
        text += f" ({', '.join(kinds)})"
    return text


def mistakes(cell: Shown, view: View, rows: pd.DataFrame) -> str:
    """What the wrong cell of a disagreement does on an image, class by class. rows: of
    compare_views(), all of one kind and with this cell in the wrong."""
    truth, detections = view.inspected.truth, view.inspected.detections
    labelled = [truth.classes[truth.category[box]] for box in rows.box if box >= 0]
    detected = [truth.classes[detections.category[at]] for at in rows.detection if at >= 0]
    kind = rows.kind.iloc[0]
    if kind == "classification":
        swaps = [f"{pair[0]} for {pair[1]}" for pair in zip(labelled, detected, strict=True)]
        return f"{cell.short} takes {_each(swaps)}"
    if kind == "background":
        return f"{cell.short} sees {_each(detected)} where nothing is labelled"
    verb = "misses" if kind == "missed" else "misplaces"
    return f"{cell.short} {verb} {_each(labelled)}"


def _each(names: Sequence[str]) -> str:
    """Names by how often they come, at most _MOST_NAMES."""
    counts = Counter(names).most_common()
    listed = [form(number, name, f"{name} ({number})") for name, number in counts]
    return ", ".join(shortened(listed, _MOST_NAMES))
