"""Rows that differ in train_share alone: what twice the training images are expected to give,
beside what another backbone gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.study.params import Cell, Study
from stages.verdict.learning_curve import LearningCurve, fit
from stages.verdict.pairs import Pair
from stages.verdict.replicates import Replicates, Statistic
from stages.verdict.wording import signed


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
        by_images = {images[name]: name for name in names}
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
    gain, number = curve.doubled, len(cells)
    ends = f"[{signed(gain.low)}, {signed(gain.high)}]"
    if gain.useless:
        text = (
            f"{cells[-1]}: what twice its {curve.images[-1]:,} training images would give cannot be "
            f"told from {number} shares, since the interval {ends} is wider than all of them "
            "differ by"
        )
    else:
        law = (
            "a power law through"
            if curve.law == "power"
            else "a straight line in log images through"
        )
        text = (
            f"{cells[-1]}: twice its {curve.images[-1]:,} training images are expected to give "
            f"{signed(gain.value)} {study.verdicts.metric} {ends}, by {law} {number} shares"
        )
        if curve.law == "line":
            text += "; two points cannot show how the gain falls, so that it is an upper end"
    if rival:
        difference = rival.difference
        backbones = (study.cell(rival.first).backbone, study.cell(rival.second).backbone)
        text += (
            f"; {backbones[0]} instead of {backbones[1]} gives {signed(difference.value)} "
            f"[{signed(difference.low)}, {signed(difference.high)}]"
        )
    epochs = {study.cell(name).epochs for name in cells}
    if len(epochs) == 1:
        text += ". Each share had as many epochs, and a smaller one fewer steps"
    return f"{text}."
