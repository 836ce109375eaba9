"""What goes wrong in each cell: TIDE's six kinds of error as bars, what classes that are never found
take from the mean, and the confusion matrix: which class is taken for which, and for nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.analysis.tide import ERROR_KINDS
from stages.report.shown_cells import Shown, ShownCells
from stages.report.verdicts.card import NEAR_ZERO
from stages.study.counts import count, shortened

# TIDE's names in the words of a sentence, and what each means (arXiv:2008.08115, section 2.2).
WORDS = {
    "classification": (
        "a wrong class",
        "The box is right, IoU 0.5 or more, and the class is wrong.",
    ),
    "localisation": ("a poor box", "The class is right and the box is off, IoU 0.1 to 0.5."),
    "both": ("a wrong class on a poor box", "The class is wrong and the box is off."),
    "duplicate": (
        "a second detection of a box",
        "A detection with a higher score has the box already.",
    ),
    "background": ("a detection of nothing", "No labelled box is there, IoU 0.1 at most."),
    "missed": ("a missed box", "No detection finds the box or comes near it."),
}
_MOST_NAMES = 4
# Beyond these the columns of a confusion matrix are too narrow to read; the classes with fewer boxes
# are summed up in one column.
MATRIX_CLASS_LIMIT = 15
_MOST_FIELDS = 4000


@dataclass(frozen=True)
class ErrorBar:
    """kind: of ERROR_KINDS, or "never found"; width: percent of the largest cost on the page."""

    kind: str
    width: float
    text: str
    most: bool
    title: str


@dataclass(frozen=True)
class ErrorTable:
    """rows: cell, AP50, a bar for each of ERROR_KINDS and one for what the classes that it does not
    find would add, each found perfectly. Without rows the sentence says why; absent: on cells whose
    details lack this part, or ""."""

    rows: list[tuple[Shown, str, list[ErrorBar]]]
    split: str
    sentences: list[str]
    absent: str


class _Costs:
    """What keeps a cell from a perfect mAP50. effects: dAP50 by ERROR_KINDS, as tide.effects() has
    them; weak: the classes at or near zero; lost: what mAP50 would gain, were these found
    perfectly."""

    def __init__(self, cell: Shown, split: str) -> None:
        self.cell = cell
        details = cell.splits[split]
        self.AP50 = details["errors"].get("AP50")
        self.effects: dict[str, float] = details["errors"].get("dAP", {})
        self.count: dict[str, int] = details["errors"].get("count", {})
        self.classes = [entry for entry in details["per_class"] if entry["boxes"]]
        self.weak = [entry for entry in self.classes if (entry["AP50"] or 0.0) <= NEAR_ZERO]
        missing = [1.0 - (entry["AP50"] or 0.0) for entry in self.weak]
        self.lost = sum(missing) / max(1, len(self.classes))

    def bars(self, split: str, highest: float) -> list[ErrorBar]:
        worst = max(self.effects.values())
        bars = []
        for kind in ERROR_KINDS:
            cost = self.effects[kind]
            title = (
                f"{kind}: {split} mAP50 would rise by {cost:.4f}, from {self.AP50:.4f}, without "
                f"these {self.count[kind]:,} errors\n{WORDS[kind][1]}\n{self.cell.title}"
            )
            width = round(100 * cost / highest, 2)
            bars.append(ErrorBar(kind, width, f"{cost:.3f}", cost == worst > 0, title))
        title = f"every class has an AP50 over {NEAR_ZERO:g}"
        if self.weak:
            names = [f"{entry['class']} ({entry['boxes']:,} boxes)" for entry in self.weak]
            title = f"AP50 of {NEAR_ZERO:g} or less: {', '.join(names)}"
        title += f"\n{self.cell.title}"
        width = round(100 * self.lost / highest, 2)
        return [*bars, ErrorBar("never found", width, f"{self.lost:.3f}", False, title)]


def errors(study: ShownCells) -> ErrorTable:
    """Cells in the order of the pictures."""
    cells, absent = study.having("errors", "per_class")
    measured = [_Costs(cell, study.split) for cell in cells]
    measured = [costs for costs in measured if costs.AP50 is not None]
    if not measured:
        nothing = "No cell has its errors by kind."
        if cells:
            nothing = f"The {study.split} split has no box: there is no error to find."
        return ErrorTable([], study.split, [nothing], absent)
    highest = max(max(*costs.effects.values(), costs.lost) for costs in measured) or 1.0
    rows = []
    for costs in measured:
        rows.append((costs.cell, f"{costs.AP50:.3f}", costs.bars(study.split, highest)))
    sentences = [*_costliest(measured[0]), *_zero_classes(measured[0]), *_over_cells(measured)]
    return ErrorTable(rows, study.split, sentences, absent)


def _costliest(costs: _Costs) -> list[str]:
    short, effects = costs.cell.short, costs.effects
    order = sorted(ERROR_KINDS, key=lambda kind: -effects[kind])
    worst, second = order[0], order[1]
    if not effects[worst]:
        return [f"{short}: without any one kind of error its mAP50 would be the same."]
    sentence = (
        f"{short} loses most by {worst} ({WORDS[worst][0]}): without such errors its mAP50 would be "
        f"{effects[worst]:.3f} higher."
    )
    place = (
        f"A right box with a wrong class costs it {effects['classification']:.3f}, number "
        f"{order.index('classification') + 1} of the {len(ERROR_KINDS)} kinds."
    )
    if worst == "classification":
        place = (
            "The boxes are right and the class is wrong, more than anything else; "
            f"{second} follows with {effects[second]:.3f}."
        )
    return [sentence, place]


def _zero_classes(costs: _Costs) -> list[str]:
    """What the mean loses by classes at zero, and why the kinds of error hardly show it."""
    if not costs.weak:
        return []
    names = shortened([entry["class"] for entry in costs.weak], _MOST_NAMES)
    return [
        f"It hardly finds {', '.join(names)} (AP50 of {NEAR_ZERO:g} or less): {len(costs.weak)} of "
        f"{len(costs.classes)} classes. Found perfectly, they would add {costs.lost:.3f}. The kinds "
        f"of error do not show this: missed ({costs.effects['missed']:.3f}) only takes missed boxes "
        "out of what is to be found, and a class of which nothing is right and something is wrong "
        "stays at zero."
    ]


def _over_cells(measured: Sequence[_Costs]) -> list[str]:
    worst: Counter[str] = Counter()
    for costs in measured:
        if any(costs.effects.values()):
            worst[max(ERROR_KINDS, key=costs.effects.__getitem__)] += 1
    if len(measured) < 2 or not worst:
        return []
    listed = ", ".join(f"{kind} in {number}" for kind, number in worst.most_common())
    return [f"The costliest kind: {listed} of {len(measured)} cells."]


@dataclass(frozen=True)
class Field:
    """share: of its row, in percent; right: whether row and column are the same class."""

    share: float = 0.0
    right: bool = False
    text: str = ""
    title: str = ""


@dataclass(frozen=True)
class Matrix:
    """One cell's. columns: what is detected; rows: what is labelled, how often, and a field for
    each column; score, iou: the thresholds."""

    cell: Shown
    columns: list[str]
    rows: list[tuple[str, str, list[Field]]]
    sentences: list[str]
    score: float
    iou: float


@dataclass(frozen=True)
class Confusion:
    """`nothing` says why there is no matrix at all, "" where there is one."""

    matrices: list[Matrix]
    split: str
    nothing: str
    absent: str


def confusion_matrices(study: ShownCells) -> Confusion:
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
    fields = (min(labels, MATRIX_CLASS_LIMIT + 2) + 1) ** 2
    most = max(1, _MOST_FIELDS // fields)
    matrices = [_matrix(cell, table) for cell, table in tables[:most]]
    return Confusion(matrices, study.split, nothing, absent)


def _matrix(cell: Shown, table: Mapping[str, Any]) -> Matrix:
    counts, names = np.array(table["matrix"]), table["labels"][:-1]
    background = len(names)
    totals = counts.sum(axis=1)
    by_boxes = np.argsort(-totals[:background], kind="stable")
    kept = sorted(by_boxes[:MATRIX_CLASS_LIMIT].tolist())
    merged = by_boxes[MATRIX_CLASS_LIMIT:].tolist()
    # Each column with the classes that are counted in it.
    columns = [(names[index], [index]) for index in kept]
    if merged:
        columns.append((f"{len(merged)} other classes", merged))
    columns.append(("nothing", [background]))
    rows = []
    for index in [*kept, background]:
        labelled = names[index] if index < background else ""
        fields = []
        for column, classes in columns:
            number = counts[index, classes].sum()
            fields.append(_field(labelled, column, number, totals[index], classes == [index]))
        noun = "boxes" if labelled else "detections"
        rows.append((labelled or "no box", count(totals[index], noun), fields))
    titles = [column for column, _ in columns]
    return Matrix(
        cell, titles, rows, _sentences(cell, counts, names, totals), table["score"], table["iou"]
    )


def _field(labelled: str, column: str, number: int, total: int, right: bool) -> Field:
    """labelled: the class of the row, "" where nothing is labelled."""
    if not total or (right and not labelled):
        return Field()
    share = 100 * number / total
    text = title = ""
    if share >= 0.5 or (right and not number):
        text = f"{share:.0f}"
    elif number:
        text = "<1"
    if text:
        title = f"{_title(labelled, column, number, total, right)} ({share:.1f} %)"
    return Field(round(share, 1), right, text, title)


def _title(labelled: str, column: str, number: int, total: int, right: bool) -> str:
    if not labelled:
        return f"{number:,} of {count(total, 'detections')} that take no box are of class {column}"
    text = f"{number:,} of {count(total, 'boxes')} of {labelled}"
    if column == "nothing":
        return f"{text} not found"
    return f"{text} found as {labelled}" if right else f"{text} taken for {column}"


def _sentences(
    cell: Shown, counts: np.ndarray, names: Sequence[str], totals: np.ndarray
) -> list[str]:
    """The commonest confusions, what is found at all, and what is left over."""
    size = len(names)
    confused = counts[:size, :size].copy()
    labelled, right, lost = totals[:size].sum(), confused.trace(), counts[:size, size].sum()
    np.fill_diagonal(confused, 0)

    def share(number: int) -> str:
        return f"{number:,} ({100 * number / labelled:.0f} %)" if labelled else "0"

    sentence = (
        f"Of {count(labelled, 'boxes')} {cell.short} finds {share(right)} with the right class and "
        f"{share(labelled - right - lost)} with a wrong one; {share(lost)} it does not find. "
        f"{count(totals[size], 'detections')} take no box: they lie poorly on one, are a second one "
        "of it, or lie on nothing."
    )
    texts = []
    for place in np.argsort(-confused, axis=None, kind="stable")[:3].tolist():
        first, second = divmod(place, size)
        if confused[first, second]:
            texts.append(
                f"{names[first]} taken for {names[second]} ({confused[first, second]:,} of "
                f"{count(totals[first], 'boxes')})"
            )
    if not texts:
        return [sentence, "No class is taken for another."]
    return [sentence, f"Most often confused: {'; '.join(texts)}."]
