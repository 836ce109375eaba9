"""Multiple comparisons with the best: what each cell may lose against the best of all, whichever
that is.

Hsu 1984, "Constrained simultaneous confidence intervals for multiple comparisons with the best",
Annals of Statistics 12: with cell j as the control, d_j is the .95 quantile of the largest
studentized difference of another cell to it. With probability .95 the true best, whichever it is,
is in the confidence set

    S = {i: score i - score j + d_i x error(i, j) > 0 for every j}

and no cell i loses more against it than

    max over j in S of (score j - score i + d_j x error(i, j)), and not less than 0.

The K quantiles come from the joint paired replicates, so that they know how the cells' scores are
correlated. A quantile of the replicates is one of a normal variable; each
difference takes Student's quantile of the same level with its own degrees of freedom (balanced
simultaneous bounds, Beran 1988, "Balanced simultaneous confidence sets", Journal of the American
Statistical Association 83).

A cell against the one of highest score has a two-sided simultaneous interval of these K - 1
comparisons (Dunnett 1955, "A multiple comparison procedure for comparing several treatments with a
control"). Which cell is the highest, chance has its part in: it draws the differences down. The
upper end therefore takes the quantile over every cell of S as the control. With that of the highest
alone, 9 to 27 % of the studies of 13 equal cells called one of them worse. Where the lower end
reaches further than Hsu's bound on the loss, the bound is taken to be that, so that a cell that is
shown to be within the margin is as good by its interval too. The cell of highest score has no such
interval, and Hsu's bound alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr, stdtrit

from stages.verdict.differences import Differences
from stages.verdict.estimates import ALPHA, sample_sizes

Word = Literal["best", "as good", "worse", "undecided"]
# Beyond it the normal distribution leaves nothing that a float could tell from 1.
_LARGEST_QUANTILE = 8.0


@dataclass(frozen=True)
class Standing:
    """A cell among all, in the metric that decides. Losses are in its units.

    p_best: probability to be the best; expected_loss: mean of max(0, best of each replicate -
    cell); loss_high: simultaneous 95 % upper bound on what it loses against the best of the others;
    possible_best: in the confidence set of the best.
    interval: simultaneous 95 % of cell - cell of highest score, (0, 0) for that one, never below
    -loss_high; word: where it lies: above -margin "as good", below 0 "worse" (both: as good), else
    "undecided"; thin: too few boxes, so that the word is "undecided" wherever the interval lies.
    images_needed, repeats_needed: as many would decide with probability POWER whether it loses more
    than the margin, if the differences are what was observed; None where that is decided, or no
    number would do.
    """

    p_best: float
    expected_loss: float
    loss_high: float
    interval: tuple[float, float]
    word: Word
    possible_best: bool
    thin: bool = False
    images_needed: int | None = None
    repeats_needed: int | None = None


def standings(
    differences: Differences, highest: str, margin: float, thin: bool = False
) -> dict[str, Standing]:
    """highest: the cell of highest score; margin: the loss that is accepted; thin: the metric rests
    on too few boxes. Empty where there is nothing to compare."""
    names = differences.names
    if highest not in names:
        return {}
    if len(names) == 1:
        return {highest: Standing(1.0, 0.0, 0.0, (0.0, 0.0), "best", True, thin)}
    top = names.index(highest)
    critical = _critical(differences)
    possible = _confidence_set(differences, critical)
    down, up = _downward(differences, top), _upward(differences, top, possible)
    centre, error = differences.centre[:, top], differences.error[:, top]
    low, high = np.clip(centre - down * error, -1, 1), np.clip(centre + up * error, -1, 1)
    low[top] = high[top] = 0
    # What a cell may lose against the highest is no less than its interval says.
    critical[:, top] = np.maximum(critical[:, top], down)
    losses = _losses(differences, critical, possible)
    p_best, expected = _probabilities(differences, top)
    result = {}
    for index, name in enumerate(names):
        images, repeats = None, None
        if losses[index] > margin and not thin and high[index] >= -margin:
            # It would be shown to lose more than the margin.
            rivals = {top: float(up[index])}
            if centre[index] > -margin:
                may_be_best = np.flatnonzero(possible).tolist()
                rivals = {rival: float(critical[index, rival]) for rival in may_be_best}
            images, repeats = _needed(differences, index, rivals, margin)
        result[name] = Standing(
            p_best=float(p_best[index]),
            expected_loss=float(expected[index]),
            loss_high=float(losses[index]),
            interval=(float(low[index]), float(high[index])),
            word=_word(index == top, low[index], high[index], margin, thin),
            possible_best=bool(possible[index]),
            thin=thin,
            images_needed=images,
            repeats_needed=repeats,
        )
    return result


def _critical(differences: Differences) -> np.ndarray:
    """(K, K): d of the column's cell as control, for the row's difference to it."""
    itself = np.eye(len(differences.names), dtype=bool)[:, :, None]
    largest = np.max(differences.noise, axis=0, where=~itself, initial=-np.inf)
    quantile = np.quantile(largest, 1 - ALPHA, axis=1)
    return _student(quantile[None, :], differences.freedom)


def _student(quantile: np.ndarray | np.floating, freedom: np.ndarray) -> np.ndarray:
    """Student's quantiles at the levels of these quantiles of a normal variable."""
    return np.asarray(stdtrit(freedom, ndtr(np.minimum(quantile, _LARGEST_QUANTILE))))


def _confidence_set(differences: Differences, critical: np.ndarray) -> np.ndarray:
    """(K,) bool: whether the row's cell may be the best."""
    advantage = differences.centre + critical.T * differences.error
    np.fill_diagonal(advantage, np.inf)
    return np.asarray((advantage > 0).all(axis=1))


def _losses(differences: Differences, critical: np.ndarray, rivals: np.ndarray) -> np.ndarray:
    """(K,): the most that each cell loses against one of `rivals` (K,) bool."""
    bound = critical * differences.error - differences.centre
    bound[:, ~rivals] = -np.inf
    np.fill_diagonal(bound, -np.inf)
    return np.asarray(np.clip(bound.max(axis=1), 0, 1))


def _probabilities(differences: Differences, top: int) -> tuple[np.ndarray, np.ndarray]:
    """(K,) and (K,): in how many of the draws each cell is the best, ties shared, and its mean loss
    against the best of each. A draw is that of the differences to the cell of highest score."""
    centre = differences.centre[:, top, None]
    scores = centre + differences.error[:, top, None] * differences.noise[:, top]
    best = scores.max(axis=0)
    wins = scores == best
    return (wins / wins.sum(axis=0)).mean(axis=1), np.minimum(best - scores, 1).mean(axis=1)


def _downward(differences: Differences, top: int) -> np.ndarray:
    """(K,): how many errors the lower end of a cell's interval against the cell of highest score lies
    below the difference."""
    largest = np.abs(differences.noise[:, top]).max(axis=0)
    return _student(np.quantile(largest, 1 - ALPHA), differences.freedom[:, top])


def _upward(differences: Differences, top: int, possible: np.ndarray) -> np.ndarray:
    """(K,): how many errors the upper end lies above it. possible (K,) bool: the cells that may be
    the best, and so might have come out as the highest."""
    largest = np.zeros(differences.noise.shape[2])
    for control in np.union1d(np.flatnonzero(possible), [top]):
        np.maximum(largest, np.abs(differences.noise[:, control]).max(axis=0), out=largest)
    return _student(np.quantile(largest, 1 - ALPHA), differences.freedom[:, top])


def _word(is_highest: bool, low: float, high: float, margin: float, thin: bool) -> Word:
    if is_highest:
        return "best"
    if thin:
        return "undecided"
    if low >= -margin:
        return "as good"
    if high < 0:
        return "worse"
    return "undecided"


def _needed(
    differences: Differences, index: int, rivals: Mapping[int, float], margin: float
) -> tuple[int | None, int | None]:
    """How many images, or repeats, would show that the cell loses no more than the margin against
    any of the rivals, or that it loses more. rivals: each with the quantile of its bound. None where
    no number does for all."""
    names = differences.names
    largest = np.zeros(2)
    for rival, quantile in rivals.items():
        if rival != index:
            estimate = differences.estimates[names[index], names[rival]]
            distance = margin - float(differences.centre[rival, index])
            numbers = sample_sizes(estimate, distance, quantile)
            largest = np.maximum(largest, [number or math.inf for number in numbers])
    images, repeats = (int(most) if 0 < most < math.inf else None for most in largest.tolist())
    return images, repeats
