"""What the page's drawings share: frames, axes, ticks, points, and intervals on an axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stages.report.shown_cells import Shown

# What gives the x or y of a value; and the ticks of an axis with their labels.
AxisScale = Callable[[float], float]
AxisTicks = tuple[tuple[float, str], ...]
# Room on either side of the widest interval, as a share of the axis.
_MARGIN = 0.04
_TICKS = 4


@dataclass(frozen=True)
class Frame:
    """A drawing's size and its axes' ends, in SVG user units."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float

    def x(self, part: float, whole: float = 1.0) -> float:
        return round(self.left + (self.right - self.left) * part / whole, 1)

    def y(self, part: float, whole: float = 1.0) -> float:
        return round(self.bottom - (self.bottom - self.top) * part / whole, 1)

    def score_axis(self, scores: Sequence[float]) -> tuple[AxisScale, AxisTicks]:
        """What gives the y of a score, and the ticks; with room for all `scores`."""
        low, high = min(scores), max(scores)
        room = (high - low) * 0.05 or 0.05
        low, high = max(0.0, low - room), min(1.0, high + room)

        def y_of(value: float) -> float:
            return self.y(value - low, high - low)

        return y_of, ticks(low, high, 6, y_of)


@dataclass(frozen=True)
class CurvePoint:
    """x, y in SVG units; thin: it rests on few detections, which say little."""

    x: float
    y: float
    title: str
    thin: bool = False


@dataclass(frozen=True)
class Curve:
    """One cell's line, `points` upon it, and fainter lines behind it, each with its title; lines are
    SVG path data, or "".
    """

    cell: Shown
    path: str
    title: str
    points: list[CurvePoint]
    behind: list[tuple[str, str]]


def path(points: Iterable[tuple[float, float]]) -> str:
    """SVG path data of a line through the points; "" where there is no second one."""
    places = [f"{x:g} {y:g}" for x, y in points]
    return f"M{'L'.join(places)}" if len(places) > 1 else ""


def nice_step(span: float, most: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that makes at most `most` parts of `span`."""
    power = 10.0 ** math.floor(math.log10(span / most))
    for factor in (1, 2, 5):
        if span / (factor * power) <= most + 1e-9:
            return factor * power
    return 10 * power


def ticks(
    low: float,
    high: float,
    most: int,
    at: AxisScale,
    text: Callable[[float], str] = "{:.10g}".format,
) -> AxisTicks:
    """Places and labels of the round numbers from `low` to `high`."""
    step = nice_step(high - low, most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple((at(step * n), text(step * n + 0.0)) for n in range(first, last + 1))


@dataclass(frozen=True)
class Mark:
    """A value, and its interval where there is one, in per cent of an axis."""

    at: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Axis:
    low: float
    high: float

    def at(self, value: float) -> float:
        """Per cent of the width, within it."""
        return round(100 * min(max((value - self.low) / (self.high - self.low), 0.0), 1.0), 2)

    def mark(self, value: float, ends: tuple[float, float] | None = None) -> Mark:
        """ends: of the interval."""
        return Mark(self.at(value), *map(self.at, ends or ()))

    @property
    def ticks(self) -> AxisTicks:
        return ticks(self.low, self.high, _TICKS, self.at)


def axis_of(values: Sequence[float]) -> Axis:
    """An axis that holds 0 and all `values`."""
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    room = (high - low) * _MARGIN or 0.01
    return Axis(low - room, high + room)
