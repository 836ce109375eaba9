"""The study's seven panels as series: raw values for DVC, a named smoothing and thinning for the
page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stages.results.cell import CellResult
from stages.results.files import Series
from stages.study.metrics import METRICS

PANELS = ("train/loss", *(f"val/{metric}" for metric in METRICS))
EMPTY = Series((), ())
# More rows per cell make the page of `dvc plots show` slow and show nothing more; history.csv has
# them all.
MAX_ROWS = 1000


def series_of(cell: CellResult, panel: str) -> Series:
    return cell.history.get(panel, EMPTY)


def file_name(panel: str) -> str:
    return f"{panel.replace('/', '_')}.csv"


def curve_csv(cells: Sequence[CellResult], panel: str) -> str:
    """Rows of step, value, cell. A curve of over MAX_ROWS points becomes means of equally long
    groups of steps, each at the last step of its group."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["step", "value", "cell"])
    for cell in cells:
        series = grouped_means(series_of(cell, panel), MAX_ROWS)
        for step, value in zip(series.steps, series.values, strict=True):
            writer.writerow([step, value, cell.name])
    return stream.getvalue()


def grouped_means(series: Series, most: int) -> Series:
    """At most `most` points: means over groups of consecutive values, each at its group's last
    step."""
    size = -(-len(series.steps) // most)
    if size <= 1:
        return series
    steps, values = [], []
    for start in range(0, len(series.steps), size):
        group = series.values[start : start + size]
        steps.append(series.steps[start + len(group) - 1])
        values.append(sum(group) / len(group))
    return Series(tuple(steps), tuple(values))


def running_mean(series: Series, window: int) -> Series:
    """Mean of the latest `window` values at each step (of all values so far in the beginning).

    With the steps of an epoch as window the last point is the mean over the last epoch: the curve
    ends at the train loss that the table prints.
    """
    values = np.asarray(series.values, dtype=float)
    if not values.size:
        return series
    window = max(1, min(window, values.size))
    # No running total: one diverged step would leave its rounding error in every later mean.
    start = np.cumsum(values[: window - 1]) / np.arange(1, window)
    means = np.concatenate([start, sliding_window_view(values, window).mean(axis=1)])
    return Series(series.steps, tuple(means.tolist()))


def sampled(series: Series, most: int) -> Series:
    """About `most` evenly spaced points of a smooth curve, the first and the last among them."""
    size = -(-len(series.steps) // most)
    if size <= 1:
        return series
    return _at(series, {*range(0, len(series.steps), size), len(series.steps) - 1})


def envelope(series: Series, most: int) -> Series:
    """At most 2 x `most` points, the lowest and highest value of every group: a noisy curve as it
    looks."""
    size = -(-len(series.steps) // most)
    if size <= 2:
        return series
    places: set[int] = set()
    for start in range(0, len(series.steps), size):
        group = range(start, min(start + size, len(series.steps)))
        places.add(min(group, key=series.values.__getitem__))
        places.add(max(group, key=series.values.__getitem__))
    return _at(series, places)


def _at(series: Series, places: Iterable[int]) -> Series:
    """The points at some places, in their order."""
    steps, values = [], []
    for place in sorted(places):
        steps.append(series.steps[place])
        values.append(series.values[place])
    return Series(tuple(steps), tuple(values))
