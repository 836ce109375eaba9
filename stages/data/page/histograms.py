"""Geometry of the page's charts in SVG user units; one series per split, as shares of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stages.data.page.words import counted, percent
from stages.study.metrics import SIZE_LIMITS, SIZES

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 42, 430, 26, 208
# Boxes per image: first and last count of a bin.
_COUNTS = ((0, 0), (1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (17, 32), (33, 64), (65, None))
# Sides beyond these are counted in the outermost bins.
_SIDES = (1.0, 2.0**14)


@dataclass(frozen=True)
class Bar:
    """A rectangle of the split with number `index`; `title` is shown on hover."""

    index: int
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Chart:
    """`outlines`: split number and SVG path of each step line; `bands`: x of a limit, and labels
    with their x."""

    bars: tuple[Bar, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    outlines: tuple[tuple[int, str], ...] = ()
    limits: tuple[float, ...] = ()
    labels: tuple[tuple[float, str], ...] = field(default=())


def class_rows(splits: dict[str, dict], classes: Sequence[str]) -> list[dict]:
    """Per class its name and, per labelled split, boxes, share of the split's boxes and bar width
    in percent.

    `splits` is the report's; all bars have one scale, which ends at the largest share of any.
    """
    labelled = {split: counts for split, counts in splits.items() if counts["labelled"]}
    order = list(splits)
    rows = []
    top = 0.0
    for name in classes:
        bars = []
        for split, counts in labelled.items():
            boxes = counts["classes"].get(name, 0)
            share = boxes / max(counts["boxes"], 1)
            top = max(top, share)
            bar = {"index": order.index(split), "split": split, "boxes": boxes, "share": share}
            bars.append(bar)
        rows.append({"name": name, "boxes": sum(bar["boxes"] for bar in bars), "bars": bars})
    for row in rows:
        for bar in row["bars"]:
            bar["width"] = round(100 * bar["share"] / (top or 1), 2)
    return rows


def size_rows(splits: dict[str, dict]) -> list[dict]:
    """Per labelled split the segments of a bar of 100 units: name, boxes, share, x and width."""
    rows = []
    for index, (split, counts) in enumerate(splits.items()):
        total = sum(counts["sizes"].values())
        if not counts["labelled"] or not total:
            continue
        segments, x = [], 0.0
        for name in SIZES:
            share = counts["sizes"].get(name, 0) / total
            segments.append(
                {
                    "name": name,
                    "boxes": counts["sizes"].get(name, 0),
                    "share": share,
                    "x": round(100 * x, 2),
                    "width": round(100 * share, 2),
                }
            )
            x += share
        rows.append({"index": index, "split": split, "segments": segments})
    return rows


def side_chart(areas: dict[str, np.ndarray]) -> Chart | None:
    """Square roots of box areas (pixels squared) per split on half-octave bins; None where there is
    no box.

    A split without boxes keeps its number, so that its colour stays the same everywhere.
    """
    sides = {}
    for split, values in areas.items():
        sides[split] = np.clip(np.sqrt(values[values > 0]), *_SIDES)
    all_sides = np.concatenate([np.zeros(0), *sides.values()])
    if not len(all_sides):
        return None
    axis = _side_axis(all_sides.min(), all_sides.max())
    counts = {split: np.histogram(values, axis.edges)[0] for split, values in sides.items()}
    shares = {split: values / max(values.sum(), 1) for split, values in counts.items()}
    top, y_ticks = _y_axis(max(values.max() for values in shares.values()))
    bars, outlines = [], []
    for index, split in enumerate(sides):
        if not len(sides[split]):
            continue
        path = f"M{LEFT} {BOTTOM}"
        edges = itertools.pairwise(axis.edges)
        for (low, high), share, count in zip(edges, shares[split], counts[split]):
            x, end = axis.x(low), axis.x(high)
            y = round(BOTTOM - (BOTTOM - TOP) * share / top, 1)
            path += f"V{y:g}H{end:.4g}"
            if not count:
                continue
            title = (
                f"{split}, {low:.3g} to {high:.3g} px: {counted(int(count), 'boxes')}, "
                f"{percent(share)}"
            )
            bar = Bar(index, round(x, 1), y, round(end - x, 1), round(BOTTOM - y, 1), title)
            bars.append(bar)
        outlines.append((index, f"{path}V{BOTTOM}"))
    limits, labels = _size_bands(axis)
    return Chart(tuple(bars), axis.ticks(), y_ticks, tuple(outlines), limits, labels)


@dataclass(frozen=True)
class _SideAxis:
    """A logarithmic axis from 2^(first / 2) to 2^(last / 2) pixels, whole octaves, with an edge at
    each half octave."""

    first: int
    last: int
    edges: np.ndarray

    def x(self, side: float) -> float:
        octaves = (2 * math.log2(side) - self.first) / (self.last - self.first)
        return LEFT + (RIGHT - LEFT) * octaves

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """One at each octave, or as many of them as there is room for."""
        octaves = range(self.first, self.last + 1, 2)
        ticks = []
        for half_octave in octaves[:: math.ceil(len(octaves) / 12)]:
            x = self.x(2.0 ** (half_octave / 2))
            ticks.append((round(x, 1), f"{2 ** (half_octave // 2)}"))
        return tuple(ticks)


def _side_axis(smallest: float, largest: float) -> _SideAxis:
    first = math.floor(2 * math.log2(smallest) + 1e-9)
    last = math.ceil(2 * math.log2(largest) - 1e-9)
    # Whole octaves at both ends, so that every second edge is a tick.
    first -= first % 2
    last = max(last + last % 2, first + 4)
    return _SideAxis(first, last, 2.0 ** (np.arange(first, last + 1) / 2))


def _size_bands(
    axis: _SideAxis,
) -> tuple[tuple[float, ...], tuple[tuple[float, str], ...]]:
    """x of COCO's limits within the axis, and the names of the bands between that have room for
    them, with their x."""
    low, end = axis.edges[0], axis.edges[-1]
    limits, labels = [], []
    # Of a square of that area.
    sides = [math.sqrt(area) for area in SIZE_LIMITS]
    for name, limit in zip(SIZES, (*sides, math.inf)):
        if limit <= low:
            continue
        high = min(limit, end)
        if axis.x(high) - axis.x(low) > 7 * len(name):
            labels.append((round((axis.x(low) + axis.x(high)) / 2, 1), name))
        if limit >= end:
            break
        limits.append(round(axis.x(limit), 1))
        low = limit
    return tuple(limits), tuple(labels)


def per_image_chart(numbers: dict[str, np.ndarray]) -> Chart | None:
    """Boxes of each image (counts) per split as grouped bars, shares of the split's images; None
    without images."""
    present = [split for split, values in numbers.items() if len(values)]
    if not present:
        return None
    highest = max(int(numbers[split].max()) for split in present)
    bins = [pair for pair in _COUNTS if pair[0] <= max(highest, 1)]
    counts = {split: _bin_counts(numbers[split], bins) for split in present}
    shares = {split: counts[split] / len(numbers[split]) for split in present}
    top, y_ticks = _y_axis(max(values.max() for values in shares.values()))
    slot = (RIGHT - LEFT) / len(bins)
    width = min(slot * 0.84 / len(present), 26)
    bars, x_ticks = [], []
    for place, (low, high) in enumerate(bins):
        name = _bin_name(low, high)
        unit = "box" if name == "1" else "boxes"
        x = LEFT + slot * (place + 0.5)
        x_ticks.append((round(x, 1), name))
        for order, split in enumerate(present):
            share = float(shares[split][place])
            if not share:
                continue
            images = counted(int(counts[split][place]), "images")
            height = (BOTTOM - TOP) * share / top
            bar = Bar(
                list(numbers).index(split),
                round(x + width * (order - len(present) / 2), 1),
                round(BOTTOM - height, 1),
                round(max(width - 1, 1), 1),
                round(height, 1),
                f"{split}, {name} {unit}: {images}, {percent(share)}",
            )
            bars.append(bar)
    return Chart(bars=tuple(bars), x_ticks=tuple(x_ticks), y_ticks=y_ticks)


def _bin_counts(values: np.ndarray, bins: Sequence[tuple[int, int | None]]) -> np.ndarray:
    """(bins,) the numbers of values from low to high, both included; high is None for no end."""
    counts = []
    for low, high in bins:
        inside = values >= low
        if high is not None:
            inside &= values <= high
        counts.append(np.count_nonzero(inside))
    return np.array(counts)


def _bin_name(low: int, high: int | None) -> str:
    if high is None:
        return f"{low}+"
    if low == high:
        return str(low)
    return f"{low}–{high}"


def _y_axis(highest: float) -> tuple[float, tuple[tuple[float, str], ...]]:
    """The top of an axis of shares from 0, and its ticks: 1, 2, 5 or 10 percent times a power of
    ten apart."""
    highest = max(highest, 1e-6)
    power = 10.0 ** math.floor(math.log10(highest / 4))
    for factor in (1, 2, 5, 10):
        step = factor * power
        if highest / step <= 4 + 1e-9:
            break
    steps = math.ceil(highest / step - 1e-9)
    ticks = []
    for n in range(steps + 1):
        y = BOTTOM - (BOTTOM - TOP) * n / steps
        ticks.append((round(y, 1), f"{100 * step * n:.6g}%"))
    return step * steps, tuple(ticks)
