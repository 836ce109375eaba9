"""The cells that the pictures show, in their order, with their details.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stages.errors import InputError
from stages.report.drawing import Look, looks_of
from stages.results.cell import CellResult
from stages.results.files import CellFiles
from stages.study.paths import EVALUATED
from stages.verdict.judgement import Judgement


@dataclass(frozen=True)
class Shown:
    """A cell on the pictures.

    index: its place on the page; name: its row of params.yaml; short: what the page calls it;
    role: "chosen", "best", "chosen and best", "second" where the chosen cell is the best one, or
    ""; splits: split -> depth.describe(), {} where details.json cannot be read.
    """

    index: int
    name: str
    short: str
    run: str
    row: Mapping[str, Any]
    look: Look
    role: str
    splits: Mapping[str, Mapping[str, Any]]
    files: CellFiles = field(compare=False, repr=False)

    @property
    def label(self) -> str:
        return f"{self.short} ({self.role})" if self.role else self.short

    @property
    def title(self) -> str:
        """Row and run, for tooltips."""
        return f"{self.name}\nrun {self.run}"


@dataclass(frozen=True)
class ShownCells:
    """cells: the chosen one, the best one, then by falling value of the metric that decides.

    split: the one that the pictures of detections are of; absent: a sentence on cells without a
    readable details.json, or "".
    """

    cells: tuple[Shown, ...]
    split: str
    absent: str

    def having(self, *keys: str) -> tuple[list[Shown], str]:
        """The cells whose details of the split hold all `keys`, and a sentence on the others."""
        complete, lacks = [], []
        for cell in self.cells:
            if not cell.splits:
                continue
            missing = [key for key in keys if cell.splits[self.split].get(key) is None]
            if missing:
                lacks.append(f"{cell.short} lacks {', '.join(missing)}")
            else:
                complete.append(cell)
        if not lacks:
            return complete, ""
        return complete, (
            f"Left out, because details.json does not have everything of {self.split}: "
            f"{'; '.join(lacks)}."
        )


def shown_cells(cells: Sequence[CellResult], judgement: Judgement) -> ShownCells:
    """The cells of a report with their details.json; a missing one is named.

    A row that repeats a cell with another seed is not drawn: judgement.groups holds their mean.
    """
    looks = looks_of(cells)
    repeats = {row for rows in judgement.repeats.values() for row in rows[1:]}
    by_name = {cell.name: cell for cell in cells if cell.name not in repeats}
    places = {cell.name: place for place, cell in enumerate(cells)}
    members, problems = [], []
    for name, role in _roles(list(by_name), judgement).items():
        cell = by_name[name]
        try:
            splits = cell.files.details
        except InputError as error:
            splits = {}
            problems.append(str(error))
        members.append(
            Shown(
                index=places[name],
                name=name,
                short=judgement.short(name),
                run=cell.run_id or "not tracked",
                row=cell.row,
                look=looks[name],
                role=role,
                splits=splits,
                files=cell.files,
            )
        )
    absent = f"Left out: {'; '.join(problems)}." if problems else ""
    return ShownCells(tuple(members), _split(members, judgement), absent)


def _split(cells: Sequence[Shown], judgement: Judgement) -> str:
    """The deciding metric's split, or another one where only that has boxes."""
    first = judgement.metric.split("/")[0]
    for split in (first, *EVALUATED):
        for cell in cells:
            if _boxes(cell.splits, split):
                return split
    return first


def _roles(names: Sequence[str], judgement: Judgement) -> dict[str, str]:
    """Cell -> role, in the order in which the pictures show cells."""

    def falling(name: str) -> float:
        estimate = judgement.estimates.get(name, {}).get(judgement.metric)
        return 1.0 if estimate is None else -estimate.value

    chosen, best = judgement.choice.chosen, judgement.choice.best
    order = [chosen, best, *sorted(names, key=falling)]
    roles = {name: "" for name in dict.fromkeys(order) if name in names}
    if best in roles:
        roles[best] = "best"
    if chosen in roles:
        roles[chosen] = "chosen and best" if chosen == best else "chosen"
    if chosen == best and chosen in roles and len(roles) > 1:
        roles[list(roles)[1]] = "second"
    return roles


def _boxes(splits: Mapping[str, Mapping[str, Any]], split: str) -> int:
    boxes = splits.get(split, {}).get("boxes")
    return boxes if isinstance(boxes, int) else 0
