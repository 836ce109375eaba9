"""Score against cost: one plot for each cost that was measured, the front among its cells drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stages.report.drawing import Frame, Look, Scale, Ticks, nice_step
from stages.report.table import label_of
from stages.report.verdicts.labels import Box, Label, place
from stages.report.verdicts.phrases import interval_text, order
from stages.verdict.costs import COSTS, Candidate, Front, finite, front
from stages.verdict.estimates import Estimate
from stages.verdict.judgement import Judgement

# A cost that spans more than this is drawn on a logarithmic axis.
_LOGARITHMIC = 8.0


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
    x_ticks: Ticks
    y_ticks: Ticks
    line: str
    dots: tuple[Dot, ...]
    unnamed: tuple[str, ...]


@dataclass(frozen=True)
class Trade:
    """A cost: the same plot for wide and narrow screens; `absent` lack it or a score."""

    cost: str
    label: str
    wide: Plot
    narrow: Plot
    absent: tuple[str, ...]
    sentence: str


def trades(
    judgement: Judgement, looks: dict[str, Look], places: dict[str, int], run_ids: dict[str, str]
) -> tuple[Trade, ...]:
    """One for each cost that any cell has, the deciding one first."""
    measured = set()
    for costs in judgement.costs.values():
        for key, cost in costs.items():
            if finite(cost) is not None:
                measured.add(key)
    keys = [key for key in COSTS if key in measured]
    keys.sort(key=lambda key: key != judgement.choice.cost)
    result = []
    for key in keys:
        trade = _Painter(key, judgement, looks, places, run_ids).trade()
        if trade:
            result.append(trade)
    return tuple(result)


@dataclass(frozen=True)
class _Point:
    name: str
    cost: float
    score: Estimate
    pale: bool


class _Painter:
    """Draws the score against one cost into frames of several sizes."""

    def __init__(
        self,
        key: str,
        judgement: Judgement,
        looks: dict[str, Look],
        places: dict[str, int],
        run_ids: dict[str, str],
    ) -> None:
        self.key = key
        self.judgement = judgement
        self.looks = looks
        self.places = places
        self.run_ids = run_ids
        word, unit = COSTS[key]
        self.label = f"{word}, {unit}" if unit else word
        self.numbers = {name: number for number, name in enumerate(order(judgement), 1)}
        self.front = self._front()
        self.points = self._points()

    def trade(self) -> Trade | None:
        """None where no cell has both a score and this cost."""
        if not self.front.members:
            return None
        return Trade(
            cost=self.key,
            label=self.label,
            wide=self._plot(WIDE),
            narrow=self._plot(NARROW),
            absent=tuple(self.judgement.short(cell.name) for cell in self.front.incomplete),
            sentence=self.judgement.named(self.front.sentence),
        )

    def _front(self) -> Front:
        candidates = []
        for name, estimates in self.judgement.estimates.items():
            estimate = estimates.get(self.judgement.metric)
            score = estimate.value if estimate else None
            cost = self.judgement.costs.get(name, {}).get(self.key)
            candidates.append(Candidate(name, score, {self.key: cost}))
        return front(candidates, self.judgement.metric, [self.key])

    def _points(self) -> list[_Point]:
        """The chosen cell first."""
        members = self.front.members
        points = []
        for name in (*members, *(cell.name for cell in self.front.dominated)):
            cost = self.judgement.costs[name][self.key]
            score = self.judgement.estimates[name][self.judgement.metric]
            points.append(_Point(name, cost, score, name not in members))
        points.sort(key=lambda point: point.name != self.judgement.choice.chosen)
        return points

    def _plot(self, frame: Frame) -> Plot:
        x_of, x_ticks = _cost_axis(frame, [point.cost for point in self.points])
        scores = []
        for point in self.points:
            scores += [point.score.low, point.score.high, point.score.value]
        y_of, y_ticks = frame.score_axis(scores)
        members, lines, texts = [], [], []
        for point in self.points:
            x, y = x_of(point.cost), y_of(point.score.value)
            lines.append(Box(x - 2, y_of(point.score.high), x + 2, y_of(point.score.low)))
            if not point.pale:
                members.append((x, y))
            text = str(self.numbers[point.name])
            if frame is WIDE:
                text = self.judgement.short(point.name)
            texts.append((x, y, text))
        members.sort()
        lines += [*_treads(members, frame), *_risers(members, frame)]
        box = Box(frame.left + 2, frame.top - 8, frame.width - 2, frame.bottom - 2)
        dots = []
        for point, label in zip(self.points, place(texts, lines, box), strict=True):
            dots.append(self._dot(point, x_of, y_of, label))
        return Plot(
            frame=frame,
            x_ticks=x_ticks,
            y_ticks=y_ticks,
            line=_stairs(members, frame),
            # Dots that are on top of all come last.
            dots=tuple(sorted(dots, key=lambda dot: (dot.chosen, not dot.pale))),
            unnamed=tuple(self.judgement.short(dot.name) for dot in dots if dot.label is None),
        )

    def _dot(self, point: _Point, x_of: Scale, y_of: Scale, label: Label | None) -> Dot:
        judgement = self.judgement
        run = self.run_ids.get(point.name) or "not tracked"
        score = f"{label_of(judgement.metric)} = {interval_text(point.score)}"
        return Dot(
            index=self.places[point.name],
            number=self.numbers[point.name],
            name=point.name,
            look=self.looks[point.name],
            x=x_of(point.cost),
            y=y_of(point.score.value),
            low=y_of(point.score.low),
            high=y_of(point.score.high),
            title=f"{point.name}\n{score}\n{self.label} = {point.cost:.4g}\nrun {run}",
            pale=point.pale,
            struck=any(cell.name == point.name for cell in judgement.front.dominated),
            chosen=point.name == judgement.choice.chosen,
            label=label,
        )


def _stairs(members: Sequence[tuple[float, float]], frame: Frame) -> str:
    """The front: no cell lies above it and to its left."""
    path = f"M{members[0][0]:g} {frame.bottom:g}"
    for tread in _treads(members, frame):
        path += f"V{tread.bottom - 1:g}H{tread.right:g}"
    return path


def _treads(members: Sequence[tuple[float, float]], frame: Frame) -> list[Box]:
    """What the level parts of the front take."""
    ends = [*(x for x, _ in members[1:]), frame.right]
    return [Box(x, y - 1, end, y + 1) for (x, y), end in zip(members, ends, strict=True)]


def _risers(members: Sequence[tuple[float, float]], frame: Frame) -> list[Box]:
    """What its upright parts take."""
    feet = [frame.bottom, *(y for _, y in members[:-1])]
    return [Box(x - 1, y, x + 1, foot) for (x, y), foot in zip(members, feet, strict=True)]


def _cost_axis(frame: Frame, costs: Sequence[float]) -> tuple[Scale, Ticks]:
    low, high = min(costs), max(costs)
    ticks = []
    if low > 0 and high / low > _LOGARITHMIC:
        first, last = math.log10(low / 1.25), math.log10(high * 1.25)
        for power in range(math.floor(first), math.ceil(last) + 1):
            for factor in (1, 2, 5):
                tick = factor * 10.0**power
                if first <= math.log10(tick) <= last:
                    ticks.append(tick)

        def share(value: float) -> float:
            return (math.log10(value) - first) / (last - first)
    else:
        # From 0, with room to the right of the dearest.
        top = high * 1.08 or 1.0
        step = nice_step(top, 6)
        for number in range(math.floor(top / step + 1e-9) + 1):
            ticks.append(step * number)

        def share(value: float) -> float:
            return value / top

    def x_of(value: float) -> float:
        return frame.x(share(value))

    return x_of, tuple((x_of(tick), _amount(tick)) for tick in ticks)


def _amount(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.6g}{letter}"
    return f"{value:.6g}"
