"""The drawing of a learning curve: shares, the fitted law with its band, twice the images, the
rival."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from stages.report.looks import Look
from stages.report.table import label_of
from stages.report.verdicts.pareto import Frame, score_axis
from stages.report.verdicts.phrases import interval_text, run_text
from stages.results.cell import CellResult
from stages.verdict.estimates import Estimate
from stages.verdict.judgement import Judgement
from stages.verdict.shares import ShareCurve
from stages.verdict.wording import signed, value

WIDE = Frame(720, 380, 48, 700, 16, 338)
NARROW = Frame(350, 320, 40, 338, 14, 280)
# Pixels between two labels of the axis of images; nearer ones are left out.
_LABEL_ROOM = 36.0


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
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    band: str
    law: str
    beyond: str
    dots: tuple[ShareDot, ...]
    doubled: ShareDot | None
    rival: Rival | None


class Painter:
    """Draws one ShareCurve into frames of several sizes."""

    def __init__(
        self,
        judgement: Judgement,
        share: ShareCurve,
        rows: Sequence[CellResult],
        looks: Mapping[str, Look],
    ) -> None:
        self.judgement = judgement
        self.share = share
        self.curve = share.curve
        self.looks = looks
        self.places = {row.name: place for place, row in enumerate(rows)}
        self.runs = {row.name: row.run_id for row in rows}
        # Without a gain to show, the law ends at the most images that were measured.
        self.band = self.curve.band
        if self.curve.doubled.useless:
            most = self.curve.images[-1]
            self.band = tuple(point for point in self.curve.band if point[0] <= most)

    def draw(self, frame: Frame) -> Drawing:
        x_of = self._x_axis(frame)
        y_of, y_ticks = score_axis(frame, self._scores())
        dots = [self._dot(place, x_of, y_of) for place in range(len(self.share.cells))]
        most = self.curve.images[-1]
        inner = [float(most)]
        outer = [float(most)]
        for images, *_ in self.band:
            part = inner if images < most else outer
            part.append(images)
        beyond = ""
        if not self.curve.doubled.useless:
            beyond = self._law(sorted(outer), x_of, y_of)
        return Drawing(
            frame=frame,
            x_ticks=self._x_ticks(x_of),
            y_ticks=y_ticks,
            band=self._band(x_of, y_of),
            law=self._law(sorted(inner), x_of, y_of),
            beyond=beyond,
            dots=tuple(dots),
            doubled=self._doubled(x_of, y_of),
            rival=self._rival(frame, y_of),
        )

    def _scores(self) -> list[float]:
        """All that the axis of scores must hold."""
        scores = list(self.curve.scores)
        for name in self.share.cells:
            estimate = estimate_of(self.judgement, name)
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

    def _x_axis(self, frame: Frame) -> Callable[[float], float]:
        low, high = (math.log(images) for images in (self.curve.images[0], self.band[-1][0]))
        room = (high - low) * 0.05

        def x_of(images: float) -> float:
            part = (math.log(images) - low + room) / (high - low + 2 * room)
            return round(frame.left + (frame.right - frame.left) * part, 1)

        return x_of

    def _x_ticks(self, x_of: Callable[[float], float]) -> tuple[tuple[float, str], ...]:
        """At the numbers of images themselves, the largest first where two are too near."""
        images = list(self.curve.images)
        if not self.curve.doubled.useless:
            images.append(self.curve.doubled.images)
        ticks: list[tuple[float, str]] = []
        for number in reversed(images):
            if not ticks or ticks[-1][0] - x_of(number) >= _LABEL_ROOM:
                ticks.append((x_of(number), f"{number:,}"))
        return tuple(reversed(ticks))

    def _law(
        self,
        images: Sequence[float],
        x_of: Callable[[float], float],
        y_of: Callable[[float], float],
    ) -> str:
        points = [f"{x_of(n):g} {y_of(_possible(self.curve.at(n))):g}" for n in images]
        return "M" + "L".join(points)

    def _band(self, x_of: Callable[[float], float], y_of: Callable[[float], float]) -> str:
        upper = [f"{x_of(n):g} {y_of(_possible(high)):g}" for n, _, high in self.band]
        lower = [f"{x_of(n):g} {y_of(_possible(low)):g}" for n, low, _ in reversed(self.band)]
        return f"M{'L'.join(upper + lower)}Z"

    def _dot(
        self, place: int, x_of: Callable[[float], float], y_of: Callable[[float], float]
    ) -> ShareDot:
        name, score = self.share.cells[place], self.curve.scores[place]
        images = self.curve.images[place]
        estimate = estimate_of(self.judgement, name)
        ends = (estimate.low, estimate.high) if estimate else (score, score)
        title = (
            f"{name}\n{images:,} training images\n{label_of(self.judgement.metric)} = "
            f"{interval_text(estimate) or value(score)}\nrun {run_text(name, self.runs)}"
        )
        low, high = (y_of(end) for end in ends)
        return ShareDot(self.places[name], name, x_of(images), y_of(score), low, high, title)

    def _doubled(
        self, x_of: Callable[[float], float], y_of: Callable[[float], float]
    ) -> ShareDot | None:
        gain = self.curve.doubled
        if gain.useless:
            return None
        images, low, high = self.band[-1]
        score = self.curve.at(gain.images)
        title = (
            f"expected of {gain.images:,} training images\n{label_of(self.judgement.metric)} = "
            f"{value(score)}, 95 % interval {interval_ends(low, high)}\n{signed(gain.value)} "
            f"[{signed(gain.low)}, {signed(gain.high)}] to {self.curve.images[-1]:,} images"
        )
        y, bottom, top = (y_of(_possible(end)) for end in (score, low, high))
        return ShareDot(None, "", x_of(images), y, bottom, top, title)

    def _rival(self, frame: Frame, y_of: Callable[[float], float]) -> Rival | None:
        pair = self.share.backbone
        if pair is None:
            return None
        difference = pair.difference
        y = y_of(self._rival_score())
        above = y - 6
        title = (
            f"{pair.first}\n{signed(difference.value)} [{signed(difference.low)}, "
            f"{signed(difference.high)}] against {pair.second}\n"
            f"run {run_text(pair.first, self.runs)}"
        )
        return Rival(
            index=self.places[pair.first],
            look=self.looks[pair.first],
            y=y,
            text_y=above if above - 10 > frame.top else y + 15,
            text=f"{self.judgement.short(pair.first)}, {self.curve.images[-1]:,} images",
            title=title,
        )


def interval_ends(low: float, high: float) -> str:
    return f"{value(low)} to {value(high)}"


def estimate_of(judgement: Judgement, name: str) -> Estimate | None:
    return judgement.estimates.get(name, {}).get(judgement.metric)


def _possible(score: float) -> float:
    """A law's interval may reach beyond what a score can be."""
    return min(max(score, 0.0), 1.0)
