"""Geometry of the page's charts in SVG user units; one series per split, as shares of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stages.data.page.words import percent
from stages.study.counts import count
from stages.study.metrics import SIZE_LIMITS, SIZES

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 42, 430, 26, 208
# Boxes per image: the first count of each bin.
_COUNTS = (0, 1, 2, 3, 5, 9, 17, 33, 65)
# Sides beyond these are counted in the outermost bins.
_SIDES = (1.0, 2.0**14)

# Places along an axis and what stands there.
Ticks = list[tuple[float, str]]


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
    """`outlines`: split number and SVG path of step lines; `limits`: x of those between sizes."""

    bars: list[Bar]
    x_ticks: Ticks
    y_ticks: Ticks
    outlines: Sequence[tuple[int, str]] = ()
    limits: Sequence[float] = ()
    labels: Sequence[tuple[float, str]] = ()


def class_rows(splits: dict[str, dict], classes: Sequence[str]) -> list[dict]:
    """Per class its name and, per labelled split, boxes, share of the split's boxes and bar width
    in percent.

    `splits` is the report's; all bars have one scale, which ends at the largest share of any.
    """
    rows = []
    for name in classes:
        bars = []
        for index, (split, counts) in enumerate(splits.items()):
            if counts["labelled"]:
                boxes = counts["classes"].get(name, 0)
                share = boxes / max(counts["boxes"], 1)
                bars.append({"index": index, "split": split, "boxes": boxes, "share": share})
        rows.append({"name": name, "boxes": sum(bar["boxes"] for bar in bars), "bars": bars})
    all_bars = list(itertools.chain.from_iterable(row["bars"] for row in rows))
    top = max((bar["share"] for bar in all_bars), default=0) or 1
    for bar in all_bars:
        bar["width"] = round(100 * bar["share"] / top, 2)
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
            boxes = counts["sizes"].get(name, 0)
            share = boxes / total
            place = {"x": round(100 * x, 2), "width": round(100 * share, 2)}
            segments.append({"name": name, "boxes": boxes, "share": share, **place})
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
    # Half octaves, with whole ones at both ends, so that every second edge is a tick.
    first = math.floor(2 * math.log2(all_sides.min()) + 1e-9)
    last = math.ceil(2 * math.log2(all_sides.max()) - 1e-9)
    first -= first % 2
    last = max(last + last % 2, first + 4)
    edges = 2.0 ** (np.arange(first, last + 1) / 2)

    def x_of(side: float) -> float:
        return LEFT + (RIGHT - LEFT) * (2 * math.log2(side) - first) / (last - first)

    counts, shares, top, y_ticks = _histogram(sides, edges)
    bars, outlines = [], []
    for index, split in enumerate(sides):
        if not len(sides[split]):
            continue
        path = f"M{LEFT} {BOTTOM}"
        bins = itertools.pairwise(edges)
        for (low, high), share, number in zip(bins, shares[split], counts[split].tolist()):
            x, end = x_of(low), x_of(high)
            y = round(BOTTOM - (BOTTOM - TOP) * share / top, 1)
            path += f"V{y:g}H{end:.4g}"
            if number:
                title = f"{split}, {low:.3g} to {high:.3g} px: "
                title += f"{count(number, 'boxes')}, {percent(share)}"
                height = round(BOTTOM - y, 1)
                bars.append(Bar(index, round(x, 1), y, round(end - x, 1), height, title))
        outlines.append((index, f"{path}V{BOTTOM}"))
    octaves = range(first, last + 1, 2)
    x_ticks = []
    # Each octave, or as many of them as there is room for.
    for half_octaves in octaves[:: math.ceil(len(octaves) / 12)]:
        side = 2 ** (half_octaves // 2)
        x_ticks.append((round(x_of(side), 1), str(side)))
    limits, labels = _size_bands(edges[0], edges[-1], x_of)
    return Chart(bars, x_ticks, y_ticks, outlines, limits, labels)


def _size_bands(
    low: float, end: float, x_of: Callable[[float], float]
) -> tuple[list[float], Ticks]:
    """x of COCO's limits between two sides; the sizes' names that have room, with their x."""
    limits, labels = [], []
    # Of a square of that area.
    sides = [math.sqrt(area) for area in SIZE_LIMITS]
    for name, limit in zip(SIZES, (*sides, math.inf)):
        if limit <= low:
            continue
        x, high = x_of(low), x_of(min(limit, end))
        if high - x > 7 * len(name):
            labels.append((round((x + high) / 2, 1), name))
        if limit >= end:
            break
        limits.append(round(high, 1))
        low = limit
    return limits, labels


def per_image_chart(numbers: dict[str, np.ndarray]) -> Chart | None:
    """Boxes per image (counts) of each split as grouped bars, shares of its images, if any."""
    present = {split: values for split, values in numbers.items() if len(values)}
    if not present:
        return None
    highest = max(int(values.max()) for values in present.values())
    bins = sum(low <= max(highest, 1) for low in _COUNTS)
    edges = (*_COUNTS, math.inf)[: bins + 1]
    counts, shares, top, y_ticks = _histogram(present, edges)
    slot = (RIGHT - LEFT) / bins
    width = min(slot * 0.84 / len(present), 26)
    bars, x_ticks = [], []
    for place, (low, end) in enumerate(itertools.pairwise(edges)):
        name = f"{low}–{end - 1}"
        if end == low + 1:
            name = str(low)
        elif end == math.inf:
            name = f"{low}+"
        unit = "box" if name == "1" else "boxes"
        middle = LEFT + slot * (place + 0.5)
        x_ticks.append((round(middle, 1), name))
        for order, split in enumerate(present):
            share = float(shares[split][place])
            if not share:
                continue
            images = count(int(counts[split][place]), "images")
            height = (BOTTOM - TOP) * share / top
            bar = Bar(
                list(numbers).index(split),
                round(middle + width * (order - len(present) / 2), 1),
                round(BOTTOM - height, 1),
                round(max(width - 1, 1), 1),
                round(height, 1),
                f"{split}, {name} {unit}: {images}, {percent(share)}",
            )
            bars.append(bar)
    return Chart(bars, x_ticks, y_ticks)


def _histogram(
    values: dict[str, np.ndarray], edges: Sequence[float] | np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], float, Ticks]:
    """Per split its values in each bin, (bins,) counts and shares of it; the top of an axis of
    shares from 0, and its ticks: 1, 2, 5 or 10 percent times a power of ten apart."""
    counts = {split: np.histogram(part, edges)[0] for split, part in values.items()}
    shares = {split: part / max(part.sum(), 1) for split, part in counts.items()}
    highest = max(1e-6, *(part.max() for part in shares.values()))
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
    return counts, shares, step * steps, ticks
