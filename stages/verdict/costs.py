"""What the cells cost, and on which machines that was measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from stages.results.cell import CellResult
from stages.verdict.candidates import COSTS


def costs_of(runs: Sequence[CellResult]) -> dict[str, float | None]:
    """A key of COSTS -> its value: of the repeats that were measured the middle one."""
    result: dict[str, float | None] = {}
    for key in COSTS:
        values = []
        for run in runs:
            costs = {
                **run.costs,
                "train_minutes": run.train_minutes,
                "parameters": run.parameters,
            }
            if costs.get(key) is not None:
                values.append(costs[key])
        result[key] = statistics.median(values) if values else None
    return result


def spreads_of(runs: Sequence[CellResult]) -> dict[str, tuple[float, float]]:
    """A key of COSTS -> from the lowest round of any repeat to the highest; what has none is
    exact."""
    result: dict[str, tuple[float, float]] = {}
    for run in runs:
        for key, (low, high) in run.cost_spread.items():
            if key in COSTS:
                before = result.get(key, (low, high))
                result[key] = (min(low, before[0]), max(high, before[1]))
    return result


def machines(cells: Sequence[CellResult]) -> set[str]:
    """Where costs were measured."""
    return {cell.measured_on for cell in cells if cell.measured_on}


def busy(cells: Sequence[CellResult]) -> dict[str, float]:
    """Row -> what other processes used of the machine while its latency was measured, where that is
    known."""
    return {cell.name: cell.others for cell in cells if cell.others is not None}
