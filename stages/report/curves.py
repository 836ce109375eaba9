"""The study's seven panels: their series as CSV for DVC, and as lines of the page, smoothed and
thinned, drawn by templates/_panels.html.j2."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stages.report.drawing import Frame, Look, Point, Scale, Ticks, nice_step, path
from stages.report.summary import csv_text
from stages.results.cell import CellResult
from stages.results.files import Series
from stages.study.metrics import METRICS

PANELS = ("train/loss", *(f"val/{metric}" for metric in METRICS))
EMPTY = Series((), ())
# More rows per cell make the page of `dvc plots show` slow and show nothing more; history.csv has
# them all.
MAX_ROWS = 1000
FRAME = Frame(440, 280, 40, 430, 10, 246)
# A point every pixel and a half of the panel is as fine as a screen shows.
_POINTS = 260
# More points than this on a line run into each other; then only the last one is drawn.
_MOST_MARKERS = 24
# A loss axis ends here times the median of the cells' highest losses: a diverging one may flatten
# no other.
_LOSS_CUT = 3.0


def series_of(cell: CellResult, panel: str) -> Series:
    return cell.history.get(panel, EMPTY)


def file_name(panel: str) -> str:
    return f"{panel.replace('/', '_')}.csv"


def curve_csv(cells: Sequence[CellResult], panel: str) -> str:
    """Rows of step, value, cell. A curve of over MAX_ROWS points becomes means of equally long
    groups of steps, each at the last step of its group."""
    rows: list[Sequence[object]] = [["step", "value", "cell"]]
    for cell in cells:
        series = grouped_means(series_of(cell, panel), MAX_ROWS)
        for step, value in zip(series.steps, series.values, strict=True):
            rows.append([step, value, cell.name])
    return csv_text(rows)


def grouped_means(series: Series, most: int) -> Series:
    """At most `most` points: means over groups of values, each at its group's last step."""
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
    """At most 2 x `most` points, the lowest and highest value of every group."""
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


@dataclass(frozen=True)
class Line:
    """`index` is the cell's place on the page; `path` and `raw` are SVG path data, or ""."""

    index: int
    look: Look
    title: str
    path: str
    raw: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """`cut` names the cells that leave the top of the axis, `empty` those without any value."""

    name: str
    x_ticks: Ticks
    y_ticks: Ticks
    top: float
    lines: tuple[Line, ...]
    cut: tuple[str, ...]
    empty: tuple[str, ...]


def draw(
    name: str, cells: Sequence[CellResult], looks: dict[str, Look], names: Mapping[str, str]
) -> Panel:
    """The panel of the history column `name` with one line per cell.

    names: row of params.yaml -> what the page calls it.

    Train loss is drawn as the running mean over an epoch, the raw curve behind it; validations as
    they are.
    """
    is_loss = name == "train/loss"
    drawn: dict[str, Series] = {}
    peaks = []
    last = 1
    for cell in cells:
        series = series_of(cell, name)
        if is_loss:
            series = running_mean(series, cell.epoch_steps)
        drawn[cell.name] = series
        if series.values:
            peaks.append(max(series.values))
        for column in cell.history.values():
            if column.steps:
                last = max(last, column.steps[-1])
    limit = max(peaks, default=0.0)
    if is_loss and peaks:
        limit = min(limit, _LOSS_CUT * statistics.median_low(peaks))
    top, y_step = _nice(limit)

    def x_of(step: float) -> float:
        return FRAME.x(step, last)

    def y_of(value: float) -> float:
        # Far outside the frame is as good as just outside: the clip path hides both, the file stays
        # small.
        return FRAME.y(min(max(value / top, -1.0), 3.0))

    lines, cut, empty = [], [], []
    for index, cell in enumerate(cells):
        series = drawn[cell.name]
        called = names.get(cell.name, cell.name)
        if not series.steps:
            empty.append(called)
            continue
        raw = series_of(cell, name) if is_loss else EMPTY
        lines.append(_line(index, cell, looks[cell.name], name, series, raw, x_of, y_of))
        if max(series.values, default=0.0) > top:
            cut.append(called)
    x_ticks, y_ticks = [], []
    for tick in range(0, last + 1, int(max(1, nice_step(last, 5)))):
        x_ticks.append((x_of(tick), _thousands(tick)))
    for number in range(round(top / y_step) + 1):
        y_ticks.append((y_of(y_step * number), f"{y_step * number:.10g}"))
    return Panel(name, tuple(x_ticks), tuple(y_ticks), top, tuple(lines), tuple(cut), tuple(empty))


def _line(
    index: int,
    cell: CellResult,
    look: Look,
    name: str,
    series: Series,
    raw: Series,
    x_of: Scale,
    y_of: Scale,
) -> Line:
    places = range(len(series.steps))
    if len(places) > _MOST_MARKERS or raw.steps:
        places = places[-1:]
    unit = "mean over the last epoch's steps" if raw.steps else "validation"
    run = f"run {cell.run_id or 'not tracked'}"
    points = []
    for place in places:
        step, value = series.steps[place], series.values[place]
        title = f"{cell.name}\n{name} = {value:.4f} at iteration {step} ({unit})\n{run}"
        points.append(Point(x_of(step), y_of(value), title))
    paths = []
    for line in (sampled(series, _POINTS), envelope(raw, _POINTS)):
        paths.append(path(zip(map(x_of, line.steps), map(y_of, line.values), strict=True)))
    return Line(index, look, f"{cell.name}\n{run}", *paths, tuple(points))


def _nice(highest: float) -> tuple[float, float]:
    """The top of an axis from 0 that holds `highest`, and the distance of its ticks."""
    if highest <= 0:
        return 1.0, 0.2
    step = nice_step(highest, 5)
    return math.ceil(highest / step - 1e-9) * step, step


def _thousands(step: int) -> str:
    return f"{step / 1000:g}k" if step >= 10_000 else str(step)
