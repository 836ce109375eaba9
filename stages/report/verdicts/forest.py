"""Every cell against the one of highest score, as rows of a plot with simultaneous intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stages.report.table import label_of
from stages.report.verdicts.intervals import Axis, Mark, axis_of, mark
from stages.report.verdicts.phrases import (
    difference_text,
    interval_text,
    percent,
    run_text,
    topics,
)
from stages.report.verdicts.ranking import order
from stages.verdict.best import Standing
from stages.verdict.judgement import Judgement
from stages.verdict.wording import value


@dataclass(frozen=True)
class Row:
    """A cell against the highest one; mark is None where nothing was compared.

    outcome: a word of best.Standing, "" without one; confounded: by which topics.
    """

    name: str
    outcome: str
    text: str
    title: str
    mark: Mark | None
    chosen: bool
    confounded: tuple[str, ...]
    possible_best: bool = False


@dataclass(frozen=True)
class Forest:
    """rows: the highest first; margin: where the accepted loss lies, in per cent of the axis."""

    rows: tuple[Row, ...]
    axis: Axis
    margin: float
    metric: str


def forest(judgement: Judgement, run_ids: Mapping[str, str]) -> Forest:
    ends = [-judgement.margin]
    for name, standing in judgement.standings.items():
        difference = difference_to_best(judgement, name)
        if difference is not None:
            ends += [difference, *(ends_of(standing) or ())]
    axis = axis_of(ends)
    rows = [_row(judgement, name, axis, run_ids) for name in order(judgement)]
    return Forest(tuple(rows), axis, axis.at(-judgement.margin), label_of(judgement.metric))


def ends_of(standing: Standing) -> tuple[float, float] | None:
    """The interval to draw; none where there are too few boxes for it to decide anything."""
    return None if standing.thin else standing.interval


def difference_to_best(judgement: Judgement, name: str) -> float | None:
    """Score less that of the highest cell; None where the two were not compared."""
    if name == judgement.choice.best:
        return 0.0
    if not judgement.choice.best:
        return None
    pair = judgement.pair(name, judgement.choice.best)
    return None if pair is None else pair.difference.value


def standing_title(judgement: Judgement, name: str, run_ids: Mapping[str, str]) -> str:
    """All that is known of where a cell stands, line by line, for a tooltip."""
    metric, own = label_of(judgement.metric), judgement.estimates[name].get(judgement.metric)
    lines = [name, f"no {metric}"]
    if own:
        lines[1] = f"{metric} {interval_text(own)}"
    standing = judgement.standings.get(name)
    if standing is not None:
        if name != judgement.choice.best:
            difference = difference_to_best(judgement, name) or 0.0
            text = difference_text(difference, ends_of(standing))
            lines.append(f"{text} against {judgement.choice.best}: {standing.word}")
        possible = "cannot be ruled out" if standing.possible_best else "ruled out"
        lines.append(f"{percent(standing.p_best)} probability to be the best, {possible} as such")
        lines.append(
            f"loss against the best: {value(standing.expected_loss)} expected, "
            f"{value(standing.loss_high)} at most (95 %)"
        )
        if standing.images_needed:
            lines.append(f"about {standing.images_needed:,} images would decide it")
    lines.append(f"run {run_text(name, run_ids)}")
    return "\n".join(lines)


def _row(judgement: Judgement, name: str, axis: Axis, run_ids: Mapping[str, str]) -> Row:
    chosen = name == judgement.choice.chosen
    standing = judgement.standings.get(name)
    difference = difference_to_best(judgement, name)
    title = standing_title(judgement, name, run_ids)
    if name == judgement.choice.best:
        own = judgement.estimates[name].get(judgement.metric)
        text = value(own.value if own else None)
        possible = standing is not None and standing.possible_best
        return Row(name, "best", text, title, mark(axis, 0.0), chosen, (), possible)
    if standing is None or difference is None:
        return Row(name, "", "not compared", title, None, chosen, ())
    ends = ends_of(standing)
    return Row(
        name=name,
        outcome=standing.word,
        text=difference_text(difference, ends),
        title=title,
        mark=mark(axis, difference, *(ends or ())),
        chosen=chosen,
        confounded=topics(judgement, name, judgement.choice.best or ""),
        possible_best=standing.possible_best,
    )
