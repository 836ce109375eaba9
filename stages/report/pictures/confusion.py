"""The confusion matrix of each cell as a table: which class is taken for which, and for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stages.report.pictures.shown_cells import Shown, ShownCells

# Beyond these the columns are too narrow to read; the classes with fewer boxes are summed up in one
# column.
MOST_CLASSES = 15
_MOST_FIELDS = 4000


@dataclass(frozen=True)
class Field:
    """share: of its row, in percent, None for a row without anything; kind: "right", "wrong", or
    "none" where there is nothing to say."""

    share: float | None
    kind: str
    text: str
    title: str


@dataclass(frozen=True)
class Row:
    name: str
    note: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Matrix:
    """One cell's. columns: what is detected; score, iou: the thresholds as text."""

    cell: Shown
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    sentences: tuple[str, ...]
    score: str
    iou: str


@dataclass(frozen=True)
class Confusion:
    """`nothing` says why there is no matrix at all, "" where there is one."""

    matrices: tuple[Matrix, ...]
    split: str
    nothing: str
    absent: str


def confusion(shown: ShownCells) -> Confusion:
    """The matrices of all cells whose details hold one, the chosen cell first."""
    cells, absent = shown.having("confusion")
    tables = [(cell, cell.splits[shown.split]["confusion"]) for cell in cells]
    tables = [(cell, table) for cell, table in tables if table.get("matrix")]
    nothing = ""
    if not tables:
        nothing = (
            f"The {shown.split} split has no box: nothing can be taken for anything else."
            if cells
            else "No cell has a confusion matrix."
        )
    most = max(
        1,
        _MOST_FIELDS
        // (
            min(max((len(table["labels"]) for _, table in tables), default=1), MOST_CLASSES + 2) + 1
        )
        ** 2,
    )
    return Confusion(
        tuple(_matrix(cell, table) for cell, table in tables[:most]), shown.split, nothing, absent
    )


def _matrix(cell: Shown, table: dict[str, Any]) -> Matrix:
    counts, names = table["matrix"], table["labels"][:-1]
    background = len(names)
    totals = [sum(row) for row in counts]
    kept = sorted(sorted(range(background), key=lambda index: -totals[index])[:MOST_CLASSES])
    others = [index for index in range(background) if index not in kept]
    columns = [
        *(names[index] for index in kept),
        *([f"{len(others)} other classes"] if others else []),
        "nothing",
    ]
    rows = []
    for at in [*kept, background]:
        numbers = (
            [counts[at][index] for index in kept]
            + ([sum(counts[at][index] for index in others)] if others else [])
            + [counts[at][background]]
        )
        there = names[at] if at < background else ""
        fields = tuple(
            _field(
                there,
                column,
                number,
                totals[at],
                column_at < len(kept) and kept[column_at] == at,
                at == background and column_at == len(columns) - 1,
            )
            for column_at, (column, number) in enumerate(zip(columns, numbers, strict=True))
        )
        noun = "box" if there else "detection"
        rows.append(Row(there or "nothing", _count(totals[at], noun), fields))
    return Matrix(
        cell,
        tuple(columns),
        tuple(rows),
        tuple(_sentences(cell, counts, names, totals)),
        f"{table['score']:.3f}",
        f"{table['iou']:.2f}",
    )


def _field(there: str, column: str, number: int, total: int, right: bool, corner: bool) -> Field:
    if corner or not total:
        return Field(None, "none", "", "")
    share = 100 * number / total
    if not there:
        what = f"{number:,} of {_count(total, 'detection')} where nothing is labelled are taken for {column}"
    elif column == "nothing":
        what = f"{number:,} of {_count(total, 'box')} of {there} not found"
    elif right:
        what = f"{number:,} of {_count(total, 'box')} of {there} found as {there}"
    else:
        what = f"{number:,} of {_count(total, 'box')} of {there} taken for {column}"
    text = f"{share:.0f}" if share >= 0.5 or (right and not number) else "<1" if number else ""
    return Field(
        round(share, 1),
        "right" if right else "wrong",
        text,
        f"{what} ({share:.1f} %)" if text else "",
    )


def _sentences(
    cell: Shown, counts: Sequence[Sequence[int]], names: Sequence[str], totals: Sequence[int]
) -> list[str]:
    """The commonest confusions, what is found at all, and what is seen where nothing is."""
    size = len(names)
    boxes = sum(totals[:size])
    right = sum(counts[index][index] for index in range(size))
    lost = sum(counts[index][size] for index in range(size))
    wrong = boxes - right - lost
    told = [
        f"Of {_count(boxes, 'box')} {cell.short} finds {_share(right, boxes)} with the right class and "
        f"{_share(wrong, boxes)} with a wrong one; {_share(lost, boxes)} it does not find. "
        f"{_count(totals[size], 'detection')} lie where nothing is labelled."
    ]
    pairs = sorted(
        ((counts[a][b], a, b) for a in range(size) for b in range(size) if a != b and counts[a][b]),
        key=lambda one: (-one[0], one[1], one[2]),
    )[:3]
    if pairs:
        told.append(
            "Most often confused: "
            + "; ".join(
                f"{names[a]} taken for {names[b]} ({number:,} of {_count(totals[a], 'box')})"
                for number, a, b in pairs
            )
            + "."
        )
    else:
        told.append("No class is taken for another.")
    return told


def _share(number: int, total: int) -> str:
    return f"{number:,} ({100 * number / total:.0f} %)" if total else "0"


def _count(number: int, noun: str) -> str:
    plural = "boxes" if noun == "box" else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"
