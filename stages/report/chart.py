"""Geometry of one panel: ticks, lines and points in SVG user units, drawn by
templates/_panels.html.j2."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.report.curves import EMPTY, envelope, running_mean, sampled, series_of
from stages.report.looks import Look
from stages.report.results import CellResult, Series

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
    raw = {cell.name: series_of(cell, name) for cell in cells}
    shown = {
        cell.name: running_mean(raw[cell.name], cell.epoch_steps) if is_loss else raw[cell.name]
        for cell in cells
    }
    peaks = [max(series.values) for series in shown.values() if series.values]
    highest = max(peaks, default=0.0)
    limit = min(highest, _LOSS_CUT * statistics.median_low(peaks)) if is_loss and peaks else highest
    top, y_step = _nice(limit)
    last = max(
        (series.steps[-1] for cell in cells for series in cell.history.values() if series.steps),
        default=1,
    )
    x_step = max(1, nice_step(last, 5))
    frame = _Frame(last, top)
    return Panel(
        name=name,
        x_ticks=tuple(
            (frame.x(tick), _thousands(tick)) for tick in range(0, last + 1, int(x_step))
        ),
        y_ticks=tuple(
            (frame.y(y_step * n), f"{y_step * n:.10g}") for n in range(round(top / y_step) + 1)
        ),
        top=top,
        lines=tuple(
            _line(
                index,
                cell,
                looks[cell.name],
                name,
                shown[cell.name],
                raw[cell.name] if is_loss else EMPTY,
                frame,
            )
            for index, cell in enumerate(cells)
            if shown[cell.name].steps
        ),
        cut=tuple(
            names.get(cell.name, cell.name)
            for cell in cells
            if max(shown[cell.name].values, default=0.0) > top
        ),
        empty=tuple(
            names.get(cell.name, cell.name) for cell in cells if not shown[cell.name].steps
        ),
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
        pairs = zip(series.steps, series.values, strict=True)
        return "M" + "L".join(f"{self.x(step):g} {self.y(value):g}" for step, value in pairs)


def _line(
    index: int, cell: CellResult, look: Look, name: str, shown: Series, raw: Series, frame: _Frame
) -> Line:
    marked = (
        range(len(shown.steps))
        if len(shown.steps) <= _MOST_MARKERS and not raw.steps
        else [len(shown.steps) - 1]
    )
    unit = "mean over the last epoch's steps" if raw.steps else "validation"
    drawn = sampled(shown, _POINTS)
    return Line(
        index=index,
        look=look,
        title=f"{cell.name}\nrun {cell.run_id or 'not tracked'}",
        path=frame.path(drawn) if len(drawn.steps) > 1 else "",
        raw=frame.path(envelope(raw, _POINTS)) if len(raw.steps) > 1 else "",
        points=tuple(
            Point(
                frame.x(shown.steps[i]),
                frame.y(shown.values[i]),
                f"{cell.name}\n{name} = {shown.values[i]:.4f} at iteration {shown.steps[i]} ({unit})\n"
                f"run {cell.run_id or 'not tracked'}",
            )
            for i in marked
        ),
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
