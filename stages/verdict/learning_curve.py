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
    scores = np.array([replicates[index] for index in ascending])
    scores = scores[:, ~np.isnan(scores).any(axis=0)]
    law = "power" if len(numbers) > 2 else "line"
    # In units of the largest number, so that a power of it is 1.
    parameters = _power(numbers / numbers[-1], scores) if law == "power" else _line(numbers, scores)
    doubled = _gain(law, parameters, numbers, scores)
    a, b, c = parameters[:, 0]
    own: tuple[float, float, float | None] = (float(a), float(b), None)
    if law == "power":
        own = (float(a), float(b * numbers[-1] ** c), float(c))
    return LearningCurve(
        tuple(int(number) for number in numbers),
        tuple(float(score) for score in scores[:, 0]),
        law,
        own,
        doubled,
        _band(law, parameters, numbers, scores),
    )


def _line(numbers: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(3, 1 + R): a, b and zeros."""
    b = (scores[1] - scores[0]) / np.log2(numbers[1] / numbers[0])
    return np.array([scores[0] - b * np.log2(numbers[0]), b, np.zeros_like(b)])


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


def _gain(law: str, parameters: np.ndarray, numbers: np.ndarray, scores: np.ndarray) -> Gain:
    """The law at twice the most images less the law at these, of all replicates."""
    _, b, c = parameters
    gains = b if law == "line" else b * (1 - 2**-c)
    value, replicates = float(gains[0]), gains[1:]
    # A basic interval turned around (percentile): the law's bounds make its replicates lopsided.
    low, high = np.quantile(replicates, (0.025, 0.975))
    measured = float(scores[:, 0].max() - scores[:, 0].min())
    return Gain(
        images=int(2 * numbers[-1]),
        value=value,
        low=float(min(low, value)),
        high=float(max(high, value)),
        useless=bool(high - low > measured),
    )


def _band(
    law: str, parameters: np.ndarray, numbers: np.ndarray, scores: np.ndarray
) -> tuple[tuple[float, float, float], ...]:
    """The law of all replicates, less the bias of a score as in estimates.py."""
    a, b, c = parameters
    images = np.geomspace(numbers[0], 2 * numbers[-1], _BAND_POINTS)
    laws = a + b * np.log2(images)[:, None]
    if law == "power":
        laws = a - b * (images / numbers[-1])[:, None] ** -c
    bias = scores[:, 1:].mean() - scores[:, 0].mean()
    ends = np.quantile(laws[:, 1:], (0.025, 0.975), axis=1) - 2 * bias
    low = np.minimum(ends[0], laws[:, 0])
    high = np.maximum(ends[1], laws[:, 0])
    return tuple(zip(images.tolist(), low.tolist(), high.tolist(), strict=True))


@dataclass(frozen=True)
class ShareCurve:
    """cells: by rising number of training images; backbone: the highest pair of the last of them
    with a cell that differs from it in the backbone alone, None where there is none."""

    cells: tuple[str, ...]
    curve: LearningCurve
    backbone: Pair | None
    sentence: str


def curves(
    study: Study,
    images: Mapping[str, int | None],
    runs: Mapping[str, Sequence[Replicates]],
    statistic: Statistic,
    pairs: Sequence[Pair],
) -> tuple[ShareCurve, ...]:
    """One for each set of rows of two shares or more. Epochs of their own may make up for fewer
    steps.

    images: cell -> its training images; runs: cell -> its evaluated runs; pairs: of `statistic`,
    which is study.verdicts.metric.
    """
    alike: dict[Cell, list[str]] = {}
    for name in runs:
        if images.get(name):
            row = dataclasses.replace(
                study.cell(name), train_share=None, epochs=None, seed=None, fold=None
            )
            alike.setdefault(row, []).append(name)
    result = []
    for names in alike.values():
        by_images = {images[name] or 0: name for name in names}
        if len(by_images) > 1 and len(by_images) == len(names):
            cells = tuple(by_images[number] for number in sorted(by_images))
            result.append(_curve(study, cells, sorted(by_images), runs, statistic, pairs))
    return tuple(curve for curve in result if curve)


def _curve(
    study: Study,
    cells: tuple[str, ...],
    images: Sequence[int],
    runs: Mapping[str, Sequence[Replicates]],
    statistic: Statistic,
    pairs: Sequence[Pair],
) -> ShareCurve | None:
    """None where the cells were not evaluated on the same images, or these have no such box."""
    split = runs[cells[0]][0].split
    scores = []
    for name in cells:
        paired = [run.of(statistic) for run in runs[name] if run.split == split]
        if not paired or np.isnan(paired[0][0]):
            return None
        scores.append(np.mean(paired, axis=0))
    curve = fit(images, scores)
    rival = _rival(study, cells[-1], pairs)
    return ShareCurve(cells, curve, rival, _sentence(study, curve, cells, rival))


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
