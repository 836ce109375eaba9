"""Every cell against every other in one statistic, with joint replicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from stages.verdict.estimates import Estimate
from stages.verdict.pairs import Pair
from stages.verdict.replicates import Replicates, Statistic

# Of the draws that stand for other seeds and folds: the same study gives the same numbers.
_SEED = 0


@dataclass(frozen=True)
class Differences:
    """names: K cells. Of row cell less column cell, (K, K) float64, as stages.verdict.pairs
    estimates the two: centre, bias-corrected; error, its standard error; freedom, its degrees of
    freedom. estimates: (row, column) -> the same as an Estimate.

    noise (K, K, R): how far the difference may lie from its centre by chance, R joint draws in
    units of `error`. Images' part is that of the paired replicates, so that it is correlated as the
    cells' scores are; the part of seeds and folds, whose draws nobody has, is normal and
    independent between cells.
    """

    names: tuple[str, ...]
    centre: np.ndarray
    error: np.ndarray
    freedom: np.ndarray
    noise: np.ndarray
    estimates: Mapping[tuple[str, str], Estimate]


def differences(
    cells: Mapping[str, Sequence[Replicates]], pairs: Sequence[Pair], statistic: Statistic
) -> Differences:
    """cells: name -> its runs, as stages.verdict.pairs.compare takes them; pairs: its verdicts over
    all of them.

    Cells without a pair are left out, so is a cell that cannot be compared with one that stands
    before it.
    """
    estimates = {}
    for pair in pairs:
        # One image alone shows no chance variation.
        if pair.difference.error is not None:
            estimates[pair.first, pair.second] = pair.difference
            estimates[pair.second, pair.first] = pair.difference.swapped()
    names: list[str] = []
    for name in cells:
        if all((name, earlier) in estimates for earlier in names):
            names.append(name)
    number = len(names)
    centre = np.zeros((number, number))
    variances = np.zeros((2, number, number))
    freedom = np.ones((number, number))
    runs = np.ones((number, number))
    for row, column in combinations(range(number), 2):
        estimate = estimates[names[row], names[column]]
        centre[row, column] = estimate.centre
        centre[column, row] = -estimate.centre
        variances[0, row, column] = variances[0, column, row] = estimate.of_images
        variances[1, row, column] = variances[1, column, row] = estimate.of_runs
        freedom[row, column] = freedom[column, row] = estimate.freedom
        runs[row, column], runs[column, row] = estimate.runs
    error = np.sqrt(variances.sum(axis=0))
    image_noise = _image_noise([cells[name] for name in names], statistic)
    # In place throughout: the array is the largest here, and fresh memory costs more than sums.
    noise = image_noise
    noise *= np.sqrt(variances[0])[:, :, None]
    if variances[1].any():
        noise += np.sqrt(variances[1])[:, :, None] * _run_noise(runs, noise.shape[2])
    _divide(noise, error)
    return Differences(tuple(names), centre, error, freedom, noise, estimates)


def _image_noise(cells: Sequence[Sequence[Replicates]], statistic: Statistic) -> np.ndarray:
    """(K, K, R) with mean 0 and standard deviation 1: the replicates of each difference, 0 where it
    never varies.

    Several splits have replicates of their own, which are averaged over those that both cells have.
    """
    splits: dict[int, list[list[np.ndarray]]] = {}
    replicates = 0
    for index, runs in enumerate(cells):
        for run in runs:
            by_cell = splits.setdefault(run.split, [[] for _ in cells])
            by_cell[index].append(run.of(statistic)[1:])
            replicates = max(replicates, len(run.ap) - 1)
    total = np.zeros((len(cells), len(cells), replicates))
    for by_cell in splits.values():
        values = np.zeros((len(cells), replicates))
        for index, arrays in enumerate(by_cell):
            if arrays:
                values[index] = np.mean(arrays, axis=0)
        # A replicate without such a box says nothing of any cell.
        measured = ~np.isnan(values).any(axis=0)
        if measured.any():
            values -= values[:, measured].mean(axis=1, keepdims=True)
            values[:, ~measured] = 0
            present = np.array([bool(arrays) for arrays in by_cell])
            both = (present[:, None] & present)[:, :, None]
            difference = values[:, None, :] - values[None, :, :]
            difference *= both
            total += difference
    _divide(total, total.std(axis=2, ddof=1))
    return total


def _divide(noise: np.ndarray, spread: np.ndarray) -> None:
    """Divides (K, K, R) by (K, K) in place; 0 where the spread is."""
    noise /= np.where(spread > 0, spread, 1.0)[:, :, None]
    noise[spread == 0] = 0.0


def _run_noise(runs: np.ndarray, replicates: int) -> np.ndarray:
    """(K, K, R) of standard deviation 1. runs (K, K): of the row's cell in each comparison; more
    runs, less of it."""
    draws = np.random.default_rng(_SEED).normal(size=(len(runs), replicates))
    share = np.sqrt(1 / runs)
    noise = share[:, :, None] * draws[:, None, :] - share.T[:, :, None] * draws[None, :, :]
    return noise / np.sqrt(1 / runs + 1 / runs.T)[:, :, None]
