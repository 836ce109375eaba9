"""Where each row of the table stands: against the highest cell, and on the Pareto front or off
it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.report.table import MISSING
from stages.report.verdicts.forest import difference_to_best, ends_of, standing_title
from stages.report.verdicts.phrases import OUTCOMES, difference_text, percent, topics
from stages.results.cell import CellResult
from stages.verdict.candidates import COSTS
from stages.verdict.judgement import Judgement
from stages.verdict.repeats import REPEATED
from stages.verdict.wording import value


@dataclass(frozen=True)
class Place:
    """A row of the table of results.

    outcome: a word of best.Standing, "" where there is none; text: difference and interval; rank:
    what the column sorts by, None without a comparison; p_best, expected_loss: None without one.
    lacks: what was not measured of a cell that is not placed; dominated: by whom, in all that the
    front weighs; confounded: by which topics; note: what the row is besides, such as a repeat.
    """

    outcome: str
    text: str
    title: str
    rank: float | None
    p_best: float | None
    expected_loss: float | None
    pareto: str
    lacks: str
    dominated: tuple[str, ...]
    chosen: bool
    confounded: tuple[str, ...]
    note: str

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


def places(judgement: Judgement, cells: Sequence[CellResult]) -> dict[str, Place]:
    """One for every row of `cells`; one that repeats another cell has that cell's place."""
    by_name = {cell.name: cell for cell in cells}
    run_ids = {cell.name: cell.run_id for cell in cells}
    owners = {}
    for name, rows in judgement.repeats.items():
        for row in rows:
            if name in by_name:
                owners[row] = by_name[name]
    result = {}
    for cell in cells:
        owner = owners.get(cell.name, cell)
        result[cell.name] = _place(judgement, cell, owner, run_ids)
    return result


def _place(
    judgement: Judgement, cell: CellResult, owner: CellResult, run_ids: Mapping[str, str]
) -> Place:
    best, name = judgement.choice.best, owner.name
    standing = judgement.standings.get(name)
    difference = difference_to_best(judgement, name)
    outcome, text, rank = "", "", None
    confounded: tuple[str, ...] = ()
    title = f"{name}: not compared"
    if name in judgement.estimates:
        title = standing_title(judgement, name, run_ids)
    if name == best:
        outcome, rank = "best", 0.0
    elif standing is not None and difference is not None:
        outcome, rank = standing.word, difference
        text = difference_text(difference, ends_of(standing))
        confounded = topics(judgement, name, best or "")
    pareto, lacks, dominated = _pareto(judgement, name)
    p_best = expected_loss = None
    if standing is not None:
        p_best, expected_loss = standing.p_best, standing.expected_loss
    return Place(
        outcome=outcome,
        text=text,
        title=title,
        rank=rank,
        p_best=p_best,
        expected_loss=expected_loss,
        pareto=pareto,
        lacks=lacks,
        dominated=dominated,
        chosen=cell.name == judgement.choice.chosen,
        confounded=confounded,
        note="" if cell is owner else _repeats(judgement, cell, owner),
    )


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
