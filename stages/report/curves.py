"""The study's seven panels: their series as CSV for DVC, and as lines of the page, smoothed and
thinned, drawn by templates/_panels.html.j2."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stages.report.drawing import Curve, CurvePoint, Frame, nice_step, path, ticks
from stages.report.shown_cells import Shown
from stages.report.summary import csv_text
from stages.results.cell import CellResult
from stages.results.files import Series
from stages.study.metrics import METRICS

PANELS = ("train/loss", *(f"val/{metric}" for metric in METRICS))
EMPTY = Series((), ())
# More rows per cell make the page of `dvc plots show` slow and show nothing more; history.csv has
# them all.
MAX_ROWS = 1000
PANEL_FRAME = Frame(440, 280, 40, 430, 10, 246)
# A point every pixel and a half of the panel is as fine as a screen shows.
_POINTS = 260
# More points than this on a line run into each other; then only the last one is drawn.
_MOST_MARKERS = 24
# A loss axis ends here times the median of the cells' highest losses: a diverging one may flatten
# no other.
_LOSS_CUT = 3.0


def curve_csv(cells: Sequence[CellResult], panel: str) -> str:
    """Rows of step, value, cell. A curve of over MAX_ROWS points becomes means of equally long
    groups of steps, each at the last step of its group."""
    rows: list[Sequence[object]] = [["step", "value", "cell"]]
    for cell in cells:
        series = grouped_means(cell.history.get(panel, EMPTY), MAX_ROWS)
        for step, value in zip(series.steps, series.values, strict=True):
            rows.append([step, value, cell.name])
    return csv_text(rows)


def _groups(series: Series, most: int) -> list[range]:
    """The places of at most `most` equally long parts of a series."""
    count = len(series.steps)
    size = max(1, math.ceil(count / most))
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def grouped_means(series: Series, most: int) -> Series:
    """At most `most` points: means over groups of values, each at its group's last step."""
    steps, values = [], []
    for group in _groups(series, most):
        steps.append(series.steps[group[-1]])
        values.append(sum(series.values[group[0] : group[-1] + 1]) / len(group))
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


def sampled(series: Series, most: int) -> list[int]:
    """About `most` evenly spaced places of a smooth curve, the first and the last among them."""
    places = {group[0] for group in _groups(series, most)}
    return sorted(places | {len(series.steps) - 1})


def envelope(series: Series, most: int) -> list[int]:
    """At most 2 x `most` places, of the lowest and the highest value of every group."""
    places = set()
    for group in _groups(series, most):
        places.add(min(group, key=series.values.__getitem__))
        places.add(max(group, key=series.values.__getitem__))
    return sorted(places)


class Panel:
    """The history column `name` with one line per cell: train loss as the running mean over an
    epoch, the raw curve behind it; validations as they are.

    cut: the cells that leave the top of the axis; empty: those without any value.
    """

    def __init__(self, name: str, cells: Iterable[Shown]) -> None:
        self.name = name
        self.is_loss = name == PANELS[0]
        self.empty: list[str] = []
        drawn: list[tuple[Shown, Series]] = []
        peaks = []
        self.last = 1
        for cell in cells:
            series = cell.result.history.get(name, EMPTY)
            if self.is_loss:
                series = running_mean(series, cell.result.epoch_steps)
            if series.values:
                drawn.append((cell, series))
                peaks.append(max(series.values))
            else:
                self.empty.append(cell.short)
            for column in cell.result.history.values():
                self.last = max([self.last, *column.steps[-1:]])
        limit = max(peaks, default=0.0)
        if self.is_loss and peaks:
            limit = min(limit, _LOSS_CUT * statistics.median_low(peaks))
        self.top = 1.0
        if limit > 0:
            distance = nice_step(limit, 5)
            self.top = math.ceil(limit / distance - 1e-9) * distance
        self.lines, self.cut = [], []
        for (cell, series), peak in zip(drawn, peaks, strict=True):
            self.lines.append(self._line(cell, series))
            if peak > self.top:
                self.cut.append(cell.short)
        steps = range(0, self.last + 1, int(max(1, nice_step(self.last, 5))))
        self.x_ticks = [(self._x(step), _thousands(step)) for step in steps]
        self.y_ticks = ticks(0.0, self.top, 5, self._y)

    def _x(self, step: float) -> float:
        return PANEL_FRAME.x(step, self.last)

    def _y(self, value: float) -> float:
        # Far outside the frame is as good as just outside: the clip path hides both, the file stays
        # small.
        return PANEL_FRAME.y(min(max(value / self.top, -1.0), 3.0))

    def _path(self, series: Series, places: Iterable[int]) -> str:
        return path((self._x(series.steps[at]), self._y(series.values[at])) for at in places)

    def _line(self, cell: Shown, series: Series) -> Curve:
        raw, unit = EMPTY, "validation"
        points = list(zip(series.steps, series.values, strict=True))
        if self.is_loss:
            raw, unit = cell.result.history[self.name], "mean over the last epoch's steps"
        if self.is_loss or len(points) > _MOST_MARKERS:
            points = points[-1:]
        marked = []
        for step, value in points:
            title = f"{cell.name}\n{self.name} = {value:.4f} at iteration {step} ({unit})"
            marked.append(CurvePoint(self._x(step), self._y(value), f"{title}\nrun {cell.run}"))
        smooth = self._path(series, sampled(series, _POINTS))
        behind = [(self._path(raw, envelope(raw, _POINTS)), "")]
        return Curve(cell, smooth, cell.title, marked, behind)


def _thousands(step: int) -> str:
    return f"{step / 1000:g}k" if step >= 10_000 else str(step)
