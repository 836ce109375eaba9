"""Every cell against every other in one statistic, with joint draws of how far chance may move them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from stages.verdict.estimates import Estimate
from stages.verdict.pairs import Pair
from stages.verdict.replicates import Replicates, Statistic

# Of the draws that stand for other seeds and folds: the same study gives the same numbers.
_SEED = 0


@dataclass(frozen=True)
class Differences:
    """Every cell against every other in one statistic. names: K cells. Of row cell less column
    cell, (K, K) float64, as stages.verdict.pairs estimates the two: centre, bias-corrected; error,
    its standard error; freedom, its degrees of freedom. estimates: (row, column) -> the same as an
    Estimate.

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


def joint_differences(
    cells: Mapping[str, Sequence[Replicates]], pairs: Sequence[Pair], statistic: Statistic
) -> Differences:
    """cells: name -> its runs, as stages.verdict.pairs.compare_cells takes them; pairs: its verdicts over
    all of them.

    A cell that cannot be compared with one that stands before it is left out.
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
    centre, of_images, of_runs = np.zeros((3, len(names), len(names)))
    freedom, runs = np.ones((2, len(names), len(names)))
    for row, column in permutations(range(len(names)), 2):
        estimate = estimates[names[row], names[column]]
        centre[row, column] = estimate.centre
        of_images[row, column] = estimate.of_images
        of_runs[row, column] = estimate.of_runs
        freedom[row, column] = estimate.freedom
        runs[row, column] = estimate.runs[0]
    error = np.sqrt(of_images + of_runs)
    # In place throughout: the array is the largest here, and fresh memory costs more than sums.
    noise = _image_noise([cells[name] for name in names], statistic)
    noise *= np.sqrt(of_images)[:, :, None]
    if of_runs.any():
        noise += np.sqrt(of_runs)[:, :, None] * _run_noise(runs, noise.shape[2])
    _divide(noise, error)
    return Differences(tuple(names), centre, error, freedom, noise, estimates)


def _image_noise(cells: Sequence[Sequence[Replicates]], statistic: Statistic) -> np.ndarray:
    """(K, K, R) with mean 0 and standard deviation 1: the replicates of each difference, 0 where it
    never varies, averaged over the splits that both cells have."""
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
            present = np.array([len(arrays) > 0 for arrays in by_cell])
            difference = values[:, None, :] - values[None, :, :]
            difference *= (present[:, None] & present)[:, :, None]
            total += difference
    _divide(total, total.std(axis=2, ddof=1))
    return total


def _divide(noise: np.ndarray, spread: np.ndarray) -> None:
    """Divides (K, K, R) by (K, K) in place; 0 where the spread is."""
    noise /= np.where(spread > 0, spread, 1.0)[:, :, None]
    noise[spread == 0] = 0.0


def _run_noise(runs: np.ndarray, replicates: int) -> np.ndarray:
    """(K, K, R) of standard deviation 1. runs (K, K): of the row's cell in each comparison."""
    draws = np.random.default_rng(_SEED).normal(size=(len(runs), replicates))
    share = np.sqrt(1 / runs)
    noise = share[:, :, None] * draws[:, None, :] - share.T[:, :, None] * draws[None, :, :]
    return noise / np.sqrt(1 / runs + 1 / runs.T)[:, :, None]
