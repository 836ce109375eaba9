"""Classes that no good cell finds: at or near an AP50 of zero, however high the mean is."""

from __future__ import annotations

from dataclasses import dataclass

from stages.report.table import label_of
from stages.verdict.judgement import Judgement
from stages.verdict.wording import boxes as boxes_text

# An AP50 of no more than this counts as hardly found.
NEAR_ZERO = 0.05
_MOST_NAMES = 4


@dataclass(frozen=True)
class WeakClass:
    """A class with boxes on the split; highest: the best AP50 that any good cell has in it."""

    name: str
    boxes: int
    highest: float


def weak_classes(judgement: Judgement, split: str) -> tuple[list[WeakClass], int]:
    """Those that no good cell finds, most boxes first, and how many classes the mean runs over."""
    highest: dict[str, float] = {}
    boxes: dict[str, int] = {}
    for cell in judgement.good:
        for group in judgement.groups.get(cell, {}).get(split, ()):
            if group.kind == "class" and group.AP50 is not None and group.boxes:
                boxes[group.name] = max(boxes.get(group.name, 0), group.boxes)
                highest[group.name] = max(highest.get(group.name, 0.0), group.AP50.value)
    weak = []
    for name, value in highest.items():
        if value <= NEAR_ZERO:
            weak.append(WeakClass(name, boxes[name], value))
    return sorted(weak, key=lambda entry: -entry.boxes), len(highest)


def weak_sentence(judgement: Judgement) -> str:
    """The warning on the card: which classes, and what they take from the mean; "" for none."""
    split = judgement.metric.split("/")[0]
    weak, classes = weak_classes(judgement, split)
    if not weak:
        return ""
    listed = []
    for entry in weak[:_MOST_NAMES]:
        number = boxes_text(entry.boxes)
        listed.append(f"{entry.name} (AP50 {entry.highest:.3f} at best, {number})")
    if len(weak) > _MOST_NAMES:
        listed.append(f"{len(weak) - _MOST_NAMES} more")
    return (
        f"No good cell finds {', '.join(listed)}: {len(weak)} of {classes} classes, and so "
        f"{100 * len(weak) / classes:.0f} % of {label_of(judgement.metric)}."
    )
