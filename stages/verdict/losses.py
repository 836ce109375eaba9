"""Verdicts on the train loss. It has no images to resample: only repeats show how much of a
difference is chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from stages.verdict.estimates import ALPHA, Estimate
from stages.verdict.pairs import Outcome, Pair, levels


def compare(
    losses: Mapping[str, Sequence[float]], detectors: Mapping[str, str]
) -> tuple[Pair, ...]:
    """Student's two-sample t test with pooled variance, as estimates.py pools that between runs,
    Holm-corrected over all pairs. losses: cell -> the train loss of each of its trainings; cells
    with a single one are left out, and so are pairs of different detectors, which sum different
    terms.

    "better" is the lower loss. The Estimates have no boxes, images and splits.
    """
    repeated = {}
    for name, values in losses.items():
        if len(values) > 1:
            repeated[name] = np.array(values)
    pairs = []
    for first, second in combinations(repeated, 2):
        if detectors[first] == detectors[second]:
            estimate = _difference(repeated[first], repeated[second])
            pairs.append((first, second, estimate, *estimate.test()))
    corrected, _, alphas = levels([p for *_, p in pairs])
    result = []
    for pair, p_holm, alpha in zip(pairs, corrected, alphas, strict=True):
        first, second, estimate, above, p = pair
        result.append(
            Pair(
                first,
                second,
                _outcome(estimate, p_holm),
                estimate,
                1 - above,
                p,
                p_holm,
                images_needed=None,
                repeats_needed=None,
                adjusted=estimate.interval(alpha, math.inf),
            )
        )
    return tuple(result)


def _difference(first: np.ndarray, second: np.ndarray) -> Estimate:
    freedom = len(first) + len(second) - 2
    squares = ((first - first.mean()) ** 2).sum() + ((second - second.mean()) ** 2).sum()
    of_runs = float(squares) / freedom * (1 / len(first) + 1 / len(second))
    value = float(first.mean() - second.mean())
    unbounded = Estimate(
        value,
        value,
        value,
        error=math.sqrt(of_runs),
        bias=0.0,
        of_images=0.0,
        of_runs=of_runs,
        freedom=float(freedom),
        boxes=0,
        images=0,
        splits=0,
        runs=(len(first), len(second)),
        thin=False,
    )
    low, high = unbounded.interval(ALPHA, math.inf)
    return replace(unbounded, low=low, high=high)


def _outcome(estimate: Estimate, p: float) -> Outcome:
    if p >= ALPHA:
        return "not distinguishable"
    return "better" if estimate.value < 0 else "worse"
