"""Metric points: from the history on disk, to MLflow in batches, and which of them a run lacks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stages.results.files import PLACES

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# name, value, milliseconds since 1970, step
Point = tuple[str, float, int, int]
# What a run has: name of a metric -> step -> milliseconds and value of the last point there.
Stored = dict[str, dict[int, tuple[int, float]]]
# MLflow takes at most 1000 metrics in one batch.
BATCH = 1000


def of_rows(rows: Iterable[Mapping[str, Any]], moments: Iterable[int]) -> list[Point]:
    """Every number of a history row, but step and epoch, at the row's step and moment."""
    points = []
    for row, moment in zip(rows, moments):
        step = int(row["step"])
        for name, value in row.items():
            if name not in PLACES and value not in (None, ""):
                points.append((name, float(value), moment, step))
    return points


def moments(rows: Iterable[Mapping[str, Any]], record: dict[str, Any]) -> list[int]:
    """Times for the rows of a whole history.csv, spread from the start to the end that run.json
    names.

    The same files give the same points, so that a store takes each once, whoever sends it.
    """
    steps = record["iterations"]
    start, end = milliseconds(record["started"]), milliseconds(record["finished"])
    return [start + (end - start) * int(row["step"]) // steps for row in rows]


def milliseconds(moment: str) -> int:
    """An ISO 8601 time as MLflow counts it."""
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


def batches(points: list[Point]) -> list[list[Point]]:
    return [points[start : start + BATCH] for start in range(0, len(points), BATCH)]


def send(client: MlflowClient, run_id: str, batch: list[Point]) -> None:
    """One batch. A point that the store has with the same value and time is not stored again."""
    from mlflow.entities import Metric

    client.log_batch(run_id, metrics=[Metric(*point) for point in batch])


def on_server(client: MlflowClient, run: Run) -> Stored:
    """The last point of each metric of the run at each step."""
    stored: Stored = {}
    for name in run.data.metrics:
        steps = stored.setdefault(name, {})
        for metric in client.get_metric_history(run.info.run_id, name):
            if metric.step not in steps or metric.timestamp >= steps[metric.step][0]:
                steps[metric.step] = (metric.timestamp, metric.value)
    return stored


def missing(stored: Stored, points: list[Point], compare: bool = False) -> list[Point]:
    """The points whose step their metric does not have; with `compare`, also those whose value
    there is another.

    A changed value gets a later time than the old one: MLflow shows the last.
    """
    lacking = []
    for name, value, moment, step in points:
        last = stored.get(name, {}).get(step)
        if last is None:
            lacking.append((name, value, moment, step))
            continue
        stored_moment, stored_value = last
        if compare and not same(stored_value, value):
            lacking.append((name, value, max(moment, stored_moment + 1), step))
    return lacking


def same(stored: float, value: float) -> bool:
    """Stores keep NaN, and the largest number in the place of infinity."""
    if math.isinf(value):
        return stored == value or (abs(stored) > 1e308 and (stored > 0) == (value > 0))
    return stored == value or (math.isnan(stored) and math.isnan(value))
