"""Bars with 95 % intervals for each class and size, several cells side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.report.pictures.shown_cells import Shown, ShownCells
from stages.study.counts import count, form
from stages.study.group_metrics import MIN_BOXES
from stages.study.paths import EVALUATED
from stages.verdict.estimates import Estimate
from stages.verdict.judgement import Judgement

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

# The kind and name of a Group; and cell -> its estimate, None where nothing is measured.
Key = tuple[str, str]
Estimates = dict[str, Estimate | None]


@dataclass(frozen=True)
class Bar:
    """width, left, right: of the bar and its interval, in percent of the axis."""

    cell: Shown
    width: float
    left: float
    right: float
    value: str
    interval: str
    title: str


@dataclass(frozen=True)
class Row:
    """A class, a size or their mean, with the bars of the cells, the first two first."""

    name: str
    note: str
    thin: bool
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Chart:
    """One metric on one split. step: distance of the axis' lines in percent of it."""

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


def groups(study: ShownCells, judgement: Judgement) -> Groups:
    """AP50 and AP on val and test, those without any box left out."""
    cells, lacking = [], []
    rows = 0
    for cell in study.cells:
        tables = judgement.groups.get(cell.name, {}).values()
        if any(tables):
            cells.append(cell)
            rows = max(rows, *map(len, tables))
        else:
            lacking.append(cell.short)
    drawn = cells[: max(2, _MOST_BARS // max(1, 4 * min(rows, MOST_CLASSES + 3)))]
    charts = []
    for split in sorted(EVALUATED, key=lambda split: split != judgement.metric.split("/")[0]):
        for metric in METRICS:
            chart = _Table(drawn, judgement, split, metric).chart()
            if chart:
                charts.append(chart)
    absent = ""
    if lacking:
        absent = f"Left out, for there are no estimates of its classes: {', '.join(lacking)}."
    return Groups(tuple(charts), tuple(drawn[:2]), tuple(drawn[2:]), MIN_BOXES, absent)


class _Table:
    """One metric on one split: (kind, name) of each class and size -> cell -> its estimate."""

    def __init__(
        self, cells: Sequence[Shown], judgement: Judgement, split: str, metric: str
    ) -> None:
        self.cells = cells
        self.split = split
        self.metric = metric
        self.label = f"{split} {metric}"
        self.boxes: dict[Key, int] = {}
        self.estimates: dict[Key, Estimates] = {}
        self.means: Estimates = {}
        name, self.definition = METRICS[metric]
        for cell in cells:
            self.means[cell.name] = judgement.estimates.get(cell.name, {}).get(f"{split}/{name}")
            for group in judgement.groups[cell.name].get(split, ()):
                key = (group.kind, group.name)
                self.boxes[key] = max(group.boxes, self.boxes.get(key, 0))
                self.estimates.setdefault(key, {})[cell.name] = getattr(group, metric)
        keys = sorted(self.boxes, key=lambda key: -self.boxes[key])
        self.classes = [key for key in keys if key[0] == "class"]
        self.sizes = [key for key in self.boxes if key[0] == "size"]
        self.top, self.lines = self._axis()

    def chart(self) -> Chart | None:
        """None where no class has a box."""
        present = sum(self.boxes[key] > 0 for key in self.classes)
        if not present:
            return None
        total = sum(self.boxes[key] for key in self.classes)
        mean = f"mean over {present} of {len(self.classes)} classes, {count(total, 'boxes')}"
        sizes = [self._row("all boxes", total, self.means, mean)]
        sizes += map(self._row_of, self.sizes)
        return Chart(
            key=f"{self.split}-{self.metric}",
            label=self.label,
            definition=f"{self.label}: {self.definition} (COCO), on the {self.split} split",
            top=self.top,
            lines=self.lines,
            step=100 * self.lines / self.top,
            sentences=tuple(self._sentences()),
            sizes=tuple(sizes),
            classes=tuple(map(self._row_of, self.classes[:MOST_CLASSES])),
        )

    def _axis(self) -> tuple[float, float]:
        highest = 0.0
        for estimates in (self.means, *self.estimates.values()):
            for estimate in estimates.values():
                if estimate:
                    highest = max(highest, estimate.value, estimate.high)
        for top, lines in AXES:
            if highest <= top:
                return top, lines
        return AXES[-1]

    def _row_of(self, key: Key) -> Row:
        return self._row(
            key[1], self.boxes[key], self.estimates[key], count(self.boxes[key], "boxes")
        )

    def _row(self, name: str, boxes: int, estimates: Estimates, note: str) -> Row:
        bars = []
        for cell in self.cells:
            estimate = estimates.get(cell.name)
            if estimate is not None:
                bars.append(self._bar(cell, name, estimate, boxes))
        return Row(name, note, 0 < boxes < MIN_BOXES, tuple(bars))

    def _bar(self, cell: Shown, name: str, estimate: Estimate, boxes: int) -> Bar:
        interval = f"{estimate.low:.3f} to {estimate.high:.3f}"
        runs = ""
        if estimate.runs and estimate.runs[0] > 1:
            runs = f", mean of {estimate.runs[0]} runs"
        thin = ", thin: decides nothing" if boxes < MIN_BOXES else ""
        title = (
            f"{name}: {self.label} = {estimate.value:.4f}{runs}\n"
            f"95 % interval {interval}, {count(boxes, 'boxes')}{thin}\n{cell.name}\nrun {cell.run}"
        )
        return Bar(
            cell=cell,
            width=self._percent(estimate.value),
            left=self._percent(estimate.low),
            right=self._percent(estimate.high),
            value=f"{estimate.value:.3f}",
            interval=interval,
            title=title,
        )

    def _percent(self, value: float) -> float:
        return round(100 * min(max(value, 0.0), self.top) / self.top, 2)

    def _sentences(self) -> list[str]:
        number = len(self.classes)
        sentences = []
        empty = [key[1] for key in self.classes if not self.boxes[key]]
        if empty:
            sentences.append(
                f"The mean runs over {number - len(empty)} of {number} classes; without a box, "
                f"and so n/a: {_some(empty)}."
            )
        thin = self._thin()
        if thin:
            sentences.append(
                f"Thin, with fewer than {MIN_BOXES} boxes: {' and '.join(thin)}. They decide nothing."
            )
        sentences += self._extremes()
        if number > MOST_CLASSES:
            sentences.append(
                f"Drawn are the {MOST_CLASSES} classes with most boxes; {number - MOST_CLASSES} "
                "more count in the mean."
            )
        return sentences

    def _thin(self) -> list[str]:
        """How many classes, and which sizes, rest on too few boxes."""
        classes = sum(0 < self.boxes[key] < MIN_BOXES for key in self.classes)
        sizes = [key[1] for key in self.sizes if 0 < self.boxes[key] < MIN_BOXES]
        parts = []
        if classes:
            parts.append(f"{classes} of {len(self.classes)} classes")
        if sizes:
            parts.append(f"the {form(len(sizes), 'size', 'sizes')} {', '.join(sizes)}")
        return parts

    def _extremes(self) -> list[str]:
        """Of the first cell the classes in which it is best and worst."""
        if not self.cells:
            return []
        cell = self.cells[0]
        solid = []
        for key in self.classes:
            estimate = self.estimates[key].get(cell.name)
            if self.boxes[key] >= MIN_BOXES and estimate:
                solid.append((estimate.value, key[1]))
        if len(solid) < 2:
            return []
        high, low = max(solid), min(solid)
        return [
            f"{cell.short} has its highest {self.label} in {high[1]}, {high[0]:.3f}, and its "
            f"lowest in {low[1]}, {low[0]:.3f}, of the {len(solid)} classes with {MIN_BOXES} "
            "boxes or more."
        ]


def _some(names: Sequence[str]) -> str:
    text = ", ".join(names[:8])
    if len(names) > 8:
        text += f" and {len(names) - 8} more"
    return text
