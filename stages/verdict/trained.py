"""Trained cells as hypotheses see them, and which pairs of them a comparison is put to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.verdict import wording
from stages.verdict.expressions import COMPARABLE, TRAIN_SHARE, Level, Step

if TYPE_CHECKING:
    from stages.results.cell import CellResult


@dataclass(frozen=True)
class Trained:
    """A cell with results. row: COMPARABLE -> level, without train_share where all images were
    learnt; values: metric ("val/bbox_mAP_50", "train/loss") -> value in its own units or None;
    repeats: trainings of this row that `values` and the verdicts rest on; parameters: of the model,
    None where that is not known."""

    name: str
    row: Mapping[str, Level]
    values: Mapping[str, float | None]
    run_id: str = ""
    repeats: int = 1
    parameters: int | None = None

    def level(self, factor: str) -> Level:
        return self.row.get(TRAIN_SHARE, 1.0) if factor == TRAIN_SHARE else self.row[factor]


def levels_of_cell(cell: CellResult) -> dict[str, Level]:
    """Trained.row of a cell."""
    levels = dict(cell.row)
    if cell.run.get(TRAIN_SHARE):
        levels[TRAIN_SHARE] = cell.run[TRAIN_SHARE]
    return levels


def number(cell: Trained, metric: str) -> float | None:
    """The cell's value, None where there is none or it is not finite."""
    value = cell.values.get(metric)
    return value if value is not None and math.isfinite(value) else None


def pairs_of(
    step: Step, conditions: Mapping[str, Level], cells: Sequence[Trained]
) -> tuple[list[tuple[Trained, Trained]], list[str]]:
    """The (left, right) cells that differ in the step's factor alone and meet the conditions, and
    the rows that are missing, as text, where there is no such pair."""
    fitting = []
    for cell in cells:
        if all(cell.level(factor) == level for factor, level in conditions.items()):
            fitting.append(cell)
    fixed = [factor for factor in COMPARABLE if factor != step.factor]
    first = _by_other_factors(fitting, step.factor, step.left, fixed)
    second = _by_other_factors(fitting, step.factor, step.right, fixed)
    pairs = []
    for rest, partners in first.items():
        for cell in partners:
            for partner in second.get(rest, ()):
                pairs.append((cell, partner))
    if pairs:
        return pairs, []
    # The nearest rows to a pair are the partners of the cells that there are.
    absent = []
    for level, present in ((step.right, first), (step.left, second)):
        for rest in present:
            levels_of_row = dict(zip(fixed, rest, strict=True))
            absent.append(wording.row({step.factor: level, **levels_of_row}))
    if not absent:
        for level in (step.left, step.right):
            absent.append(wording.row({step.factor: level, **conditions}))
    return [], absent


def _by_other_factors(
    cells: Sequence[Trained], factor: str, level: Level, fixed: Sequence[str]
) -> dict[tuple[Level, ...], list[Trained]]:
    """The cells with this level, by their levels of the other factors."""
    result: dict[tuple[Level, ...], list[Trained]] = {}
    for cell in cells:
        if cell.level(factor) == level:
            result.setdefault(tuple(cell.level(name) for name in fixed), []).append(cell)
    return result
