"""What the cells cost, and on which machines that was measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from stages.report.results import CellResult
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


def machines(details: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Where costs were measured. details: row -> its details.json."""
    result = set()
    for content in details.values():
        cost = content.get("cost")
        if cost is not None:
            result.add(f"{cost['device']} with {cost['threads']} threads")
    return result


def busy(details: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Row -> what other processes used of the machine while its latency was measured, where that is known."""
    result = {}
    for name, content in details.items():
        batches = content.get("cost", {}).get("batches", [])
        share = batches[0].get("others") if batches else None
        if share is not None:
            result[name] = share
    return result
