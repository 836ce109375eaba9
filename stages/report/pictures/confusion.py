"""The confusion matrix of each cell as a table: which class is taken for which, and for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from stages.report.pictures.shown_cells import Shown, ShownCells
from stages.study.counts import count

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


def confusion(study: ShownCells) -> Confusion:
    """The matrices of all cells whose details hold one, the chosen cell first."""
    cells, absent = study.having("confusion")
    tables = []
    labels = 1
    for cell in cells:
        table = cell.splits[study.split]["confusion"]
        if table.get("matrix"):
            tables.append((cell, table))
            labels = max(labels, len(table["labels"]))
    nothing = ""
    if not cells:
        nothing = "No cell has a confusion matrix."
    elif not tables:
        nothing = f"The {study.split} split has no box: nothing can be taken for anything else."
    fields = (min(labels, MOST_CLASSES + 2) + 1) ** 2
    most = max(1, _MOST_FIELDS // fields)
    matrices = [_matrix(cell, table) for cell, table in tables[:most]]
    return Confusion(tuple(matrices), study.split, nothing, absent)


def _matrix(cell: Shown, table: dict[str, Any]) -> Matrix:
    counts, names = table["matrix"], table["labels"][:-1]
    background = len(names)
    totals = [sum(row) for row in counts]
    by_boxes = sorted(range(background), key=lambda index: -totals[index])
    kept = sorted(by_boxes[:MOST_CLASSES])
    merged = by_boxes[MOST_CLASSES:]
    columns = [names[index] for index in kept]
    if merged:
        columns.append(f"{len(merged)} other classes")
    columns.append("nothing")
    rows = []
    for index in [*kept, background]:
        labelled = names[index] if index < background else ""
        numbers = [counts[index][column] for column in kept]
        if merged:
            numbers.append(sum(counts[index][column] for column in merged))
        numbers.append(counts[index][background])
        fields = []
        for place, (column, number) in enumerate(zip(columns, numbers, strict=True)):
            right = place < len(kept) and kept[place] == index
            corner = index == background and place == len(columns) - 1
            fields.append(_field(labelled, column, number, totals[index], right, corner))
        noun = "boxes" if labelled else "detections"
        rows.append(Row(labelled or "nothing", count(totals[index], noun), tuple(fields)))
    return Matrix(
        cell,
        tuple(columns),
        tuple(rows),
        tuple(_sentences(cell, counts, names, totals)),
        f"{table['score']:.3f}",
        f"{table['iou']:.2f}",
    )


def _field(labelled: str, column: str, number: int, total: int, right: bool, corner: bool) -> Field:
    """labelled: the class of the row, "" where nothing is labelled."""
    if corner or not total:
        return Field(None, "none", "", "")
    share = 100 * number / total
    text = title = ""
    if share >= 0.5 or (right and not number):
        text = f"{share:.0f}"
    elif number:
        text = "<1"
    if text:
        title = f"{_title(labelled, column, number, total, right)} ({share:.1f} %)"
    return Field(round(share, 1), "right" if right else "wrong", text, title)


def _title(labelled: str, column: str, number: int, total: int, right: bool) -> str:
    if not labelled:
        return (
            f"{number:,} of {count(total, 'detections')} where nothing is labelled are taken for "
            f"{column}"
        )
    text = f"{number:,} of {count(total, 'boxes')} of {labelled}"
    if column == "nothing":
        return f"{text} not found"
    if right:
        return f"{text} found as {labelled}"
    return f"{text} taken for {column}"


def _sentences(
    cell: Shown, counts: Sequence[Sequence[int]], names: Sequence[str], totals: Sequence[int]
) -> list[str]:
    """The commonest confusions, what is found at all, and what is seen where nothing is."""
    size = len(names)
    labelled = sum(totals[:size])
    right = sum(counts[index][index] for index in range(size))
    lost = sum(counts[index][size] for index in range(size))
    wrong = labelled - right - lost
    sentences = [
        f"Of {count(labelled, 'boxes')} {cell.short} finds {_share(right, labelled)} with the right class "
        f"and {_share(wrong, labelled)} with a wrong one; {_share(lost, labelled)} it does not find. "
        f"{count(totals[size], 'detections')} lie where nothing is labelled."
    ]
    confused = []
    for first, second in permutations(range(size), 2):
        if counts[first][second]:
            confused.append((-counts[first][second], first, second))
    texts = []
    for negative, first, second in sorted(confused)[:3]:
        texts.append(
            f"{names[first]} taken for {names[second]} ({-negative:,} of "
            f"{count(totals[first], 'boxes')})"
        )
    if texts:
        sentences.append(f"Most often confused: {'; '.join(texts)}.")
    else:
        sentences.append("No class is taken for another.")
    return sentences


def _share(number: int, total: int) -> str:
    if not total:
        return "0"
    return f"{number:,} ({100 * number / total:.0f} %)"
