"""What the page's drawings share: frames, axes, ticks, and each cell's colour, dash and marker. The
same backbone has the same colour on every page."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stages.results.cell import CellResult

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


@dataclass(frozen=True)
class Point:
    """x, y in SVG units; thin: it rests on few detections, which say little."""

    x: float
    y: float
    title: str
    thin: bool = False


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


# Slots of the style sheet. A page of one backbone keeps the colour that the full page gives it.
COLOURS = 8
SHADES = 4
_KNOWN_BACKBONES = {"r50": 0, "r101": 1, "x101": 2, "swin_t": 3, "swin_l": 4}
# Lengths of strokes and gaps in pixels, then marker outlines around (0, 0), about 7 pixels wide.
# Their numbers have no common divisor, so 35 variants stay distinct.
_DASHES = ("", "7 3", "2 2.5", "9 3 2 3", "13 4", "5 2 1.5 2 1.5 2", "1 4")
_MARKERS = (
    "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z",
    "m-2.8 -2.8h5.6v5.6h-5.6z",
    "m0 -3.6l3.5 6.2h-7z",
    "m0 -4l4 4l-4 4l-4 -4z",
    "m0 3.6l3.5 -6.2h-7z",
)


@dataclass(frozen=True)
class Look:
    """`colour` and `shade` are slots of the style sheet, `dash` a stroke-dasharray, `marker` an SVG
    path."""

    colour: int
    shade: int
    dash: str
    marker: str


def looks_of(cells: Sequence[CellResult]) -> dict[str, Look]:
    """A look per cell: colour by backbone, dash and marker by detector, neck, optimizer and image
    size.

    Cells of one backbone take turns in its shades.
    """
    slots = dict(_KNOWN_BACKBONES)
    free = itertools.cycle(sorted(set(range(COLOURS)).difference(slots.values())))
    variants: dict[tuple[str, ...], int] = {}
    cells_of: Counter[str] = Counter()
    looks = {}
    for cell in cells:
        backbone = str(cell.row["backbone"])
        if backbone not in slots:
            slots[backbone] = next(free)
        variant = variants.setdefault(_variant(cell), len(variants))
        shade = cells_of[backbone] % SHADES
        cells_of[backbone] += 1
        looks[cell.name] = Look(
            colour=slots[backbone],
            shade=shade,
            dash=_DASHES[variant % len(_DASHES)],
            marker=_MARKERS[variant % len(_MARKERS)],
        )
    return looks


def _variant(cell: CellResult) -> tuple[str, ...]:
    return tuple(str(cell.row[key]) for key in ("detector", "neck", "optimizer", "image_size"))
