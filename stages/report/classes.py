"""Average precision of every class and cell, one table for each split and metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.results.cell import CellResult, ClassScore
from stages.study.paths import EVALUATED


@dataclass(frozen=True)
class ClassTable:
    """`rows` holds, per cell, one score or None per name of `names`."""

    split: str
    metric: str
    label: str
    names: tuple[str, ...]
    boxes: dict[str, int]
    rows: tuple[tuple[CellResult, tuple[ClassScore | None, ...]], ...]


def class_tables(cells: Sequence[CellResult]) -> list[ClassTable]:
    """AP50 and AP of val and test; a class that any cell knows has a column in all of them."""
    tables = []
    for metric in ("AP50", "AP"):
        for split in EVALUATED:
            tables.append(_table(cells, split, metric))
    return tables


def _table(cells: Sequence[CellResult], split: str, metric: str) -> ClassTable:
    boxes: dict[str, int] = {}
    scores_by_cell = []
    for cell in cells:
        scores = {score.name: score for score in cell.per_class.get(split, ())}
        scores_by_cell.append(scores)
        for name, score in scores.items():
            boxes[name] = max(boxes.get(name, 0), score.boxes)
    rows = []
    for cell, scores in zip(cells, scores_by_cell, strict=True):
        rows.append((cell, tuple(scores.get(name) for name in boxes)))
    return ClassTable(split, metric, f"{split} {metric}", tuple(boxes), boxes, tuple(rows))
