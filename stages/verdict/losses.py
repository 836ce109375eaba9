"""Verdicts on the train loss. It has no images to resample: only repeats show how much of a difference is chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from scipy.special import stdtr, stdtrit

from stages.verdict.pairs import ALPHA, Estimate, Outcome, Pair, holm


def compare(losses: Mapping[str, Sequence[float]], detectors: Mapping[str, str]) -> tuple[Pair, ...]:
    """Student's two-sample t test with pooled variance, as pairs.py pools that between runs, Holm-corrected over all
    pairs. losses: cell -> the train loss of each of its trainings; cells with a single one are left out, and so are
    pairs of different detectors, which sum different terms.

    "better" is the lower loss. The Estimates have no boxes, images and splits.
    """
    repeated = {name: np.array(values) for name, values in losses.items() if len(values) > 1}
    found = []
    for first, second in combinations(repeated, 2):
        if detectors[first] == detectors[second]:
            difference = _difference(repeated[first], repeated[second])
            found.append((first, second, difference, *_test(difference)))
    adjusted, _ = holm([p for *_, p in found])
    return tuple(Pair(first, second, _outcome(difference, corrected), difference, probability, p, corrected, None, None)
                 for (first, second, difference, probability, p), corrected in zip(found, adjusted, strict=True))


def _difference(one: np.ndarray, other: np.ndarray) -> Estimate:
    freedom = len(one) + len(other) - 2
    squares = ((one - one.mean()) ** 2).sum() + ((other - other.mean()) ** 2).sum()
    of_runs = float(squares) / freedom * (1 / len(one) + 1 / len(other))
    value, error = float(one.mean() - other.mean()), math.sqrt(of_runs)
    reach = float(stdtrit(freedom, 1 - ALPHA / 2)) * error
    return Estimate(value, value - reach, value + reach, error, 0.0, 0.0, of_runs, float(freedom), 0, 0, 0,
                    (len(one), len(other)), False)


def _test(one: Estimate) -> tuple[float, float]:
    """The probability that the first loss is the lower one, and the two-sided p of no difference."""
    if one.error == 0 and one.value == 0:
        return 0.5, 1.0
    t = one.value / one.error if one.error else math.copysign(math.inf, one.value)
    return float(stdtr(one.freedom, -t)), float(min(1.0, 2 * stdtr(one.freedom, -abs(t))))


def _outcome(one: Estimate, p: float) -> Outcome:
    if p >= ALPHA:
        return "not distinguishable"
    return "better" if one.value < 0 else "worse"
