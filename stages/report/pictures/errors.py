"""What keeps each cell from a perfect mAP50, in TIDE's six kinds of error, as a table of bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stages.analysis.tide import KINDS
from stages.report.pictures.details import Shown, Study

# TIDE's names in the words of a sentence, and what each means (arXiv:2008.08115, section 2.2).
WORDS = {
    "classification": ("a wrong class", "The box is right, IoU 0.5 or more, and the class is wrong."),
    "localisation": ("a poor box", "The class is right and the box is off, IoU 0.1 to 0.5."),
    "both": ("a wrong class on a poor box", "The class is wrong and the box is off."),
    "duplicate": ("a second detection of a box", "The box was found already by a higher score."),
    "background": ("a detection of nothing", "No box is there, IoU 0.1 at most."),
    "missed": ("a missed box", "No detection finds the box or means it."),
}


@dataclass(frozen=True)
class Bar:
    """kind: of KINDS; width: percent of the largest cost on the page; count: how many such errors, None if unknown."""

    kind: str
    width: float
    text: str
    most: bool
    title: str


@dataclass(frozen=True)
class Row:
    cell: Shown
    AP50: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Errors:
    """Without rows the sentence says why; absent: a sentence on cells whose details lack this part, or ""."""

    rows: tuple[Row, ...]
    kinds: tuple[tuple[str, str, str], ...]
    split: str
    sentences: tuple[str, ...]
    absent: str


def errors(study: Study) -> Errors:
    """Cells in the order of the pictures, costs as dAP50 of tide.effects()."""
    cells, absent = study.having("errors")
    effects = {cell.name: cell.splits[study.split]["errors"] for cell in cells}
    known = [cell for cell in cells if effects[cell.name].get("AP50") is not None]
    kinds = tuple((kind, *WORDS[kind]) for kind in KINDS)
    if not known:
        nothing = (f"The {study.split} split has no box: there is no error to tell from a right detection." if cells
                   else "No cell has its errors by kind.")
        return Errors((), kinds, study.split, (nothing,), absent)
    highest = max(max(effects[cell.name]["dAP"].values()) for cell in known)
    rows = tuple(Row(cell, f"{effects[cell.name]['AP50']:.3f}", _bars(cell, effects[cell.name], study.split, highest))
                 for cell in known)
    return Errors(rows, kinds, study.split, tuple(_sentences(known, effects)), absent)


def _bars(cell: Shown, effect: dict[str, Any], split: str, highest: float) -> tuple[Bar, ...]:
    worst = max(effect["dAP"].values())
    bars = []
    for kind in KINDS:
        cost, count = effect["dAP"][kind], effect["count"][kind]
        title = (f"{kind}: {split} mAP50 would rise by {cost:.4f}, from {effect['AP50']:.4f}, if these {count:,} "
                 f"errors were mended\n{WORDS[kind][1]}\n{cell.name}\nrun {cell.run}")
        bars.append(Bar(kind, round(100 * cost / highest, 2) if highest else 0.0, f"{cost:.3f}",
                        cost == worst and cost > 0, title))
    return tuple(bars)


def _sentences(cells: Sequence[Shown], effects: dict[str, dict[str, Any]]) -> list[str]:
    told = []
    first = cells[0]
    costs = effects[first.name]["dAP"]
    order = sorted(KINDS, key=lambda kind: -costs[kind])
    if not costs[order[0]]:
        told.append(f"{first.name}: mending any one kind of error would add nothing to its mAP50.")
    else:
        worst = order[0]
        told.append(f"{first.name} loses most by {worst} ({WORDS[worst][0]}): without such errors its mAP50 would be "
                    f"{costs[worst]:.3f} higher.")
        if worst != "classification":
            told.append(f"The box right and the class wrong costs it {costs['classification']:.3f}, number "
                        f"{order.index('classification') + 1} of the {len(KINDS)} kinds.")
        else:
            told.append(f"The boxes are right and the class is wrong, more than anything else; {order[1]} follows with "
                        f"{costs[order[1]]:.3f}.")
    if len(cells) > 1:
        worst = Counter(max(KINDS, key=effects[cell.name]["dAP"].__getitem__) for cell in cells
                        if any(effects[cell.name]["dAP"].values()))
        if worst:
            each = ", ".join(f"{kind} in {number}" for kind, number in worst.most_common())
            told.append(f"The costliest kind: {each} of {len(cells)} cells.")
    return told
