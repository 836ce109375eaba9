"""Geometry of one panel: ticks, lines and points in SVG user units, drawn by
templates/_panels.html.j2."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.report.curves import EMPTY, envelope, running_mean, sampled, series_of
from stages.report.looks import Look
from stages.results.cell import CellResult
from stages.results.files import Series

WIDTH, HEIGHT = 440, 280
LEFT, RIGHT, TOP, BOTTOM = 40, 430, 10, 246
# A point every pixel and a half of the panel is as fine as a screen shows.
_POINTS = 260
# More points than this on a line run into each other; then only the last one is drawn.
_MOST_MARKERS = 24
# A loss axis ends here times the median of the cells' highest losses: a diverging one may flatten
# no other.
_LOSS_CUT = 3.0


@dataclass(frozen=True)
class Point:
    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Line:
    """`index` is the cell's place on the page; `path` and `raw` are SVG path data ("" for a single
    point)."""

    index: int
    look: Look
    title: str
    path: str
    raw: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """`cut` names the cells that leave the top of the axis, `empty` those without a single
    value."""

    name: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
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
    frame = _Frame(last, top)
    lines, cut, empty = [], [], []
    for index, cell in enumerate(cells):
        series = drawn[cell.name]
        called = names.get(cell.name, cell.name)
        if not series.steps:
            empty.append(called)
            continue
        raw = series_of(cell, name) if is_loss else EMPTY
        lines.append(_line(index, cell, looks[cell.name], name, series, raw, frame))
        if max(series.values, default=0.0) > top:
            cut.append(called)
    x_ticks, y_ticks = [], []
    for tick in range(0, last + 1, int(max(1, nice_step(last, 5)))):
        x_ticks.append((frame.x(tick), _thousands(tick)))
    for number in range(round(top / y_step) + 1):
        y_ticks.append((frame.y(y_step * number), f"{y_step * number:.10g}"))
    return Panel(
        name=name,
        x_ticks=tuple(x_ticks),
        y_ticks=tuple(y_ticks),
        top=top,
        lines=tuple(lines),
        cut=tuple(cut),
        empty=tuple(empty),
    )


@dataclass(frozen=True)
class _Frame:
    last: int
    top: float

    def x(self, step: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * step / self.last, 1)

    def y(self, value: float) -> float:
        # Far outside the frame is as good as just outside: the clip path hides both, the file stays
        # small.
        return round(BOTTOM - (BOTTOM - TOP) * min(max(value / self.top, -1.0), 3.0), 1)

    def path(self, series: Series) -> str:
        """ "" where there is no second point to draw a line to."""
        if len(series.steps) < 2:
            return ""
        pairs = zip(series.steps, series.values, strict=True)
        return "M" + "L".join(f"{self.x(step):g} {self.y(value):g}" for step, value in pairs)


def _line(
    index: int, cell: CellResult, look: Look, name: str, series: Series, raw: Series, frame: _Frame
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
        points.append(Point(frame.x(step), frame.y(value), title))
    return Line(
        index=index,
        look=look,
        title=f"{cell.name}\n{run}",
        path=frame.path(sampled(series, _POINTS)),
        raw=frame.path(envelope(raw, _POINTS)),
        points=tuple(points),
    )


def nice_step(span: float, most: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that divides `span` into at most `most`
    parts."""
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(
        factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= most + 1e-9
    )


def _nice(highest: float) -> tuple[float, float]:
    """The top of an axis from 0 that holds `highest`, and the distance of its ticks."""
    if highest <= 0:
        return 1.0, 0.2
    step = nice_step(highest, 5)
    return math.ceil(highest / step - 1e-9) * step, step


def _thousands(step: int) -> str:
    return f"{step / 1000:g}k" if step >= 10_000 else str(step)
