"""Geometry of small interval plots: rows of a value with its interval on one axis, in per cent of
its width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stages.report.chart import nice_step

# Room on either side of the widest interval, as a share of the axis.
_MARGIN = 0.04
_TICKS = 4


@dataclass(frozen=True)
class Axis:
    low: float
    high: float

    def at(self, value: float) -> float:
        """Per cent of the width, within it."""
        return round(100 * min(max((value - self.low) / (self.high - self.low), 0.0), 1.0), 2)

    @property
    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Places in per cent and their labels, 0 among them where the axis holds it."""
        step = nice_step(self.high - self.low, _TICKS)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return tuple((self.at(step * n), f"{step * n + 0.0:.10g}") for n in range(first, last + 1))


@dataclass(frozen=True)
class Mark:
    """One row: the point, and its interval where there is one, in per cent."""

    at: float
    low: float | None = None
    high: float | None = None


def axis_of(values: Sequence[float]) -> Axis:
    """An axis that holds 0 and all `values`."""
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    room = (high - low) * _MARGIN or 0.01
    return Axis(low - room, high + room)


def mark(axis: Axis, value: float, low: float | None = None, high: float | None = None) -> Mark:
    """low, high: the interval's ends, both or neither."""
    if low is None or high is None:
        return Mark(axis.at(value))
    return Mark(axis.at(value), axis.at(low), axis.at(high))
