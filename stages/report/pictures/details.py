"""What evaluation knows of each cell in depth (details.json), and which cells the pictures of the report put first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.report.looks import Look, looks_of
from stages.report.results import SPLITS, CellResult
from stages.study import paths
from stages.study.params import Cell
from stages.verdict.judgement import Judgement


@dataclass(frozen=True)
class Shown:
    """A cell on the pictures. index: its place on the page; role: "chosen", "best", "chosen and best", "second" where
    the chosen cell is the best one, or ""; splits: split -> depth.describe(), {} where details.json cannot be read."""

    index: int
    name: str
    run: str
    row: Mapping[str, Any]
    look: Look
    role: str
    splits: Mapping[str, Mapping[str, Any]]

    @property
    def short(self) -> str:
        """In a sentence, where the full name has been said before."""
        return f"the {self.role.split()[0]} cell" if self.role else self.name

    @property
    def label(self) -> str:
        return f"{self.name} ({self.role})" if self.role else self.name


@dataclass(frozen=True)
class Study:
    """cells: the chosen one, the best one, then by falling value of the metric that decides. split: the one that the
    pictures of detections are of; absent: a sentence on cells without a readable details.json, or ""."""

    cells: tuple[Shown, ...]
    split: str
    absent: str

    def having(self, *keys: str) -> tuple[list[Shown], str]:
        """The cells whose details of the split hold all `keys`, and a sentence on those whose do not, or ""."""
        read = [cell for cell in self.cells if cell.splits]
        lacks = {cell.name: [key for key in keys if cell.splits[self.split].get(key) is None] for cell in read}
        told = [f"{name} lacks {', '.join(missing)}" for name, missing in lacks.items() if missing]
        return ([cell for cell in read if not lacks[cell.name]],
                f"Left out for what details.json does not say of {self.split}: {'; '.join(told)}." if told else "")


def study_of(cells: Sequence[CellResult], judgement: Judgement, root: Path) -> Study:
    """The cells of a report with their details.json under `root`; one that is missing or broken is named, not fatal.

    A row that repeats another one with another seed is not drawn: judgement.groups holds the mean of both.
    """
    looks = looks_of(cells)
    again = {row for rows in judgement.repeats.values() for row in rows[1:]}
    drawn = {index: cell for index, cell in enumerate(cells) if cell.name not in again}
    found = {cell.name: _read(cell, root) for cell in drawn.values()}
    roles = _roles(found, judgement)
    shown = {cell.name: Shown(index, cell.name, cell.run_id or "not tracked", cell.row, looks[cell.name],
                              roles[cell.name], found[cell.name][0]) for index, cell in drawn.items()}
    why = [what for _, what in found.values() if what]
    first = judgement.metric.split("/")[0]
    order = [first, *(split for split in SPLITS if split != first)]
    split = next((name for name in order if any(_boxes(cell.splits, name) for cell in shown.values())), first)
    return Study(tuple(shown[name] for name in roles), split, f"Left out: {'; '.join(why)}." if why else "")


def _roles(names: Iterable[str], judgement: Judgement) -> dict[str, str]:
    """Cell -> role, in the order in which the pictures show cells."""
    names = list(names)
    values = {name: judgement.estimates.get(name, {}).get(judgement.metric) for name in names}
    ranked = sorted(names, key=lambda name: -values[name].value if values[name] else 1.0)
    chosen, best = judgement.choice.chosen, judgement.choice.best
    roles = {name: "" for name in dict.fromkeys((chosen, best, *ranked)) if name in names}
    if best in roles:
        roles[best] = "best"
    if chosen in roles:
        roles[chosen] = "chosen and best" if chosen == best else "chosen"
    if chosen == best and chosen in roles and len(roles) > 1:
        roles[list(roles)[1]] = "second"
    return roles


def _read(cell: CellResult, root: Path) -> tuple[Mapping[str, Mapping[str, Any]], str]:
    path = paths.details(cell.name, Cell(**cell.row))
    again = f"run `dvc repro stages/dvc.yaml:evaluate@{cell.name}`"
    try:
        content = json.loads((root / path).read_bytes())
    except OSError:
        return {}, f"{path.as_posix()} is missing; {again}"
    except ValueError:
        return {}, f"{path.as_posix()} is not JSON; {again}"
    if not isinstance(content, dict) or not all(isinstance(content.get(split), dict) for split in SPLITS):
        return {}, f"{path.as_posix()} does not hold val and test; {again}"
    return content, ""


def _boxes(splits: Mapping[str, Mapping[str, Any]], split: str) -> int:
    boxes = splits.get(split, {}).get("boxes")
    return boxes if isinstance(boxes, int) else 0
