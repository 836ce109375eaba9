"""Rows that differ in train_share alone: how a score rises with the number of training images, and
what twice as many would give, beside what another backbone gives.

With three shares or more: score = a - b n^-c, the power law that learning curves of deep networks
follow (Hestness et al. 2017, "Deep learning scaling is predictable, empirically"; Mahmood et al.
2022, "How much more data do I need?"). For a given c it is linear in a and b: c is looked for on a
grid. With two shares: score = a + b log2 n, of which b is the gain of a doubling; a line says
nothing of how it flattens, and so it is an upper end.

The uncertainty is that of the images of the validation split: every replicate of all cells has a
fit of its own, and as the draws are paired, what the cells share drops out. It knows nothing of
the chance of a training (repeats' means go in), nor of whether the law goes on to hold.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.study.params import Cell, Study
from stages.verdict.pairs import Pair
from stages.verdict.replicates import Replicates, Statistic
from stages.verdict.wording import interval, signed, with_interval

# Exponents between these were found of images (Hestness et al. 2017, sections 4 and 5: .07 to .7).
_EXPONENTS = np.geomspace(0.05, 1.0, 40)
_HIGHEST = 1.0
# Points of the band: enough for a smooth outline.
_BAND_POINTS = 41


@dataclass(frozen=True)
class Gain:
    """Of `images` training images against the most that were measured, in the metric's units, with
    its 95 % interval. useless: the interval is wider than all that was measured differs by."""

    images: int
    value: float
    low: float
    high: float
    useless: bool


@dataclass(frozen=True)
class LearningCurve:
    """images (K,) ascending, scores (K,): as measured. law: "power" with three shares or more, else
    "line". parameters: (a, b, c), c None for a line. doubled: of twice the most images. band:
    (images, low, high) from the fewest images to twice the most, the 95 % interval of the law at
    each."""

    images: tuple[int, ...]
    scores: tuple[float, ...]
    law: str
    parameters: tuple[float, float, float | None]
    doubled: Gain
    band: tuple[tuple[float, float, float], ...]

    def at(self, images: float) -> float:
        """The score that the law has for a number of images."""
        a, b, c = self.parameters
        if c is None:
            return a + b * float(np.log2(images))
        return float(a - b * float(images) ** -c)


def fit(images: Sequence[int], replicates: Sequence[np.ndarray]) -> LearningCurve:
    """images: of each share, all different; replicates: of each, (1 + R,) scores, the first
    measured and the rest of the same draws for all. Raises ValueError with fewer than two
    shares."""
    if len(set(images)) != len(images) or len(images) < 2:
        raise ValueError(f"a learning curve needs two numbers of images, not {list(images)}")
    ascending = np.argsort(images)
    numbers = np.asarray(images, dtype=float)[ascending]
    most = float(numbers[-1])
    scores = np.array([replicates[index] for index in ascending])
    scores = scores[:, ~np.isnan(scores).any(axis=0)]
    grid = np.geomspace(numbers[0], 2 * most, _BAND_POINTS)
    law = "power" if len(numbers) > 2 else "line"
    own: tuple[float, float, float | None]
    # Of all replicates: the gain of twice the images (1 + R,), the law at the grid's points.
    if law == "power":
        # In units of the largest number, so that a power of it is 1.
        a, b, c = _power(numbers / most, scores)
        own = float(a[0]), float(b[0] * most ** c[0]), float(c[0])
        gains = b * (1 - 2**-c)
        laws = a - b * (grid / most)[:, None] ** -c
    else:
        gains = b = (scores[1] - scores[0]) / np.log2(numbers[1] / numbers[0])
        a = scores[0] - b * np.log2(numbers[0])
        own = float(a[0]), float(b[0]), None
        laws = a + b * np.log2(grid)[:, None]
    return LearningCurve(
        images=tuple(int(number) for number in numbers),
        scores=tuple(scores[:, 0].tolist()),
        law=law,
        parameters=own,
        doubled=_gain(gains, int(2 * most), float(np.ptp(scores[:, 0]))),
        band=_band(grid, laws, scores),
    )


def _power(numbers: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(3, 1 + R): a, b, c of least squares, 0 <= b, a <= 1. numbers (K,), scores (K, 1 + R)."""
    best = np.full(scores.shape[1], np.inf)
    parameters = np.zeros((3, scores.shape[1]))
    for c in _EXPONENTS:
        power = numbers**-c
        a, b = _linear(power, scores)
        error = ((scores - a + b * power[:, None]) ** 2).sum(axis=0)
        better = error < best
        parameters[:, better] = np.array([a, b, np.full_like(a, c)])[:, better]
        best = np.minimum(best, error)
    return parameters


def _linear(power: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(1 + R,) and (1 + R,): a and b of scores = a - b power."""
    centred = power - power.mean()
    b = -(centred @ scores) / (centred @ centred)
    a = scores.mean(axis=0) + b * power.mean()
    above = a > _HIGHEST
    b = np.where(above, power @ (_HIGHEST - scores) / (power @ power), b)
    a = np.where(above, _HIGHEST, a)
    falling = b < 0
    return np.where(falling, scores.mean(axis=0), a), np.where(falling, 0, b)


def _gain(gains: np.ndarray, images: int, measured: float) -> Gain:
    """gains (1 + R,); measured: by how much all shares differ."""
    value = float(gains[0])
    # A basic interval turned around (percentile): the law's bounds make its replicates lopsided.
    low, high = np.quantile(gains[1:], (0.025, 0.975)).tolist()
    return Gain(images, value, min(low, value), max(high, value), high - low > measured)


def _band(
    grid: np.ndarray, laws: np.ndarray, scores: np.ndarray
) -> tuple[tuple[float, float, float], ...]:
    """laws (points of the grid, 1 + R), less the bias of a score as in estimates.py."""
    bias = scores[:, 1:].mean() - scores[:, 0].mean()
    ends = np.quantile(laws[:, 1:], (0.025, 0.975), axis=1) - 2 * bias
    low = np.minimum(ends[0], laws[:, 0])
    high = np.maximum(ends[1], laws[:, 0])
    return tuple(zip(grid.tolist(), low.tolist(), high.tolist(), strict=True))


@dataclass(frozen=True)
class ShareCurve:
    """cells: by rising number of training images; backbone: the highest pair of the last of them
    with a cell that differs from it in the backbone alone."""

    cells: tuple[str, ...]
    curve: LearningCurve
    backbone: Pair | None
    sentence: str


def share_curves(
    study: Study,
    images: Mapping[str, int | None],
    runs: Mapping[str, Sequence[Replicates]],
    statistic: Statistic,
    pairs: Sequence[Pair],
) -> tuple[ShareCurve, ...]:
    """One for each set of rows of two shares or more that were evaluated on the same images. Epochs
    of their own may make up for fewer steps.

    images: cell -> its training images; runs: cell -> its evaluated runs; pairs: of `statistic`,
    which is study.verdicts.metric.
    """
    alike: dict[Cell, dict[int, list[str]]] = {}
    for name in runs:
        number = images.get(name)
        if number:
            row = dataclasses.replace(
                study.cell(name), train_share=None, epochs=None, seed=None, fold=None
            )
            alike.setdefault(row, {}).setdefault(number, []).append(name)
    result = []
    for by_images in alike.values():
        numbers = sorted(by_images)
        cells = tuple(by_images[number][0] for number in numbers)
        doubles = any(len(names) > 1 for names in by_images.values())
        scores = _scores(cells, runs, statistic)
        if len(numbers) > 1 and not doubles and scores:
            curve = fit(numbers, scores)
            rival = _rival(study, cells[-1], pairs)
            text = _sentence(study, curve, cells, rival)
            result.append(ShareCurve(cells, curve, rival, text))
    return tuple(result)


def _scores(
    cells: Sequence[str], runs: Mapping[str, Sequence[Replicates]], statistic: Statistic
) -> list[np.ndarray]:
    """The mean over the runs of each cell, (1 + R,); none where the cells were not evaluated on the
    same images, or these have no such box."""
    split = runs[cells[0]][0].split
    scores = []
    for name in cells:
        paired = [run.of(statistic) for run in runs[name] if run.split == split]
        if not paired or np.isnan(paired[0][0]):
            return []
        scores.append(np.mean(paired, axis=0))
    return scores


def _rival(study: Study, cell: str, pairs: Sequence[Pair]) -> Pair | None:
    """Of cells that differ from `cell` in the backbone alone, the highest against it."""
    own = study.cell(cell)
    rivals = []
    for pair in pairs:
        if cell not in (pair.first, pair.second):
            continue
        turned = pair if pair.second == cell else pair.swapped()
        row = study.cell(turned.first)
        if row.backbone != own.backbone and dataclasses.replace(row, backbone=own.backbone) == own:
            rivals.append(turned)
    return max(rivals, key=lambda pair: pair.difference.value, default=None)


def _sentence(
    study: Study, curve: LearningCurve, cells: tuple[str, ...], rival: Pair | None
) -> str:
    gain, number, images = curve.doubled, len(cells), f"{curve.images[-1]:,} training images"
    ends = gain.low, gain.high
    law = f"by a power law through {number} shares"
    if curve.law == "line":
        law = (
            f"by a straight line in log images through {number} shares; two points cannot show how "
            "the gain falls, so that it is an upper end"
        )
    text = (
        f"{cells[-1]}: twice its {images} are expected to give "
        f"{signed(gain.value)} {study.verdicts.metric} {interval(ends)}, {law}"
    )
    if gain.useless:
        text = (
            f"{cells[-1]}: what twice its {images} would give cannot be told from {number} shares, "
            f"since the interval {interval(ends)} is wider than all of them differ by"
        )
    if rival:
        difference = rival.difference
        backbones = (study.cell(rival.first).backbone, study.cell(rival.second).backbone)
        gives = with_interval(difference.value, (difference.low, difference.high))
        text += f"; {backbones[0]} instead of {backbones[1]} gives {gives}"
    epochs = {study.cell(name).epochs for name in cells}
    if len(epochs) == 1:
        text += ". Each share had as many epochs, and a smaller one fewer steps"
    return f"{text}."
