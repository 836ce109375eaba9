"""Score against cost: one plot for each cost that was measured, the front among its cells drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stages.report.chart import nice_step
from stages.report.looks import Look
from stages.report.table import label_of
from stages.report.verdicts.labels import Box, Label, place
from stages.report.verdicts.phrases import interval_text
from stages.report.verdicts.ranking import order
from stages.verdict.candidates import COSTS, Candidate
from stages.verdict.estimates import Estimate
from stages.verdict.front import front
from stages.verdict.judgement import Judgement

# A cost that spans more than this is drawn on a logarithmic axis.
_LOGARITHMIC = 8.0


@dataclass(frozen=True)
class Frame:
    """The drawing's size and its axes' ends, in SVG user units."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float

    @property
    def box(self) -> Box:
        return Box(self.left + 2, self.top - 8, self.width - 2, self.bottom - 2)


# Wide is as wide as the page, so that its letters have the size that labels.py reckons with.
WIDE = Frame(1320, 480, 52, 1300, 16, 438)
NARROW = Frame(350, 340, 40, 340, 14, 300)


@dataclass(frozen=True)
class Dot:
    """A cell: `index` is its place on the page, `number` its rank by score, which narrow screens
    show. low, high: y of its interval's ends. pale: another cell is as good for less; struck: so in
    everything that was weighed."""

    index: int
    number: int
    name: str
    look: Look
    x: float
    y: float
    low: float
    high: float
    title: str
    pale: bool
    struck: bool
    chosen: bool
    label: Label | None


@dataclass(frozen=True)
class Plot:
    frame: Frame
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    line: str
    dots: tuple[Dot, ...]
    unnamed: tuple[str, ...]


@dataclass(frozen=True)
class Trade:
    """One cost: the same plot for wide and narrow screens; `absent` were not measured or have no
    score."""

    cost: str
    label: str
    wide: Plot
    narrow: Plot
    absent: tuple[str, ...]
    sentence: str


def trades(
    judgement: Judgement,
    looks: dict[str, Look],
    places: dict[str, int],
    run_ids: dict[str, str],
    first: str | None = None,
) -> tuple[Trade, ...]:
    """One for each cost that any cell has, the deciding one first."""
    known = [
        key
        for key in COSTS
        if any(_finite(costs.get(key)) is not None for costs in judgement.costs.values())
    ]
    known.sort(key=lambda key: key != (first or judgement.choice.cost))
    return tuple(
        trade for key in known if (trade := _trade(key, judgement, looks, places, run_ids))
    )


@dataclass(frozen=True)
class _Point:
    name: str
    cost: float
    score: Estimate
    pale: bool


def _trade(
    key: str,
    judgement: Judgement,
    looks: dict[str, Look],
    places: dict[str, int],
    run_ids: dict[str, str],
) -> Trade | None:
    candidates = [
        Candidate(
            name,
            found.value if (found := known.get(judgement.metric)) else None,
            {key: judgement.costs.get(name, {}).get(key)},
        )
        for name, known in judgement.estimates.items()
    ]
    placed = front(candidates, judgement.metric, [key])
    if not placed.members:
        return None
    costs = {one.name: one.cost(key) for one in candidates}
    points = [
        _Point(
            name,
            costs[name],
            judgement.estimates[name][judgement.metric],
            name not in placed.members,
        )
        for name in (*placed.members, *(one.name for one in placed.dominated))
    ]
    points.sort(key=lambda point: point.name != judgement.choice.chosen)
    word, unit = COSTS[key]
    label = f"{word}{f', {unit}' * bool(unit)}"
    drawn = [
        _plot(frame, points, judgement, looks, places, run_ids, label) for frame in (WIDE, NARROW)
    ]
    return Trade(
        key,
        label,
        *drawn,
        tuple(judgement.short(one.name) for one in placed.incomplete),
        judgement.named(placed.sentence),
    )


def _plot(
    frame: Frame,
    points: Sequence[_Point],
    judgement: Judgement,
    looks: dict[str, Look],
    places: dict[str, int],
    run_ids: dict[str, str],
    label: str,
) -> Plot:
    x_of, x_ticks = _cost_axis(frame, [point.cost for point in points])
    y_of, y_ticks = score_axis(
        frame,
        [end for point in points for end in (point.score.low, point.score.high, point.score.value)],
    )
    at = {point.name: (x_of(point.cost), y_of(point.score.value)) for point in points}
    ends = {point.name: (y_of(point.score.low), y_of(point.score.high)) for point in points}
    numbers = {name: number for number, name in enumerate(order(judgement), 1)}
    members = sorted(at[point.name] for point in points if not point.pale)
    lines = [Box(at[name][0] - 2, high, at[name][0] + 2, low) for name, (low, high) in ends.items()]
    texts = [
        judgement.short(point.name) if frame is WIDE else str(numbers[point.name])
        for point in points
    ]
    labels = place(
        [(*at[point.name], text) for point, text in zip(points, texts, strict=True)],
        [*lines, *_treads(members, frame), *_risers(members, frame)],
        frame.box,
    )
    struck = {one.name for one in judgement.front.dominated}
    dots = tuple(
        Dot(
            places[point.name],
            numbers[point.name],
            point.name,
            looks[point.name],
            *at[point.name],
            *ends[point.name],
            f"{point.name}\n{label_of(judgement.metric)} = {interval_text(point.score)}\n{label} = "
            f"{point.cost:.4g}\nrun {run_ids.get(point.name) or 'not tracked'}",
            point.pale,
            point.name in struck,
            point.name == judgement.choice.chosen,
            text,
        )
        for point, text in zip(points, labels, strict=True)
    )
    # Dots that are on top of all come last.
    return Plot(
        frame,
        x_ticks,
        y_ticks,
        _stairs(members, frame),
        tuple(sorted(dots, key=lambda dot: (dot.chosen, not dot.pale))),
        tuple(judgement.short(dot.name) for dot in dots if dot.label is None),
    )


def _stairs(members: Sequence[tuple[float, float]], frame: Frame) -> str:
    """The front: no cell lies above it and to its left. From the cheapest member's foot up to the
    best, and on."""
    return f"M{members[0][0]:g} {frame.bottom:g}" + "".join(
        f"V{one.bottom - 1:g}H{one.right:g}" for one in _treads(members, frame)
    )


def _treads(members: Sequence[tuple[float, float]], frame: Frame) -> list[Box]:
    """What the level parts of the front take."""
    ends = [*(x for x, _ in members[1:]), frame.right]
    return [Box(x, y - 1, end, y + 1) for (x, y), end in zip(members, ends, strict=True)]


def _risers(members: Sequence[tuple[float, float]], frame: Frame) -> list[Box]:
    """What its upright parts take."""
    feet = [frame.bottom, *(y for _, y in members[:-1])]
    return [Box(x - 1, y, x + 1, foot) for (x, y), foot in zip(members, feet, strict=True)]


def _cost_axis(frame: Frame, costs: Sequence[float]):
    low, high = min(costs), max(costs)
    if low > 0 and high / low > _LOGARITHMIC:
        first, last = math.log10(low / 1.25), math.log10(high * 1.25)
        ticks = [
            factor * 10.0**power
            for power in range(math.floor(first), math.ceil(last) + 1)
            for factor in (1, 2, 5)
            if first <= math.log10(factor * 10.0**power) <= last
        ]

        def share(value: float) -> float:
            return (math.log10(value) - first) / (last - first)
    else:
        # From 0, with room to the right of the dearest.
        top = high * 1.08 or 1.0
        step = nice_step(top, 6)
        ticks = [step * number for number in range(math.floor(top / step + 1e-9) + 1)]

        def share(value: float) -> float:
            return value / top

    def x_of(value: float) -> float:
        return round(frame.left + (frame.right - frame.left) * share(value), 1)

    return x_of, tuple((x_of(tick), _amount(tick)) for tick in ticks)


def score_axis(
    frame: Frame, scores: Sequence[float]
) -> tuple[Callable[[float], float], tuple[tuple[float, str], ...]]:
    """What gives the y of a score, and the ticks with their labels; with room for all `scores`."""
    low, high = min(scores), max(scores)
    room = (high - low) * 0.05 or 0.05
    low, high = max(0.0, low - room), min(1.0, high + room)
    step = nice_step(high - low, 6)

    def y_of(value: float) -> float:
        return round(frame.bottom - (frame.bottom - frame.top) * (value - low) / (high - low), 1)

    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return y_of, tuple(
        (y_of(step * number), f"{step * number:.10g}") for number in range(first, last + 1)
    )


def _amount(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.6g}{letter}"
    return f"{value:.6g}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
