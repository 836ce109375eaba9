"""What is drawn on a picture of the gallery, and what stands under it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from stages.analysis.tide import KINDS as ERRORS
from stages.report.pictures.disagreements import KINDS, View
from stages.report.pictures.shown_cells import Shown
from stages.report.pictures.thumbnails import Box
from stages.verdict.wording import boxes as boxes_text

# What happens to a box that is not found, by KINDS.
_FATES = {
    "missed": "not found",
    "classification": "found with a wrong class",
    "localisation": "found, but misplaced",
}
_MOST_NAMES = 5


def boxes(
    view: View, image_id: int, lit_boxes: Collection[int] = (), lit: Collection[int] = ()
) -> list[Box]:
    """The labelled boxes of an image, solid, and what a cell shows, dashed in the colour of its
    kind.

    lit_boxes, lit: positions in Truth and of detections that the picture is there for.
    """
    return [*_labelled(view, image_id, lit_boxes), *_detected(view, image_id, lit)]


def _labelled(view: View, image_id: int, lit: Collection[int]) -> list[Box]:
    truth = view.inspected.truth
    place = int(np.searchsorted(truth.image_ids, image_id))
    drawn = []
    for box in np.flatnonzero(truth.image == place).tolist():
        name, fate = truth.classes[truth.category[box]], view.fate[box]
        if truth.crowd[box]:
            title = f"labelled {name}, a crowd: not counted"
            drawn.append(Box(truth.boxes[box], "crowd", False, title))
            continue
        kind = words = "found"
        if fate >= 0:
            kind, words = "lost", _FATES[KINDS[fate]]
        title = f"labelled {name}: {words}"
        drawn.append(Box(truth.boxes[box], kind, False, title, box in lit))
    return drawn


def _detected(view: View, image_id: int, lit: Collection[int]) -> list[Box]:
    truth, detections = view.inspected.truth, view.inspected.detections
    errors, right = view.inspected.errors, view.inspected.evaluated.box
    place = int(np.searchsorted(truth.image_ids, image_id))
    drawn = []
    for at in np.flatnonzero(view.kept & (detections.image == place)).tolist():
        name = f"{truth.classes[detections.category[at]]} {detections.score[at]:.2f}"
        if right[at] >= 0:
            drawn.append(Box(detections.boxes[at], "right", True, f"{name}: right"))
        elif errors.kind[at] >= 0:
            kind = ERRORS[errors.kind[at]]
            title = f"{name}: {kind}"
            if kind == "classification":
                title += f", this is {truth.classes[truth.category[errors.target[at]]]}"
            drawn.append(Box(detections.boxes[at], kind, True, title, at in lit))
    return drawn


def tally(image: Mapping[str, Any]) -> str:
    """The counts of an image as images.per_image() gives them."""
    kinds = []
    for kind, number in image["errors"].items():
        if number and kind != "missed":
            kinds.append(f"{number} {kind}")
    text = (
        f"{boxes_text(image['boxes'])}: {image['right']} found, {image['not_found']} not; "
        f"{image['wrong']} wrong"
    )
    if kinds:
        text += f" ({', '.join(kinds)})"
    return text


def mistakes(kind: str, cell: Shown, view: View, boxes: np.ndarray, by: np.ndarray) -> str:
    """What the wrong cell of a disagreement does on an image, class by class.

    boxes: positions in Truth; by: its detections; -1 where there is none.
    """
    truth, detections = view.inspected.truth, view.inspected.detections
    labelled = [truth.classes[truth.category[box]] for box in boxes if box >= 0]
    detected = [truth.classes[detections.category[at]] for at in by if at >= 0]
    if kind == "classification":
        swaps = []
        for label, detection in zip(labelled, detected, strict=True):
            swaps.append(f"{label} for {detection}")
        return f"{cell.short} takes {_each(swaps)}"
    if kind == "background":
        return f"{cell.short} sees {_each(detected)} where nothing is labelled"
    verb = "misses" if kind == "missed" else "misplaces"
    return f"{cell.short} {verb} {_each(labelled)}"


def _each(names: Sequence[str]) -> str:
    """Names by how often they come, at most _MOST_NAMES."""
    counts = Counter(names).most_common()
    listed = []
    for name, number in counts[:_MOST_NAMES]:
        listed.append(name if number == 1 else f"{name} ({number})")
    if len(counts) > _MOST_NAMES:
        listed.append(f"{len(counts) - _MOST_NAMES} more")
    return ", ".join(listed)
