"""Geometry of the page's drawings: ticks, the frame of a plot in SVG user units, and axes of small
interval plots in per cent of their width."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

# What gives the x or y of a value; and the ticks of an axis with their labels.
Scale = Callable[[float], float]
Ticks = tuple[tuple[float, str], ...]
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

    def score_axis(self, scores: Sequence[float]) -> tuple[Scale, Ticks]:
        """What gives the y of a score, and the ticks; with room for all `scores`."""
        low, high = min(scores), max(scores)
        room = (high - low) * 0.05 or 0.05
        low, high = max(0.0, low - room), min(1.0, high + room)

        def y_of(value: float) -> float:
            return self.y(value - low, high - low)

        return y_of, ticks(low, high, 6, y_of)


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


def ticks(low: float, high: float, most: int, at: Scale) -> Ticks:
    """Places and labels of the round numbers from `low` to `high`."""
    step = nice_step(high - low, most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple((at(step * n), f"{step * n + 0.0:.10g}") for n in range(first, last + 1))


@dataclass(frozen=True)
class Axis:
    low: float
    high: float

    def at(self, value: float) -> float:
        """Per cent of the width, within it."""
        return round(100 * min(max((value - self.low) / (self.high - self.low), 0.0), 1.0), 2)

    @property
    def ticks(self) -> Ticks:
        return ticks(self.low, self.high, _TICKS, self.at)


@dataclass(frozen=True)
class Mark:
    """A row: the point, and its interval where there is one, in per cent."""

    at: float
    low: float | None = None
    high: float | None = None


def axis_of(values: Sequence[float]) -> Axis:
    """An axis that holds 0 and all `values`."""
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    room = (high - low) * _MARGIN or 0.01
    return Axis(low - room, high + room)


def mark(axis: Axis, value: float, ends: tuple[float, float] | None = None) -> Mark:
    """ends: of the interval."""
    if ends is None:
        return Mark(axis.at(value))
    return Mark(axis.at(value), axis.at(ends[0]), axis.at(ends[1]))
