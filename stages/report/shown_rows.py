"""The rows of the table of results: a cell with repeats stands there with the means over them."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence

from stages.results.cell import CellResult
from stages.verdict.judgement import Judgement


def shown_rows(cells: Sequence[CellResult], judgement: Judgement) -> list[CellResult]:
    """A row for each of `cells`, in their order. The rows that repeat a cell keep their own
    numbers."""
    by_name = {cell.name: cell for cell in cells}
    rows = []
    for cell in cells:
        names = [row for row in judgement.repeats.get(cell.name, ()) if row in by_name]
        if len(names) > 1:
            cell = _mean(cell, [by_name[name] for name in names], judgement)
        rows.append(cell)
    return rows


def judged_rows(rows: Sequence[CellResult], judgement: Judgement) -> list[CellResult]:
    """Those that stand for a cell and repeat no other row."""
    return [row for row in rows if row.name in judgement.estimates]


def _mean(cell: CellResult, repeats: Sequence[CellResult], judgement: Judgement) -> CellResult:
    """Scores as judged, the mean train loss, and of the costs the middle one, as in the choice."""
    scores = {}
    for split, values in cell.scores.items():
        scores[split] = dict(values)
        for metric in values:
            estimate = judgement.estimates[cell.name].get(f"{split}/{metric}")
            scores[split][metric] = None if estimate is None else estimate.value
    losses = []
    minutes = []
    measured: dict[str, list[float | None]] = {key: [] for key in cell.costs}
    for repeat in repeats:
        losses.append(repeat.train_loss)
        minutes.append(repeat.train_minutes)
        for key, values in measured.items():
            values.append(repeat.costs.get(key))
    costs = {}
    for key, values in measured.items():
        costs[key] = _average(statistics.median, values)
    return dataclasses.replace(
        cell,
        scores=scores,
        train_loss=_average(statistics.fmean, losses),
        train_minutes=_average(statistics.median, minutes),
        costs=costs,
    )


def _average(
    function: Callable[[list[float]], float], values: Sequence[float | None]
) -> float | None:
    """`function` of the values that were measured; None where none was."""
    numbers = [value for value in values if value is not None]
    if not numbers:
        return None
    return function(numbers)
