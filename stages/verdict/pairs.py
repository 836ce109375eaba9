"""Which of two cells is better in a statistic, or in the train loss, corrected for the number of
pairs that were compared.

Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
Statistics 6: the smallest p is multiplied by the number of pairs, the next one by one less, and the
first that is not below ALPHA ends it. What the differences and their errors are is in
stages/verdict/estimates.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from scipy.special import ndtri

from stages.verdict.estimates import (
    ALPHA,
    Estimate,
    estimate_of,
    loss_difference,
    sample_sizes,
    scores_of,
)
from stages.verdict.replicates import Replicates, Statistic

PairOutcome = Literal["better", "worse", "not distinguishable"]
_OPPOSITE: dict[PairOutcome, PairOutcome] = {"better": "worse", "worse": "better"}


@dataclass(frozen=True)
class Pair:
    """Cell `first` against `second` in a statistic. difference: an Estimate, first - second.

    outcome: of `first`. probability: that first is the better one; p: two-sided, of no difference;
    p_holm: p after Holm's correction over all pairs compared, which decides: better or worse under
    ALPHA, unless thin.
    adjusted: the difference's interval at the level that decided the outcome, so that it holds 0
    exactly where the two are not distinguishable; None where thin, where no level decides.
    `difference` has the plain 95 % interval.

    images_needed, repeats_needed: where it is not distinguishable, how many images, or runs of each
    cell (or splits, where there are several), would decide it with probability POWER at the
    observed difference; None where thin, where that cannot be told from these runs, or where no
    number of them would do.
    """

    first: str
    second: str
    outcome: PairOutcome
    difference: Estimate
    probability: float
    p: float
    p_holm: float
    images_needed: int | None
    repeats_needed: int | None
    adjusted: tuple[float, float] | None = None

    def swapped(self) -> Pair:
        """The same of `second` against `first`."""
        adjusted = self.adjusted
        return replace(
            self,
            first=self.second,
            second=self.first,
            outcome=_OPPOSITE.get(self.outcome, self.outcome),
            difference=self.difference.swapped(),
            probability=1 - self.probability,
            adjusted=None if adjusted is None else (-adjusted[1], -adjusted[0]),
        )


def compare_cells(
    cells: Mapping[str, Sequence[Replicates]], statistic: Statistic
) -> tuple[Pair, ...]:
    """Verdicts over every two cells, in their order.

    cells: name -> its runs: seeds, with replicates of the same split, or folds, on different ones;
    a pair is compared on the splits that both have. Where a pair's splits have no such box, it is
    left out. Raises InputError where two cells share no split, or a cell has no run.
    """
    scores = {name: scores_of(runs, statistic) for name, runs in cells.items()}
    differences = {}
    for first, second in combinations(cells, 2):
        difference = estimate_of({first: scores[first], second: scores[second]})
        if difference is not None:
            differences[first, second] = difference
    return _judged(differences)


def compare_losses(
    losses: Mapping[str, Sequence[float]], detectors: Mapping[str, str]
) -> tuple[Pair, ...]:
    """Verdicts on the train loss, of which the lower one is "better". It has no images to resample:
    only repeats show how much of a difference is chance. Student's two-sample t test with pooled
    variance, Holm-corrected over all pairs.

    losses: cell -> the train loss of each of its trainings; cells with a single one are left out,
    and so are pairs of different detectors, which sum different terms. The Estimates have no boxes,
    images and splits.
    """
    repeated = {name: np.array(values) for name, values in losses.items() if len(values) > 1}
    differences = {}
    for first, second in combinations(repeated, 2):
        if detectors[first] == detectors[second]:
            differences[first, second] = loss_difference(repeated[first], repeated[second])
    return _judged(differences, of_losses=True)


def holm(p: Sequence[float]) -> tuple[list[float], list[int]]:
    """Holm's step-down: corrected p values, at most 1, and what each one was multiplied by: the
    number of hypotheses for the smallest, one less for the next, never falling in p."""
    corrected, factor, largest = [0.0] * len(p), [0] * len(p), 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda index: p[index])):
        factor[index] = len(p) - rank
        largest = corrected[index] = max(largest, min(1.0, factor[index] * p[index]))
    return corrected, factor


def holm_levels(p: Sequence[float]) -> tuple[list[float], list[float]]:
    """Holm's corrected p values, and the level at which each one was decided: ALPHA by its own
    factor, and after the first that is not below it, by that one's."""
    corrected, factors = holm(p)
    # The procedure ends at the smallest p that is not rejected, which has the largest factor.
    last = max((factor for value, factor in zip(corrected, factors) if value >= ALPHA), default=0)
    return corrected, [ALPHA / max(factor, last) for factor in factors]


def _judged(
    differences: Mapping[tuple[str, str], Estimate], of_losses: bool = False
) -> tuple[Pair, ...]:
    """differences: (first, second) -> their Estimate; all of them are one family."""
    tests = [difference.test() for difference in differences.values()]
    corrected, of_pairs = holm_levels([p for _, p in tests])
    pairs = []
    for names, (above, p), p_holm, level in zip(
        differences, tests, corrected, of_pairs, strict=True
    ):
        difference = differences[names]
        value, thin = difference.value, difference.thin
        outcome: PairOutcome = "not distinguishable"
        # The interval lies around the bias-corrected value; what is printed and what is tested must
        # point the same way.
        if p_holm < ALPHA and not thin and value * difference.centre > 0:
            outcome = "better" if (value > 0) != of_losses else "worse"
        images = repeats = adjusted = None
        if not thin:
            adjusted = difference.interval(level, math.inf if of_losses else 1.0)
        if adjusted and outcome == "not distinguishable":
            # So that it holds 0 also where the bias has carried the value across it.
            adjusted = (min(adjusted[0], value), max(adjusted[1], value))
            if not of_losses:
                images, repeats = sample_sizes(difference, value, float(ndtri(1 - level / 2)))
        probability = 1 - above if of_losses else above
        pairs.append(
            Pair(*names, outcome, difference, probability, p, p_holm, images, repeats, adjusted)
        )
    return tuple(pairs)
