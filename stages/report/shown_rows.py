"""The rows of the table of results: a cell with repeats stands there with the means over them."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from stages.report.results import CellResult
from stages.verdict.judgement import Judgement


def shown_rows(cells: Sequence[CellResult], judgement: Judgement) -> list[CellResult]:
    """A row for each of `cells`, in their order. The rows that repeat a cell keep their own
    numbers."""
    by_name = {cell.name: cell for cell in cells}
    rows = []
    for cell in cells:
        repeats = [by_name[row] for row in judgement.repeats.get(cell.name, ()) if row in by_name]
        rows.append(_mean(cell, repeats, judgement) if len(repeats) > 1 else cell)
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
    losses = [repeat.train_loss for repeat in repeats if repeat.train_loss is not None]
    minutes = [repeat.train_minutes for repeat in repeats if repeat.train_minutes is not None]
    costs = {}
    for key in cell.costs:
        measured = [cost for repeat in repeats if (cost := repeat.costs.get(key)) is not None]
        costs[key] = statistics.median(measured) if measured else None
    return dataclasses.replace(
        cell,
        scores=scores,
        train_loss=statistics.fmean(losses) if losses else None,
        train_minutes=statistics.median(minutes) if minutes else None,
        costs=costs,
    )
