"""Geometry of the page's charts in SVG user units; one series per split, as shares of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stages.data.page.words import counted, percent

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 42, 430, 26, 208
# COCO's limits between small, medium and large objects: side of a square of that area, pixels.
SMALL, MEDIUM = 32, 96
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
    shares = {
        split: {name: counts["classes"].get(name, 0) / max(counts["boxes"], 1) for name in classes}
        for split, counts in splits.items()
        if counts["labelled"]
    }
    top = max((share for values in shares.values() for share in values.values()), default=0) or 1
    order = list(splits)
    return [
        {
            "name": name,
            "boxes": sum(splits[split]["classes"].get(name, 0) for split in shares),
            "bars": [
                {
                    "index": order.index(split),
                    "split": split,
                    "boxes": splits[split]["classes"].get(name, 0),
                    "share": shares[split][name],
                    "width": round(100 * shares[split][name] / top, 2),
                }
                for split in shares
            ],
        }
        for name in classes
    ]


def size_rows(splits: dict[str, dict]) -> list[dict]:
    """Per labelled split the segments of a bar of 100 units: name, boxes, share, x and width."""
    rows = []
    for index, (split, counts) in enumerate(splits.items()):
        total = sum(counts["sizes"].values()) if counts["labelled"] else 0
        if not total:
            continue
        segments, x = [], 0.0
        for name in ("small", "medium", "large"):
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
    sides = {
        split: np.clip(np.sqrt(values[values > 0]), *_SIDES) for split, values in areas.items()
    }
    filled = [values for values in sides.values() if len(values)]
    if not filled:
        return None
    first = math.floor(2 * math.log2(min(values.min() for values in filled)) + 1e-9)
    last = math.ceil(2 * math.log2(max(values.max() for values in filled)) - 1e-9)
    # Whole octaves at both ends, so that every second edge is a tick.
    first, last = first - first % 2, max(last + last % 2, first - first % 2 + 4)
    edges = 2.0 ** (np.arange(first, last + 1) / 2)
    counts = {split: np.histogram(values, edges)[0] for split, values in sides.items()}
    shares = {split: values / max(values.sum(), 1) for split, values in counts.items()}
    top, y_ticks = _y_axis(max(values.max() for values in shares.values()))

    def across(side: float) -> float:
        return LEFT + (RIGHT - LEFT) * (2 * math.log2(side) - first) / (last - first)

    bars, outlines = [], []
    for index, split in enumerate(sides):
        if not len(sides[split]):
            continue
        path = f"M{LEFT} {BOTTOM}"
        for low, high, share, count in zip(edges, edges[1:], shares[split], counts[split]):
            y = round(BOTTOM - (BOTTOM - TOP) * share / top, 1)
            path += f"V{y:g}H{across(high):.4g}"
            if count:
                bars.append(
                    Bar(
                        index,
                        round(across(low), 1),
                        y,
                        round(across(high) - across(low), 1),
                        round(BOTTOM - y, 1),
                        f"{split}, {low:.3g} to {high:.3g} px: "
                        f"{counted(int(count), 'boxes')}, {percent(share)}",
                    )
                )
        outlines.append((index, f"{path}V{BOTTOM}"))
    octaves = range(first, last + 1, 2)
    every = math.ceil(len(octaves) / 12)
    limits = [limit for limit in (SMALL, MEDIUM) if edges[0] < limit < edges[-1]]
    ends = [edges[0], *limits, edges[-1]]
    names = [
        name
        for name, limit in (("small", SMALL), ("medium", MEDIUM), ("large", math.inf))
        if limit > edges[0]
    ][: len(ends) - 1]
    labels = [
        ((across(low) + across(high)) / 2, name)
        for low, high, name in zip(ends, ends[1:], names)
        if across(high) - across(low) > 7 * len(name)
    ]
    return Chart(
        bars=tuple(bars),
        x_ticks=tuple(
            (round(across(2.0 ** (k / 2)), 1), f"{2 ** (k // 2)}") for k in octaves[::every]
        ),
        y_ticks=y_ticks,
        outlines=tuple(outlines),
        limits=tuple(round(across(limit), 1) for limit in limits),
        labels=tuple((round(x, 1), name) for x, name in labels),
    )


def per_image_chart(numbers: dict[str, np.ndarray]) -> Chart | None:
    """Boxes of each image (counts) per split as grouped bars, shares of the split's images; None
    without images."""
    highest = max((int(values.max()) for values in numbers.values() if len(values)), default=None)
    if highest is None:
        return None
    bins = [pair for pair in _COUNTS if pair[0] <= max(highest, 1)]
    counts = {
        split: [
            int(((values >= low) & (values <= (highest if high is None else high))).sum())
            for low, high in bins
        ]
        for split, values in numbers.items()
    }
    shares = {
        split: [count / max(len(numbers[split]), 1) for count in values]
        for split, values in counts.items()
    }
    top, y_ticks = _y_axis(max(max(values) for values in shares.values()))
    present = [split for split in numbers if len(numbers[split])]
    slot = (RIGHT - LEFT) / len(bins)
    width = min(slot * 0.84 / len(present), 26)
    bars, x_ticks = [], []
    for place, (low, high) in enumerate(bins):
        name = str(low) if low == high else f"{low}+" if high is None else f"{low}–{high}"
        x = LEFT + slot * (place + 0.5)
        x_ticks.append((round(x, 1), name))
        for order, split in enumerate(present):
            share = shares[split][place]
            height = (BOTTOM - TOP) * share / top
            if share:
                bars.append(
                    Bar(
                        list(numbers).index(split),
                        round(x + width * (order - len(present) / 2), 1),
                        round(BOTTOM - height, 1),
                        round(max(width - 1, 1), 1),
                        round(height, 1),
                        f"{split}, {'1 box' if name == '1' else f'{name} boxes'}: "
                        f"{counted(counts[split][place], 'images')}, {percent(share)}",
                    )
                )
    return Chart(bars=tuple(bars), x_ticks=tuple(x_ticks), y_ticks=y_ticks)


def _y_axis(highest: float) -> tuple[float, tuple[tuple[float, str], ...]]:
    """The top of an axis of shares from 0, and its ticks: 1, 2, 5 or 10 percent times a power of
    ten apart."""
    highest = max(highest, 1e-6)
    power = 10.0 ** math.floor(math.log10(highest / 4))
    step = next(
        factor * power for factor in (1, 2, 5, 10) if highest / (factor * power) <= 4 + 1e-9
    )
    steps = math.ceil(highest / step - 1e-9)
    return step * steps, tuple(
        (round(BOTTOM - (BOTTOM - TOP) * n / steps, 1), f"{100 * step * n:.6g}%")
        for n in range(steps + 1)
    )
