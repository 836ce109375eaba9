"""The rows of the table of results: a cell with repeats stands there with the means over them."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence

from stages.report.results import CellResult
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
    costs = {}
    for key in cell.costs:
        costs[key] = _middle(statistics.median, [repeat.costs.get(key) for repeat in repeats])
    return dataclasses.replace(
        cell,
        scores=scores,
        train_loss=_middle(statistics.fmean, [repeat.train_loss for repeat in repeats]),
        train_minutes=_middle(statistics.median, [repeat.train_minutes for repeat in repeats]),
        costs=costs,
    )


def _middle(
    average: Callable[[list[float]], float], values: Sequence[float | None]
) -> float | None:
    """Of the values that there are; None where there is none."""
    measured = [value for value in values if value is not None]
    return average(measured) if measured else None
