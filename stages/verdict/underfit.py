"""Cells that could fit their training images better than others and do not: undertrained, perhaps,
rather than worse.

More pixels, or more weights of the same detector, can fit the same images at least as well. Where a
larger cell scores lower and its train loss is no lower either, it has not overfitted: its training
has not found what it could express (the degradation of He et al. 2016, arXiv:1512.03385, section
1). Another learning rate or a longer training may then turn the comparison around. That a loss is
higher is not said: the last epochs' mean losses of two cells differ by chance as well.
"""

from __future__ import annotations

from collections.abc import Iterable

from stages.verdict import wording
from stages.verdict.evidence import Evidence
from stages.verdict.statements import TRAIN_LOSS
from stages.verdict.trained import Trained, number


def caution(evidence: Iterable[Evidence]) -> str:
    """On the larger cells that score lower without the lower train loss, each pair once, without
    the last full stop; "" where there is none."""
    losses: dict[str, None] = {}
    for item in evidence:
        order = _by_size(item)
        if order is None or item.metric == TRAIN_LOSS:
            continue
        scores = [number(cell, item.metric) for cell in order]
        fits = [number(cell, TRAIN_LOSS) for cell in order]
        if None in (*scores, *fits) or scores[0] >= scores[1] or fits[0] < fits[1]:
            continue
        levels = [wording.level(cell.level(item.step.factor)) for cell in order]
        sides = [f"{wording.value(fit)} with {level}" for fit, level in zip(fits, levels)]
        losses[" against ".join(sides)] = None
    if not losses:
        return ""
    return (
        f"Where the larger cell scores lower, its train loss is no lower ({'; '.join(losses)}). "
        "It may be undertrained rather than worse: more epochs or another learning rate may turn "
        "that around"
    )


def _by_size(evidence: Evidence) -> tuple[Trained, Trained] | None:
    """The larger cell of a pair and the smaller one; None where neither is, or where the factor is
    another than the size of the images or of the model."""
    first, second = evidence.left, evidence.right
    if evidence.step.factor == "image_size":
        sizes = first.level("image_size"), second.level("image_size")
    elif evidence.step.factor in ("backbone", "neck"):
        sizes = first.parameters, second.parameters
    else:
        return None
    if None in sizes or sizes[0] == sizes[1]:
        return None
    return (first, second) if sizes[0] > sizes[1] else (second, first)
