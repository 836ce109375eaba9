"""Score against cost: one plot for each cost that was measured, the front among its cells drawn, and
a label at each point: on no other label, on no point and within the frame."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from stages.report.drawing import AxisScale, AxisTicks, Frame, ticks
from stages.report.shown_cells import Shown, ranked_cells
from stages.report.table import label_of
from stages.report.texts import interval_text
from stages.verdict.costs import COST_WORDS, Front, front
from stages.verdict.judgement import Judgement

# A cost that spans more than this is drawn on a logarithmic axis.
_LOGARITHMIC = 8.0
FONT = 11.5
# Wide is as wide as the page, so that its letters have the size that the labels reckon with.
WIDE_TRADE = Frame(1320, 480, 52, 1300, 16, 438)
NARROW_TRADE = Frame(350, 340, 40, 340, 14, 300)
# Half the height of a label, and half the height and width of what a point takes.
_HALF = 7.0
_POINT = 5.5
_LONGEST = 36
# From the point to the label; beyond the second the two need a line between them.
_DISTANCES = (8.0, 14.0, 24.0, 38.0, 56.0, 78.0, 104.0)
_NEAR = 14.0
# In the order of preference, y downwards: right, left, above, below and the diagonals; with the
# part of the label that lies to the left of its place.
_DIRECTIONS = (
    *((1, 0, 0.0), (-1, 0, 1.0), (0.8, -0.6, 0.0), (0.8, 0.6, 0.0)),
    *((-0.8, -0.6, 1.0), (-0.8, 0.6, 1.0), (0, -1, 0.5), (0, 1, 0.5)),
)


@dataclass(frozen=True)
class Rectangle:
    left: float
    top: float
    right: float
    bottom: float

    def touches(self, box: Rectangle) -> bool:
        across = self.left < box.right and box.left < self.right
        return across and self.top < box.bottom and box.top < self.bottom

    def holds(self, box: Rectangle) -> bool:
        across = self.left <= box.left and box.right <= self.right
        return across and self.top <= box.top and box.bottom <= self.bottom


@dataclass(frozen=True)
class Label:
    """text at (x, y), the baseline's start; leader: a line from the point, "" where it is close."""

    text: str
    x: float
    y: float
    leader: str
    box: Rectangle


def place(
    points: Sequence[tuple[float, float, str]], lines: Sequence[Rectangle], frame: Rectangle
) -> list[Label | None]:
    """A label for each (x, y, text), the first ones first; None for one that no place is left for.

    Lines are kept clear where there is a choice.
    """
    occupied = [Rectangle(x - _POINT, y - _POINT, x + _POINT, y + _POINT) for x, y, _ in points]
    placed: list[Label | None] = []
    for x, y, text in points:
        short = shorten(text)
        label = _free(x, y, short, [*occupied, *lines], frame) or _free(
            x, y, short, occupied, frame
        )
        if label is not None:
            occupied.append(label.box)
        placed.append(label)
    return placed


def shorten(text: str) -> str:
    """One line of at most _LONGEST characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def width(text: str) -> float:
    """About how wide the text is drawn: CJK letters as wide as high, others six tenths."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return wide * FONT + (len(text) - wide) * 0.6 * FONT


def _free(
    x: float, y: float, text: str, occupied: Sequence[Rectangle], frame: Rectangle
) -> Label | None:
    """The first place around (x, y) that is within the frame and touches nothing."""
    long = width(text)
    for distance in _DISTANCES:
        for right, down, before in _DIRECTIONS:
            at, middle = x + right * distance, y + down * distance
            start = at - before * long
            box = Rectangle(start, middle - _HALF, start + long, middle + _HALF)
            if frame.holds(box) and not any(map(box.touches, occupied)):
                leader = ""
                if distance > _NEAR:
                    leader = f"M{x:.1f} {y:.1f}L{at:.1f} {middle:.1f}"
                return Label(text, round(start, 1), round(middle + 0.36 * FONT, 1), leader, box)
    return None


@dataclass(frozen=True)
class Dot:
    """A cell: `number` is its rank by score, which narrow screens show. low, high: y of its
    interval's ends. pale: another cell is as good for less; struck: so in everything that was
    weighed."""

    cell: Shown
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
class TradePlot:
    frame: Frame
    x_ticks: AxisTicks
    y_ticks: AxisTicks
    line: str
    dots: list[Dot]
    unnamed: list[str]


def trades(judgement: Judgement, cells: Mapping[str, Shown]) -> list[Trade]:
    """One for each cost that any cell with a score has, the deciding one first."""
    # The front is drawn through points, which have no spread.
    candidates = [replace(candidate, spread={}) for candidate in judgement.candidates.values()]
    result = []
    for key in sorted(COST_WORDS, key=lambda key: key != judgement.choice.cost):
        weighed = front(candidates, judgement.metric, [key])
        if weighed.costs and weighed.members:
            result.append(Trade(key, weighed, judgement, cells))
    return result


class Trade:
    """The score against one cost: the same plot for wide and narrow screens; `absent` lack the cost
    or a score."""

    def __init__(
        self, key: str, weighed: Front, judgement: Judgement, cells: Mapping[str, Shown]
    ) -> None:
        self.cost = key
        self.label = ", ".join(filter(None, COST_WORDS[key]))
        self.members = weighed.members
        self.absent = [judgement.short(name) for name in weighed.incomplete]
        self.sentence = judgement.named(weighed.sentence)
        self.judgement = judgement
        self.cells = cells
        self.scores, self.costs = {}, {}
        # The chosen cell first: its label has the best place.
        names = [*weighed.members, *weighed.dominated]
        for name in sorted(names, key=lambda name: name != judgement.choice.chosen):
            self.scores[name] = judgement.estimates[name][judgement.metric]
            self.costs[name] = judgement.candidates[name].cost(key)
        self.wide, self.narrow = self._plot(WIDE_TRADE), self._plot(NARROW_TRADE)

    def _plot(self, frame: Frame) -> TradePlot:
        x_of, x_ticks = _cost_axis(frame, self.costs.values())
        heights = []
        for score in self.scores.values():
            heights += [score.low, score.high, score.value]
        y_of, y_ticks = frame.score_axis(heights)
        members, lines, texts = [], [], []
        for name, score in self.scores.items():
            x, y = x_of(self.costs[name]), y_of(score.value)
            lines.append(Rectangle(x - 2, y_of(score.high), x + 2, y_of(score.low)))
            if name in self.members:
                members.append((x, y))
            text = self.cells[name].short
            if frame is NARROW_TRADE:
                text = str(ranked_cells(self.judgement).index(name) + 1)
            texts.append((x, y, text))
        line, boxes = _stairs(sorted(members), frame)
        within = Rectangle(frame.left + 2, frame.top - 8, frame.width - 2, frame.bottom - 2)
        labels = place(texts, [*lines, *boxes], within)
        dots, unnamed = [], []
        for name, label in zip(self.scores, labels, strict=True):
            dots.append(self._dot(name, x_of, y_of, label))
            if label is None:
                unnamed.append(self.cells[name].short)
        # Dots that are on top of all come last.
        dots.sort(key=lambda dot: (dot.chosen, not dot.pale))
        return TradePlot(frame, x_ticks, y_ticks, line, dots, unnamed)

    def _dot(self, name: str, x_of: AxisScale, y_of: AxisScale, label: Label | None) -> Dot:
        judgement, cell = self.judgement, self.cells[name]
        score, cost = self.scores[name], self.costs[name]
        title = (
            f"{name}\n{label_of(judgement.metric)} = {interval_text(score)}\n"
            f"{self.label} = {cost:.4g}\nrun {cell.run}"
        )
        return Dot(
            cell=cell,
            x=x_of(cost),
            y=y_of(score.value),
            low=y_of(score.low),
            high=y_of(score.high),
            title=title,
            pale=name not in self.members,
            struck=judgement.front.place(name) == "dominated",
            chosen=name == judgement.choice.chosen,
            label=label,
        )


def _stairs(members: Sequence[tuple[float, float]], frame: Frame) -> tuple[str, list[Rectangle]]:
    """The front, above and to the left of which no cell lies: its path, and what that takes."""
    path, parts = f"M{members[0][0]:g} {frame.bottom:g}", []
    foot = frame.bottom
    ends = [*(x for x, _ in members[1:]), frame.right]
    for (x, y), end in zip(members, ends, strict=True):
        path += f"V{y:g}H{end:g}"
        parts += [Rectangle(x - 1, y, x + 1, foot), Rectangle(x, y - 1, end, y + 1)]
        foot = y
    return path, parts


def _cost_axis(frame: Frame, costs: Collection[float]) -> tuple[AxisScale, AxisTicks]:
    low, high = min(costs), max(costs)
    if low <= 0 or high / low <= _LOGARITHMIC:
        # From 0, with room to the right of the dearest.
        top = high * 1.08 or 1.0

        def linear(value: float) -> float:
            return frame.x(value / top)

        return linear, ticks(0.0, top, 6, linear, _amount)
    first, last = math.log10(low / 1.25), math.log10(high * 1.25)

    def logarithmic(value: float) -> float:
        return frame.x((math.log10(value) - first) / (last - first))

    marks = []
    for power in range(math.floor(first), math.ceil(last) + 1):
        for tick in (10.0**power, 2 * 10.0**power, 5 * 10.0**power):
            if first <= math.log10(tick) <= last:
                marks.append((logarithmic(tick), _amount(tick)))
    return logarithmic, tuple(marks)


def _amount(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.6g}{letter}"
    return f"{value:.6g}"
