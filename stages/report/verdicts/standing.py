"""Where each cell stands: against the highest one, as a row of the table and of the plot with
simultaneous intervals, and on the Pareto front or off it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from stages.report.drawing import Axis, Mark, axis_of
from stages.report.shown_cells import Shown, ranked_cells
from stages.report.table import MISSING, label_of
from stages.report.texts import OUTCOME_MARKS, difference_text, interval_text, percent_text
from stages.report.verdicts.pairs import topics
from stages.results.cell import CellResult
from stages.verdict.best import Standing
from stages.verdict.costs import cost_names
from stages.verdict.design import REPEATED
from stages.verdict.judgement import Judgement
from stages.verdict.wording import value


@dataclass(frozen=True)
class CellPlace:
    """A cell against the highest one, as a row of the table of results and of the plot.

    standing: None where it could not be compared; outcome: a word of best.Standing, "" where there
    is none; text: difference and interval; rank: the difference, what the column sorts by, None
    without a comparison; ends: of the interval to draw. pareto: where it lies; lacks: what was not
    measured of a cell that is not placed; dominated: by whom, in all that the front weighs;
    confounded: by which topics; note: what the row is besides, such as a repeat.
    """

    title: str
    chosen: bool
    pareto: str
    lacks: str
    dominated: tuple[str, ...]
    standing: Standing | None = None
    outcome: str = ""
    text: str = ""
    rank: float | None = None
    ends: tuple[float, float] | None = None
    confounded: tuple[str, ...] = ()
    note: str = ""

    @property
    def words(self) -> str:
        """The verdict as one text."""
        if self.note:
            return self.note
        symbol = OUTCOME_MARKS[self.outcome][0]
        parts = [symbol, self.outcome or "not compared", self.text]
        if self.confounded:
            parts.append("(confounded)")
        return " ".join(filter(None, parts))

    @property
    def p_best_text(self) -> str:
        if self.standing is None or self.note:
            return MISSING
        return percent_text(self.standing.p_best)

    @property
    def loss_text(self) -> str:
        if self.standing is None or self.note:
            return MISSING
        return value(self.standing.expected_loss)


@dataclass(frozen=True)
class Forest:
    """rows: cell, the highest first, with what is drawn of it and the text beside it; margin: where
    the accepted loss lies, in per cent of the axis."""

    rows: tuple[tuple[str, Mark | None, str], ...]
    axis: Axis
    margin: float
    metric: str


def places(judgement: Judgement, cells: Mapping[str, Shown]) -> dict[str, CellPlace]:
    """One for every row of `cells`; one that repeats another cell has that cell's place."""
    result = {}
    for name in judgement.estimates:
        result[name] = _place(judgement, cells[name])
        for row in judgement.repeats[name]:
            if row in cells and row != name:
                note = _repeats(cells[row].result, cells[name])
                result[row] = replace(result[name], chosen=False, note=note)
    return result


def forest(judgement: Judgement, places: Mapping[str, CellPlace]) -> Forest:
    """places: of places()."""
    names = ranked_cells(judgement)
    ends = [-judgement.margin]
    for name in names:
        if places[name].rank is not None:
            ends += [places[name].rank, *(places[name].ends or ())]
    axis = axis_of(ends)
    rows = []
    for name in names:
        place = places[name]
        text = place.text or "not compared"
        if place.outcome == "best":
            estimate = judgement.estimates[name].get(judgement.metric)
            text = value(estimate.value if estimate else None)
        drawn = None if place.rank is None else axis.mark(place.rank, place.ends)
        rows.append((name, drawn, text))
    return Forest(tuple(rows), axis, axis.at(-judgement.margin), label_of(judgement.metric))


def _place(judgement: Judgement, cell: Shown) -> CellPlace:
    """Its title has all that is known of where it stands, line by line."""
    metric, best = label_of(judgement.metric), judgement.choice.best
    pareto, lacks, dominated = _pareto(judgement, cell.name)
    chosen = cell.name == judgement.choice.chosen
    standing = judgement.standings.get(cell.name)
    place = CellPlace("", chosen, pareto, lacks, dominated, standing)
    estimate = judgement.estimates[cell.name].get(judgement.metric)
    lines = [cell.name, f"{metric} {interval_text(estimate)}" if estimate else f"no {metric}"]
    pair = judgement.pair(cell.name, best or "")
    if cell.name == best:
        place = replace(place, outcome="best", rank=0.0)
    elif standing is not None and pair is not None:
        # With too few boxes no interval decides anything.
        ends = None if standing.thin else standing.interval
        difference = pair.difference.value
        place = replace(
            place,
            outcome=standing.word,
            text=difference_text(difference, ends),
            rank=difference,
            ends=ends,
            confounded=topics(judgement, pair),
        )
        lines.append(f"{place.text} against {best}: {standing.word}")
    if standing is not None:
        possible = "cannot be ruled out" if standing.possible_best else "ruled out"
        lines.append(
            f"{percent_text(standing.p_best)} probability to be the best, {possible} as such"
        )
        lines.append(
            f"loss against the best: {value(standing.expected_loss)} expected, "
            f"{value(standing.loss_high)} at most (95 %)"
        )
        if standing.images_needed:
            lines.append(f"about {standing.images_needed:,} images would decide it")
    return replace(place, title="\n".join([*lines, f"run {cell.run}"]))


def _repeats(row: CellResult, cell: Shown) -> str:
    """What a row repeats, and what it has of its own."""
    own = []
    for key in REPEATED:
        if key in row.run and row.run[key] != cell.result.run.get(key):
            own.append(f"{key} {row.run[key]}")
    text = f"repeats {cell.short}"
    if own:
        text += f" with {' and '.join(own)}"
    return text


def _pareto(judgement: Judgement, name: str) -> tuple[str, str, tuple[str, ...]]:
    """Where the cell lies, what it lacks to be placed, and who dominates it."""
    front = judgement.front
    if name in front.members:
        return "on the front", "", ()
    if name in front.dominated:
        return "dominated", "", front.dominated[name]
    return "not placed", ", ".join(cost_names(front.incomplete.get(name, ()))), ()
