"""What keeps each cell from a perfect mAP50: TIDE's six kinds of error as bars, and what classes
that are never found take from the mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.analysis.tide import KINDS
from stages.report.pictures.shown_cells import Shown, ShownCells
from stages.report.verdicts.card import NEAR_ZERO
from stages.verdict.wording import shortened

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


@dataclass(frozen=True)
class Bar:
    """kind: of KINDS, or "never found"; width: percent of the largest cost on the page."""

    kind: str
    width: float
    text: str
    most: bool
    title: str


@dataclass(frozen=True)
class Row:
    """never_found: what the classes that the cell does not find would add, each found perfectly."""

    cell: Shown
    AP50: str
    bars: tuple[Bar, ...]
    never_found: Bar


@dataclass(frozen=True)
class Errors:
    """Without rows the sentence says why; absent: on cells whose details lack this part, or ""."""

    rows: tuple[Row, ...]
    kinds: tuple[tuple[str, str, str], ...]
    split: str
    sentences: tuple[str, ...]
    absent: str


def errors(study: ShownCells) -> Errors:
    """Cells in the order of the pictures, costs as dAP50 of tide.effects()."""
    cells, absent = study.having("errors", "per_class")
    kinds = tuple((kind, *WORDS[kind]) for kind in KINDS)
    measured = []
    for cell in cells:
        details = cell.splits[study.split]
        if details["errors"].get("AP50") is not None:
            classes = [entry for entry in details["per_class"] if entry["boxes"]]
            measured.append((cell, details["errors"], classes))
    if not measured:
        nothing = "No cell has its errors by kind."
        if cells:
            nothing = f"The {study.split} split has no box: there is no error to find."
        return Errors((), kinds, study.split, (nothing,), absent)
    highest = max(max(*effect["dAP"].values(), _lost(classes)) for _, effect, classes in measured)
    rows = []
    for cell, effect, classes in measured:
        bars = _bars(cell, effect, study.split, highest)
        rows.append(Row(cell, f"{effect['AP50']:.3f}", bars, _never_found(cell, classes, highest)))
    cell, effect, classes = measured[0]
    sentences = [
        *_costliest(cell, effect["dAP"]),
        *_zero_classes(classes, effect),
        *_over_cells([effect["dAP"] for _, effect, _ in measured]),
    ]
    return Errors(tuple(rows), kinds, study.split, tuple(sentences), absent)


def _bars(cell: Shown, effect: Mapping[str, Any], split: str, highest: float) -> tuple[Bar, ...]:
    worst = max(effect["dAP"].values())
    bars = []
    for kind in KINDS:
        cost, number = effect["dAP"][kind], effect["count"][kind]
        title = (
            f"{kind}: {split} mAP50 would rise by {cost:.4f}, from {effect['AP50']:.4f}, without "
            f"these {number:,} errors\n{WORDS[kind][1]}\n{cell.title}"
        )
        most = cost == worst and cost > 0
        bars.append(Bar(kind, _width(cost, highest), f"{cost:.3f}", most, title))
    return tuple(bars)


def _weak(classes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [entry for entry in classes if (entry["AP50"] or 0.0) <= NEAR_ZERO]


def _lost(classes: Sequence[Mapping[str, Any]]) -> float:
    """What mAP50 would gain, were the classes at or near zero found perfectly."""
    missing = [1.0 - (entry["AP50"] or 0.0) for entry in _weak(classes)]
    return sum(missing) / len(classes) if classes else 0.0


def _never_found(cell: Shown, classes: Sequence[Mapping[str, Any]], highest: float) -> Bar:
    cost = _lost(classes)
    names = [f"{entry['class']} ({entry['boxes']:,} boxes)" for entry in _weak(classes)]
    title = f"every class has an AP50 over {NEAR_ZERO:g}"
    if names:
        title = f"AP50 of {NEAR_ZERO:g} or less: {', '.join(names)}"
    return Bar("never found", _width(cost, highest), f"{cost:.3f}", False, f"{title}\n{cell.title}")


def _width(cost: float, highest: float) -> float:
    return round(100 * cost / highest, 2) if highest else 0.0


def _costliest(cell: Shown, costs: Mapping[str, float]) -> list[str]:
    order = sorted(KINDS, key=lambda kind: -costs[kind])
    worst, second = order[0], order[1]
    if not costs[worst]:
        return [f"{cell.short}: without any one kind of error its mAP50 would be the same."]
    sentences = [
        f"{cell.short} loses most by {worst} ({WORDS[worst][0]}): without such errors its mAP50 "
        f"would be {costs[worst]:.3f} higher."
    ]
    if worst == "classification":
        sentences.append(
            "The boxes are right and the class is wrong, more than anything else; "
            f"{second} follows with {costs[second]:.3f}."
        )
    else:
        place = order.index("classification") + 1
        sentences.append(
            f"A right box with a wrong class costs it {costs['classification']:.3f}, number "
            f"{place} of the {len(KINDS)} kinds."
        )
    return sentences


def _zero_classes(classes: Sequence[Mapping[str, Any]], effect: Mapping[str, Any]) -> list[str]:
    """What the mean loses by classes at zero, and why the kinds of error hardly show it."""
    weak = _weak(classes)
    if not weak:
        return []
    names = shortened([entry["class"] for entry in weak], _MOST_NAMES)
    missed = effect["dAP"]["missed"]
    return [
        f"It hardly finds {', '.join(names)} (AP50 of {NEAR_ZERO:g} or less): {len(weak)} of "
        f"{len(classes)} classes. Found perfectly, they would add {_lost(classes):.3f}. The kinds "
        f"of error do not show this: missed ({missed:.3f}) only takes missed boxes out of what is "
        "to be found, and a class of which nothing is right and something is wrong stays at zero."
    ]


def _over_cells(costs_of_cells: Sequence[Mapping[str, float]]) -> list[str]:
    worst: Counter[str] = Counter()
    for costs in costs_of_cells:
        if any(costs.values()):
            worst[max(KINDS, key=costs.__getitem__)] += 1
    if len(costs_of_cells) < 2 or not worst:
        return []
    listed = ", ".join(f"{kind} in {number}" for kind, number in worst.most_common())
    return [f"The costliest kind: {listed} of {len(costs_of_cells)} cells."]
