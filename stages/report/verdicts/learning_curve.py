"""Score against number of training images: figure, table and sentence of each learning curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.report.drawing import AxisTicks, Frame, path
from stages.report.shown_cells import Shown
from stages.report.table import MISSING, label_of
from stages.report.texts import ends_text, interval_text
from stages.verdict.estimates import Estimate
from stages.verdict.judgement import Judgement
from stages.verdict.learning_curve import LearningCurve, ShareCurve
from stages.verdict.wording import value, with_interval

WIDE_CURVE = Frame(720, 380, 48, 700, 16, 338)
NARROW_CURVE = Frame(350, 320, 40, 338, 14, 280)
# Pixels between two labels of the axis of images; nearer ones are left out.
_LABEL_ROOM = 36.0
# A line of the table: cell, "" for what twice the images would give, its numbers of images, epochs
# and steps, score and interval.
ShareRow = tuple[str, str, str, str, str, str]


@dataclass(frozen=True)
class ShareDot:
    """A share, or what is expected of twice the images (`name` ""), in SVG user units; low, high: y
    of its interval's ends."""

    name: str
    x: float
    y: float
    low: float
    high: float
    title: str


@dataclass(frozen=True)
class Rival:
    """The cell with another backbone, as a level line; text_y: where the line's label stands."""

    cell: Shown
    y: float
    text_y: float
    text: str
    title: str


class ShareFigure:
    """One ShareCurve; the same drawing for wide and narrow screens. cell: its largest share;
    sentence: without the cell's name, which stands beside it."""

    def __init__(self, judgement: Judgement, share: ShareCurve, cells: Mapping[str, Shown]) -> None:
        self.cell = cells[share.cells[-1]]
        text = share.sentence.removeprefix(f"{self.cell.name}: ")
        text = text.replace(judgement.metric, label_of(judgement.metric))
        self.sentence = text[0].upper() + text[1:]
        self.law = law_text(share.curve)
        self.rows = _table(judgement, share, cells)
        self.wide = Drawing(judgement, share, cells, WIDE_CURVE)
        self.narrow = Drawing(judgement, share, cells, NARROW_CURVE)


def law_text(curve: LearningCurve) -> str:
    """The fitted formula, n being the number of training images."""
    a, b, c = curve.parameters
    if c is None:
        return f"score = {a:.3g} {'-' if b < 0 else '+'} {abs(b):.3g} log2(n)"
    return f"score = {a:.3g} - {b:.3g} n^-{c:.2g}"


def _table(judgement: Judgement, share: ShareCurve, cells: Mapping[str, Shown]) -> list[ShareRow]:
    curve = share.curve
    lines = []
    for name, images, score in zip(share.cells, curve.images, curve.scores, strict=True):
        estimate = _estimate_of(judgement, name)
        interval = ends_text(estimate.low, estimate.high) if estimate else MISSING
        amounts = [f"{images:,}"]
        for key in ("epochs", "iterations"):
            number = cells[name].result.run.get(key)
            amounts.append(MISSING if number is None else f"{number:,}")
        lines.append((name, *amounts, value(score), interval))
    gain = curve.doubled
    if not gain.useless:
        _, low, high = curve.band[-1]
        expected = value(curve.at(gain.images))
        lines.append(("", f"{gain.images:,}", "", "", expected, ends_text(low, high)))
    return lines


class Drawing:
    """A ShareCurve in a frame: law within the shares, `beyond` on to twice the images, "" where
    nothing is extrapolated; dots of the shares, `doubled` of what is expected; the rival."""

    def __init__(
        self, judgement: Judgement, share: ShareCurve, cells: Mapping[str, Shown], frame: Frame
    ) -> None:
        self.judgement = judgement
        self.share = share
        self.curve = curve = share.curve
        self.cells = cells
        self.frame = frame
        self.label = label_of(judgement.metric)
        # Without a gain to show, the law ends at the most images that were measured.
        most = float(curve.images[-1])
        self._band = []
        for images, low, high in curve.band:
            if images <= most or not curve.doubled.useless:
                self._band.append((images, _possible(low), _possible(high)))
        self.y_of, self.y_ticks = frame.score_axis(self._scores())
        self.x_ticks = self._x_ticks()
        upper = [(self.x_of(images), self.y_of(high)) for images, _, high in self._band]
        lower = [(self.x_of(images), self.y_of(low)) for images, low, _ in self._band]
        self.band = f"{path([*upper, *reversed(lower)])}Z"
        numbers = [images for images, *_ in self._band]
        self.law = self._law([*(number for number in numbers if number < most), most])
        self.beyond = ""
        if not curve.doubled.useless:
            self.beyond = self._law([most, *(number for number in numbers if number >= most)])
        self.dots = list(map(self._dot, share.cells, curve.images, curve.scores))
        self.doubled = self._doubled()
        self.rival = self._rival()

    def x_of(self, images: float) -> float:
        low, high = math.log(self.curve.images[0]), math.log(self._band[-1][0])
        room = (high - low) * 0.05
        return self.frame.x((math.log(images) - low + room) / (high - low + 2 * room))

    def _scores(self) -> list[float]:
        """All that the axis of scores must hold."""
        scores = list(self.curve.scores)
        for name in self.share.cells:
            estimate = _estimate_of(self.judgement, name)
            if estimate:
                scores += [estimate.low, estimate.high]
        for _, low, high in self._band:
            scores += [low, high]
        if self.share.backbone:
            scores.append(self._rival_score())
        return scores

    def _rival_score(self) -> float:
        """At the same distance from the largest share as the pair's difference says."""
        return self.curve.scores[-1] + self.share.backbone.difference.value

    def _x_ticks(self) -> AxisTicks:
        """At the numbers of images themselves, the largest first where two are too near."""
        images = list(self.curve.images)
        if not self.curve.doubled.useless:
            images.append(self.curve.doubled.images)
        ticks: list[tuple[float, str]] = []
        for number in reversed(images):
            if not ticks or ticks[-1][0] - self.x_of(number) >= _LABEL_ROOM:
                ticks.append((self.x_of(number), f"{number:,}"))
        return tuple(reversed(ticks))

    def _law(self, images: Sequence[float]) -> str:
        scores = map(_possible, map(self.curve.at, images))
        return path(zip(map(self.x_of, images), map(self.y_of, scores), strict=True))

    def _dot(self, name: str, images: int, score: float) -> ShareDot:
        estimate = _estimate_of(self.judgement, name)
        ends = (estimate.low, estimate.high) if estimate else (score, score)
        title = (
            f"{name}\n{images:,} training images\n{self.label} = "
            f"{interval_text(estimate) or value(score)}\nrun {self.cells[name].run}"
        )
        return ShareDot(name, self.x_of(images), *map(self.y_of, (score, *ends)), title)

    def _doubled(self) -> ShareDot | None:
        gain = self.curve.doubled
        if gain.useless:
            return None
        images, low, high = self.curve.band[-1]
        score = self.curve.at(gain.images)
        title = (
            f"expected of {gain.images:,} training images\n{self.label} = "
            f"{value(score)}, 95 % interval {ends_text(low, high)}\n"
            f"{with_interval(gain.value, (gain.low, gain.high))} to {self.curve.images[-1]:,} images"
        )
        heights = map(self.y_of, map(_possible, (score, low, high)))
        return ShareDot("", self.x_of(images), *heights, title)

    def _rival(self) -> Rival | None:
        pair = self.share.backbone
        if pair is None:
            return None
        cell, difference = self.cells[pair.first], pair.difference
        y = self.y_of(self._rival_score())
        above = y - 6
        return Rival(
            cell=cell,
            y=y,
            text_y=above if above - 10 > self.frame.top else y + 15,
            text=f"{cell.short}, {self.curve.images[-1]:,} images",
            title=(
                f"{pair.first}\n"
                f"{with_interval(difference.value, (difference.low, difference.high))} "
                f"against {pair.second}\nrun {cell.run}"
            ),
        )


def _estimate_of(judgement: Judgement, name: str) -> Estimate | None:
    return judgement.estimates.get(name, {}).get(judgement.metric)


def _possible(score: float) -> float:
    """A law's interval may reach beyond what a score can be."""
    return min(max(score, 0.0), 1.0)
