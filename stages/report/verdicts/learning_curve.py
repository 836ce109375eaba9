"""Score against number of training images: figure, table and sentence of each learning curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.report.drawing import Frame, Look, Ticks, path
from stages.report.table import MISSING, label_of
from stages.report.verdicts.phrases import interval_text, run_text
from stages.results.cell import CellResult
from stages.verdict.estimates import Estimate
from stages.verdict.judgement import Judgement
from stages.verdict.learning_curve import LearningCurve, ShareCurve
from stages.verdict.wording import value, with_interval

WIDE = Frame(720, 380, 48, 700, 16, 338)
NARROW = Frame(350, 320, 40, 338, 14, 280)
# Pixels between two labels of the axis of images; nearer ones are left out.
_LABEL_ROOM = 36.0


@dataclass(frozen=True)
class ShareRow:
    """A line of the table, as text; name: of the cell, "" for what twice the images would give."""

    name: str
    images: str
    epochs: str
    steps: str
    score: str
    interval: str


@dataclass(frozen=True)
class ShareDot:
    """A share, or what is expected of twice the images (`name` ""), in SVG user units.

    index: the cell's place on the page; low, high: y of its interval's ends.
    """

    index: int | None
    name: str
    x: float
    y: float
    low: float
    high: float
    title: str


@dataclass(frozen=True)
class Rival:
    """The cell with another backbone, as a level line; text_y: where the line's label stands."""

    index: int
    look: Look
    y: float
    text_y: float
    text: str
    title: str


@dataclass(frozen=True)
class Drawing:
    """law: within the shares; beyond: on to twice the images, "" where nothing is extrapolated."""

    frame: Frame
    x_ticks: Ticks
    y_ticks: Ticks
    band: str
    law: str
    beyond: str
    dots: tuple[ShareDot, ...]
    doubled: ShareDot | None
    rival: Rival | None


@dataclass(frozen=True)
class ShareFigure:
    """One ShareCurve; the same drawing for wide and narrow screens. label: its largest share."""

    label: str
    look: Look
    sentence: str
    law: str
    rows: tuple[ShareRow, ...]
    wide: Drawing
    narrow: Drawing


def figures(
    judgement: Judgement, rows: Sequence[CellResult], looks: Mapping[str, Look]
) -> tuple[ShareFigure, ...]:
    """One for each of judgement.shares. rows: of shown_rows()."""
    result = []
    for share in judgement.shares:
        label, look = judgement.short(share.cells[-1]), looks[share.cells[-1]]
        sentence, law = _sentence(judgement, share), law_text(share.curve)
        wide, narrow = (
            _Painter(judgement, share, rows, looks, frame).drawing() for frame in (WIDE, NARROW)
        )
        table = _table(judgement, share, rows)
        result.append(ShareFigure(label, look, sentence, law, table, wide, narrow))
    return tuple(result)


def law_text(curve: LearningCurve) -> str:
    """The fitted formula, n being the number of training images."""
    a, b, c = curve.parameters
    if c is None:
        return f"score = {a:.3g} {'-' if b < 0 else '+'} {abs(b):.3g} log2(n)"
    return f"score = {a:.3g} - {b:.3g} n^-{c:.2g}"


def _sentence(judgement: Judgement, share: ShareCurve) -> str:
    """Without the cell's name, which stands beside it as `label`."""
    text = share.sentence.removeprefix(f"{share.cells[-1]}: ")
    text = text.replace(judgement.metric, label_of(judgement.metric))
    return text[0].upper() + text[1:]


def _table(
    judgement: Judgement, share: ShareCurve, rows: Sequence[CellResult]
) -> tuple[ShareRow, ...]:
    runs = {row.name: row.run for row in rows}
    lines = []
    shares = zip(share.cells, share.curve.images, share.curve.scores, strict=True)
    for name, images, score in shares:
        estimate = _estimate_of(judgement, name)
        interval = _interval(estimate.low, estimate.high) if estimate else MISSING
        amounts = [f"{images:,}"]
        for key in ("epochs", "iterations"):
            number = runs[name].get(key)
            amounts.append(MISSING if number is None else f"{number:,}")
        lines.append(ShareRow(name, *amounts, value(score), interval))
    gain = share.curve.doubled
    if not gain.useless:
        _, low, high = share.curve.band[-1]
        expected = value(share.curve.at(gain.images))
        lines.append(ShareRow("", f"{gain.images:,}", "", "", expected, _interval(low, high)))
    return tuple(lines)


class _Painter:
    """Draws a ShareCurve into a frame."""

    def __init__(
        self,
        judgement: Judgement,
        share: ShareCurve,
        rows: Sequence[CellResult],
        looks: Mapping[str, Look],
        frame: Frame,
    ) -> None:
        self.judgement = judgement
        self.share = share
        self.curve = share.curve
        self.looks = looks
        self.frame = frame
        self.places = {row.name: place for place, row in enumerate(rows)}
        self.runs = {row.name: row.run_id for row in rows}
        # Without a gain to show, the law ends at the most images that were measured.
        self.band = self.curve.band
        if self.curve.doubled.useless:
            most = self.curve.images[-1]
            self.band = tuple(point for point in self.curve.band if point[0] <= most)
        self.y_of, self.y_ticks = frame.score_axis(self._scores())

    def drawing(self) -> Drawing:
        most = self.curve.images[-1]
        inner = [float(most)]
        outer = [float(most)]
        for images, *_ in self.band:
            part = inner if images < most else outer
            part.append(images)
        upper = [(self.x_of(images), self.y_of(_possible(high))) for images, _, high in self.band]
        lower = [(self.x_of(images), self.y_of(_possible(low))) for images, low, _ in self.band]
        return Drawing(
            frame=self.frame,
            x_ticks=self._x_ticks(),
            y_ticks=self.y_ticks,
            band=f"{path([*upper, *reversed(lower)])}Z",
            law=self._law(inner),
            beyond="" if self.curve.doubled.useless else self._law(outer),
            dots=tuple(map(self._dot, range(len(self.share.cells)))),
            doubled=self._doubled(),
            rival=self._rival(),
        )

    def x_of(self, images: float) -> float:
        low, high = math.log(self.curve.images[0]), math.log(self.band[-1][0])
        room = (high - low) * 0.05
        return self.frame.x((math.log(images) - low + room) / (high - low + 2 * room))

    def _scores(self) -> list[float]:
        """All that the axis of scores must hold."""
        scores = list(self.curve.scores)
        for name in self.share.cells:
            estimate = _estimate_of(self.judgement, name)
            if estimate:
                scores += [estimate.low, estimate.high]
        for _, low, high in self.band:
            scores += [_possible(low), _possible(high)]
        if self.share.backbone:
            scores.append(self._rival_score())
        return scores

    def _rival_score(self) -> float:
        """At the same distance from the largest share as the pair's difference says."""
        return self.curve.scores[-1] + self.share.backbone.difference.value

    def _x_ticks(self) -> Ticks:
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
        scores = [self.y_of(_possible(self.curve.at(number))) for number in sorted(images)]
        return path(zip(map(self.x_of, sorted(images)), scores, strict=True))

    def _dot(self, place: int) -> ShareDot:
        name, score = self.share.cells[place], self.curve.scores[place]
        images = self.curve.images[place]
        estimate = _estimate_of(self.judgement, name)
        low, high = (estimate.low, estimate.high) if estimate else (score, score)
        title = (
            f"{name}\n{images:,} training images\n{label_of(self.judgement.metric)} = "
            f"{interval_text(estimate) or value(score)}\nrun {run_text(name, self.runs)}"
        )
        heights = map(self.y_of, (score, low, high))
        return ShareDot(self.places[name], name, self.x_of(images), *heights, title)

    def _doubled(self) -> ShareDot | None:
        gain = self.curve.doubled
        if gain.useless:
            return None
        images, low, high = self.band[-1]
        score = self.curve.at(gain.images)
        title = (
            f"expected of {gain.images:,} training images\n{label_of(self.judgement.metric)} = "
            f"{value(score)}, 95 % interval {_interval(low, high)}\n"
            f"{with_interval(gain.value, (gain.low, gain.high))} to {self.curve.images[-1]:,} images"
        )
        heights = [self.y_of(_possible(end)) for end in (score, low, high)]
        return ShareDot(None, "", self.x_of(images), *heights, title)

    def _rival(self) -> Rival | None:
        pair = self.share.backbone
        if pair is None:
            return None
        difference = pair.difference
        y = self.y_of(self._rival_score())
        above = y - 6
        title = (
            f"{pair.first}\n{with_interval(difference.value, (difference.low, difference.high))} "
            f"against {pair.second}\nrun {run_text(pair.first, self.runs)}"
        )
        return Rival(
            index=self.places[pair.first],
            look=self.looks[pair.first],
            y=y,
            text_y=above if above - 10 > self.frame.top else y + 15,
            text=f"{self.judgement.short(pair.first)}, {self.curve.images[-1]:,} images",
            title=title,
        )


def _interval(low: float, high: float) -> str:
    return f"{value(low)} to {value(high)}"


def _estimate_of(judgement: Judgement, name: str) -> Estimate | None:
    return judgement.estimates.get(name, {}).get(judgement.metric)


def _possible(score: float) -> float:
    """A law's interval may reach beyond what a score can be."""
    return min(max(score, 0.0), 1.0)
