"""Bars with 95 % intervals for each class and size, several cells side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.report.pictures.shown_cells import Shown, ShownCells
from stages.report.results import SPLITS
from stages.study.metrics import MIN_BOXES
from stages.verdict.estimates import Estimate
from stages.verdict.judgement import Group, Judgement

METRICS = {
    "AP50": ("bbox_mAP_50", "average precision at IoU 0.50"),
    "AP": ("bbox_mAP", "average precision, the mean over IoU 0.50 to 0.95"),
}
# Tops of the axis with the distance of its lines; the lowest that holds every bar and interval is
# taken.
AXES = ((0.05, 0.01), (0.1, 0.02), (0.25, 0.05), (0.5, 0.1), (1.0, 0.2))
# Classes with fewer boxes than these many others are left to the table of classes, so that the page
# stays small.
MOST_CLASSES = 40
_MOST_BARS = 3000


@dataclass(frozen=True)
class Bar:
    """width, left, right: of the bar and its interval, in percent of the axis; value and interval:
    the same as text."""

    cell: Shown
    width: float
    left: float
    right: float
    value: str
    interval: str
    title: str


@dataclass(frozen=True)
class Row:
    """A class, a size or their mean; `bars` holds those of the first two cells and, after them, of
    every other one."""

    name: str
    note: str
    thin: bool
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Chart:
    """One metric on one split. key: "val-AP50"; step: distance of the axis' lines in percent of
    it."""

    key: str
    label: str
    definition: str
    top: float
    lines: float
    step: float
    sentences: tuple[str, ...]
    sizes: tuple[Row, ...]
    classes: tuple[Row, ...]


@dataclass(frozen=True)
class Groups:
    """first: the cells whose bars are always shown, at most two; others: those to be picked beside
    them; absent: a sentence on cells without estimates."""

    charts: tuple[Chart, ...]
    first: tuple[Shown, ...]
    others: tuple[Shown, ...]
    thin: int
    absent: str


def groups(shown: ShownCells, judgement: Judgement) -> Groups:
    """The charts of judgement.groups: AP50 and AP on val and test, those without any box left
    out."""
    cells = [cell for cell in shown.cells if any(judgement.groups.get(cell.name, {}).values())]
    lacking = [cell.short for cell in shown.cells if cell not in cells]
    rows = max(
        (len(table) for cell in cells for table in judgement.groups[cell.name].values()), default=0
    )
    drawn = cells[: max(2, _MOST_BARS // max(1, 4 * min(rows, MOST_CLASSES + 3)))]
    order = sorted(SPLITS, key=lambda split: split != judgement.metric.split("/")[0])
    charts = [_chart(drawn, judgement, split, metric) for split in order for metric in METRICS]
    absent = (
        f"Left out, for there are no estimates of its classes: {', '.join(lacking)}."
        if lacking
        else ""
    )
    return Groups(
        tuple(chart for chart in charts if chart),
        tuple(drawn[:2]),
        tuple(drawn[2:]),
        MIN_BOXES,
        absent,
    )


def _chart(cells: Sequence[Shown], judgement: Judgement, split: str, metric: str) -> Chart | None:
    tables = {
        cell.name: {
            (group.kind, group.name): group for group in judgement.groups[cell.name].get(split, ())
        }
        for cell in cells
    }
    keys = list(dict.fromkeys(key for table in tables.values() for key in table))
    boxes = {
        key: max(table[key].boxes for table in tables.values() if key in table) for key in keys
    }
    classes = sorted((key for key in keys if key[0] == "class"), key=lambda key: -boxes[key])
    if not any(boxes[key] for key in classes):
        return None
    name, definition = METRICS[metric]
    means = {
        cell.name: judgement.estimates.get(cell.name, {}).get(f"{split}/{name}") for cell in cells
    }
    found = {
        key: {cell.name: _estimate(tables[cell.name].get(key), metric) for cell in cells}
        for key in keys
    }
    highest = max(
        (
            max(one.value, one.high)
            for column in (means, *found.values())
            for one in column.values()
            if one
        ),
        default=0.0,
    )
    top, lines = next(axis for axis in AXES if highest <= axis[0] or axis[0] == 1.0)
    label = f"{split} {metric}"

    def row(title: str, count: int, estimates: dict[str, Estimate | None], note: str = "") -> Row:
        thin = count < MIN_BOXES
        return Row(
            title,
            note or _count(count),
            thin and count > 0,
            tuple(
                _bar(cell, estimates[cell.name], top, f"{title}: {label}", count)
                for cell in cells
                if estimates[cell.name] is not None
            ),
        )

    present = [key for key in classes if boxes[key]]
    total = sum(boxes[key] for key in classes)
    mean = f"mean over {len(present)} of {len(classes)} classes, {_count(total)}"
    sizes = [key for key in keys if key[0] == "size"]
    return Chart(
        f"{split}-{metric}",
        label,
        f"{label}: {definition} (COCO), on the {split} split",
        top,
        lines,
        100 * lines / top,
        tuple(_sentences(cells, classes, sizes, boxes, found, label)),
        (
            row("all boxes", total, means, mean),
            *(row(key[1], boxes[key], found[key]) for key in sizes),
        ),
        tuple(row(key[1], boxes[key], found[key]) for key in classes[:MOST_CLASSES]),
    )


def _estimate(group: Group | None, metric: str) -> Estimate | None:
    return None if group is None else getattr(group, metric)


def _bar(cell: Shown, one: Estimate, top: float, what: str, boxes: int) -> Bar:
    interval = f"{one.low:.3f} to {one.high:.3f}"
    runs = f", mean of {one.runs[0]} runs" if one.runs and one.runs[0] > 1 else ""
    title = (
        f"{what} = {one.value:.4f}{runs}\n95 % interval {interval}, {_count(boxes)}"
        f"{', thin: decides nothing' if boxes < MIN_BOXES else ''}\n{cell.name}\nrun {cell.run}"
    )
    return Bar(
        cell,
        *(
            round(100 * min(max(value, 0.0), top) / top, 2)
            for value in (one.value, one.low, one.high)
        ),
        f"{one.value:.3f}",
        interval,
        title,
    )


def _sentences(
    cells: Sequence[Shown],
    classes: Sequence[tuple[str, str]],
    sizes: Sequence[tuple[str, str]],
    boxes: dict[tuple[str, str], int],
    found: dict,
    label: str,
) -> list[str]:
    empty = [key[1] for key in classes if not boxes[key]]
    told = []
    if empty:
        told.append(
            f"The mean runs over {len(classes) - len(empty)} of {len(classes)} classes; without a box, and so "
            f"n/a: {_some(empty)}."
        )
    thin = [key for key in classes if 0 < boxes[key] < MIN_BOXES]
    slim = [key[1] for key in sizes if 0 < boxes[key] < MIN_BOXES]
    if thin or slim:
        parts = [f"{len(thin)} of {len(classes)} classes"] * bool(thin) + [
            f"the sizes {', '.join(slim)}" if len(slim) > 1 else f"the size {''.join(slim)}"
        ] * bool(slim)
        told.append(
            f"Thin, with fewer than {MIN_BOXES} boxes: {' and '.join(parts)}. They decide nothing."
        )
    for cell in cells[:1]:
        solid = [
            (found[key][cell.name].value, key[1])
            for key in classes
            if boxes[key] >= MIN_BOXES and found[key][cell.name]
        ]
        if len(solid) > 1:
            high, low = max(solid), min(solid)
            told.append(
                f"{cell.short} has its highest {label} in {high[1]}, {high[0]:.3f}, and its lowest in "
                f"{low[1]}, {low[0]:.3f}, of the {len(solid)} classes with {MIN_BOXES} boxes or more."
            )
    if len(classes) > MOST_CLASSES:
        told.append(
            f"Drawn are the {MOST_CLASSES} classes with most boxes; {len(classes) - MOST_CLASSES} more count "
            "in the mean."
        )
    return told


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _count(number: int) -> str:
    return f"{number:,} box{'' if number == 1 else 'es'}"
