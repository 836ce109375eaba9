"""Score against number of training images: a figure, a table and a sentence for each learning
curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.report.looks import Look
from stages.report.table import MISSING, label_of
from stages.report.verdicts.learning_curve_drawing import (
    NARROW,
    WIDE,
    Drawing,
    Painter,
    estimate_of,
    interval_ends,
)
from stages.results.cell import CellResult
from stages.verdict.judgement import Judgement
from stages.verdict.learning_curve import LearningCurve
from stages.verdict.shares import ShareCurve
from stages.verdict.wording import value


@dataclass(frozen=True)
class ShareRow:
    """A line of the table, as text; name: of the cell, "" for what is expected of twice the
    images."""

    name: str
    images: str
    epochs: str
    steps: str
    score: str
    interval: str


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
        painter = Painter(judgement, share, rows, looks)
        result.append(
            ShareFigure(
                label=judgement.short(share.cells[-1]),
                look=looks[share.cells[-1]],
                sentence=_sentence(judgement, share),
                law=law_text(share.curve),
                rows=_table(judgement, share, rows),
                wide=painter.draw(WIDE),
                narrow=painter.draw(NARROW),
            )
        )
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
    for name, images, score in zip(
        share.cells, share.curve.images, share.curve.scores, strict=True
    ):
        estimate = estimate_of(judgement, name)
        lines.append(
            ShareRow(
                name=name,
                images=f"{images:,}",
                epochs=_count(runs[name].get("epochs")),
                steps=_count(runs[name].get("iterations")),
                score=value(score),
                interval=interval_ends(estimate.low, estimate.high) if estimate else MISSING,
            )
        )
    gain = share.curve.doubled
    if not gain.useless:
        _, low, high = share.curve.band[-1]
        expected = value(share.curve.at(gain.images))
        lines.append(ShareRow("", f"{gain.images:,}", "", "", expected, interval_ends(low, high)))
    return tuple(lines)


def _count(number: int | None) -> str:
    return MISSING if number is None else f"{number:,}"
