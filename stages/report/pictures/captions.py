"""What is drawn on a picture of the gallery, and what stands under it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from stages.analysis.tide import KINDS as ERRORS
from stages.report.pictures.details import Shown
from stages.report.pictures.disagreements import KINDS, View
from stages.report.pictures.thumbnails import Box

# What happens to a box that is not found, by KINDS.
_FATES = {"missed": "not found", "classification": "found with a wrong class", "localisation": "found, but misplaced"}


def boxes(seen: View, image_id: int, lit_boxes: Collection[int] = (), lit: Collection[int] = ()) -> list[Box]:
    """The boxes of an image as they are, solid, and what a cell shows, dashed and in the colour of its kind.

    lit_boxes, lit: positions in Truth and of detections that the picture is there for.
    """
    truth, detections, kinds = seen.inspected.truth, seen.inspected.detections, seen.inspected.errors.kind
    found, target = seen.inspected.evaluated.box, seen.inspected.errors.target
    at = int(np.searchsorted(truth.image_ids, image_id))
    drawn = []
    for box in np.flatnonzero(truth.image == at).tolist():
        name, fate = truth.classes[truth.category[box]], seen.fate[box]
        if truth.crowd[box]:
            drawn.append(Box(truth.boxes[box], "crowd", False, f"{name} is here, a crowd: not counted"))
        elif fate < 0:
            drawn.append(Box(truth.boxes[box], "found", False, f"{name} is here: found", box in lit_boxes))
        else:
            drawn.append(Box(truth.boxes[box], "lost", False, f"{name} is here: {_FATES[KINDS[fate]]}",
                             box in lit_boxes))
    for one in np.flatnonzero(seen.kept & (detections.image == at)).tolist():
        name = f"{truth.classes[detections.category[one]]} {detections.score[one]:.2f}"
        if found[one] >= 0:
            drawn.append(Box(detections.boxes[one], "right", True, f"{name}: right"))
        elif kinds[one] >= 0:
            kind = ERRORS[kinds[one]]
            means = f", this is {truth.classes[truth.category[target[one]]]}" if kind == "classification" else ""
            drawn.append(Box(detections.boxes[one], kind, True, f"{name}: {kind}{means}", one in lit))
    return drawn


def tally(image: Mapping[str, Any]) -> str:
    """The counts of an image as images.per_image() gives them."""
    kinds = [f"{number} {kind}" for kind, number in image["errors"].items() if number and kind != "missed"]
    listed = f" ({', '.join(kinds)})" if kinds else ""
    return (f"{image['boxes']} box{'' if image['boxes'] == 1 else 'es'}: {image['right']} found, "
            f"{image['not_found']} not; {image['wrong']} wrong{listed}")


def mistakes(kind: str, cell: Shown, seen: View, there: np.ndarray, by: np.ndarray) -> str:
    """What the wrong cell of a disagreement does on an image, class by class. there: boxes, by: its detections."""
    truth, detections = seen.inspected.truth, seen.inspected.detections
    boxes = [truth.classes[truth.category[box]] for box in there if box >= 0]
    shown = [truth.classes[detections.category[one]] for one in by if one >= 0]
    if kind == "classification":
        return f"{cell.short} takes {_each([f'{a} for {b}' for a, b in zip(boxes, shown)])}"
    if kind == "background":
        return f"{cell.short} sees {_each(shown)} where nothing is"
    return f"{cell.short} {'misses' if kind == 'missed' else 'misplaces'} {_each(boxes)}"


def _each(names: Sequence[str]) -> str:
    """Names by how often they come, at most five."""
    counts = Counter(names).most_common()
    told = [name if number == 1 else f"{name} ({number})" for name, number in counts[:5]]
    return ", ".join([*told, *[f"{len(counts) - 5} more"] * (len(counts) > 5)])
