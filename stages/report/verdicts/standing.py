"""Where each cell stands: against the highest one, as a row of the table and of the plot with
simultaneous intervals, and on the Pareto front or off it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stages.report.drawing import Axis, Mark, axis_of, mark
from stages.report.table import MISSING, label_of
from stages.report.verdicts.phrases import (
    OUTCOMES,
    difference_text,
    interval_text,
    order,
    percent,
    run_text,
    topics,
)
from stages.results.cell import CellResult
from stages.verdict.best import Standing
from stages.verdict.costs import COSTS
from stages.verdict.judgement import Judgement
from stages.verdict.selected_rows import REPEATED
from stages.verdict.wording import value


@dataclass(frozen=True)
class Place:
    """A cell against the highest one, as a row of the table of results and of the plot.

    outcome: a word of best.Standing, "" where there is none; text: difference and interval; rank:
    the difference, what the column sorts by, None without a comparison; ends: of the interval to
    draw; p_best, expected_loss: None without one. pareto: where it lies; lacks: what was not
    measured of a cell that is not placed; dominated: by whom, in all that the front weighs;
    confounded: by which topics; note: what the row is besides, such as a repeat.
    """

    name: str
    title: str
    chosen: bool
    pareto: str
    lacks: str
    dominated: tuple[str, ...]
    outcome: str = ""
    text: str = ""
    rank: float | None = None
    ends: tuple[float, float] | None = None
    p_best: float | None = None
    expected_loss: float | None = None
    confounded: tuple[str, ...] = ()
    note: str = ""

    @property
    def words(self) -> str:
        """The verdict as one text."""
        if self.note:
            return self.note
        symbol = OUTCOMES[self.outcome][0]
        parts = [symbol, self.outcome or "not compared", self.text]
        if self.confounded:
            parts.append("(confounded)")
        return " ".join(filter(None, parts))

    @property
    def p_best_text(self) -> str:
        if self.p_best is None or self.note:
            return MISSING
        return percent(self.p_best)

    @property
    def loss_text(self) -> str:
        if self.note:
            return MISSING
        return value(self.expected_loss)


@dataclass(frozen=True)
class Forest:
    """rows: the highest first, with what is drawn of them and the text beside it; margin: where the
    accepted loss lies, in per cent of the axis."""

    rows: tuple[tuple[Place, Mark | None, str], ...]
    axis: Axis
    margin: float
    metric: str


def places(judgement: Judgement, cells: Sequence[CellResult]) -> dict[str, Place]:
    """One for every row of `cells`; one that repeats another cell has that cell's place."""
    by_name = {cell.name: cell for cell in cells}
    run_ids = {cell.name: cell.run_id for cell in cells}
    result = {cell.name: _place(judgement, cell.name, run_ids) for cell in cells}
    for name, rows in judgement.repeats.items():
        for row in rows:
            if name in by_name and row in by_name and row != name:
                note = _repeats(judgement, by_name[row], by_name[name])
                chosen = row == judgement.choice.chosen
                result[row] = replace(result[name], chosen=chosen, note=note)
    return result


def forest(judgement: Judgement, run_ids: Mapping[str, str]) -> Forest:
    rows = [_place(judgement, name, run_ids) for name in order(judgement)]
    ends = [-judgement.margin]
    for row in rows:
        if row.rank is not None:
            ends += [row.rank, *(row.ends or ())]
    axis = axis_of(ends)
    drawn = []
    for row in rows:
        text = row.text or "not compared"
        if row.outcome == "best":
            own = judgement.estimates[row.name].get(judgement.metric)
            text = value(own.value if own else None)
        place = None if row.rank is None else mark(axis, row.rank, row.ends)
        drawn.append((row, place, text))
    return Forest(tuple(drawn), axis, axis.at(-judgement.margin), label_of(judgement.metric))


def _place(judgement: Judgement, name: str, run_ids: Mapping[str, str]) -> Place:
    pareto, lacks, dominated = _pareto(judgement, name)
    chosen = name == judgement.choice.chosen
    place = Place(name, f"{name}: not compared", chosen, pareto, lacks, dominated)
    if name in judgement.estimates:
        place = replace(place, title=_title(judgement, name, run_ids))
    standing = judgement.standings.get(name)
    if standing is not None:
        place = replace(place, p_best=standing.p_best, expected_loss=standing.expected_loss)
    difference = _difference_to_best(judgement, name)
    if name == judgement.choice.best:
        return replace(place, outcome="best", rank=0.0)
    if standing is None or difference is None:
        return place
    ends = _ends_of(standing)
    return replace(
        place,
        outcome=standing.word,
        text=difference_text(difference, ends),
        rank=difference,
        ends=ends,
        confounded=topics(judgement, name, judgement.choice.best or ""),
    )


def _ends_of(standing: Standing) -> tuple[float, float] | None:
    """The interval to draw; none where there are too few boxes for it to decide anything."""
    return None if standing.thin else standing.interval


def _difference_to_best(judgement: Judgement, name: str) -> float | None:
    """Score less that of the highest cell; None where the two were not compared."""
    if name == judgement.choice.best:
        return 0.0
    if not judgement.choice.best:
        return None
    pair = judgement.pair(name, judgement.choice.best)
    return None if pair is None else pair.difference.value


def _title(judgement: Judgement, name: str, run_ids: Mapping[str, str]) -> str:
    """All that is known of where a cell stands, line by line, for a tooltip."""
    metric, own = label_of(judgement.metric), judgement.estimates[name].get(judgement.metric)
    lines = [name, f"no {metric}"]
    if own:
        lines[1] = f"{metric} {interval_text(own)}"
    standing = judgement.standings.get(name)
    if standing is not None:
        if name != judgement.choice.best:
            difference = _difference_to_best(judgement, name) or 0.0
            text = difference_text(difference, _ends_of(standing))
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


def _repeats(judgement: Judgement, cell: CellResult, owner: CellResult) -> str:
    own = []
    for key in REPEATED:
        if key in cell.run and cell.run[key] != owner.run.get(key):
            own.append(f"{key} {cell.run[key]}")
    text = f"repeats {judgement.short(owner.name)}"
    if own:
        text += f" with {' and '.join(own)}"
    return text


def _pareto(judgement: Judgement, name: str) -> tuple[str, str, tuple[str, ...]]:
    """Where the cell lies, what it lacks to be placed, and who dominates it."""
    front = judgement.front
    if name in front.members:
        return "on the front", "", ()
    for entry in front.dominated:
        if entry.name == name:
            return "dominated", "", entry.by
    for entry in front.incomplete:
        if entry.name == name:
            words = [COSTS[key][0] if key in COSTS else key for key in entry.lacks]
            return "not placed", ", ".join(words), ()
    return "not placed", "", ()
