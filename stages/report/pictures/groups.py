"""Bars with 95 % intervals for each class and size, several cells side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.report.shown_cells import Shown, ShownCells
from stages.report.texts import ends_text
from stages.study.counts import count, form, shortened
from stages.study.group_metrics import MIN_BOXES
from stages.study.paths import EVALUATED
from stages.verdict.estimates import Estimate
from stages.verdict.judgement import Judgement

GROUP_METRICS = {
    "AP50": ("bbox_mAP_50", "average precision at IoU 0.50"),
    "AP": ("bbox_mAP", "average precision, the mean over IoU 0.50 to 0.95"),
}
# Tops of the axis with the distance of its lines; the lowest that holds every bar and interval is
# taken.
AXES = ((0.05, 0.01), (0.1, 0.02), (0.25, 0.05), (0.5, 0.1), (1.0, 0.2))
# Classes with fewer boxes than these many others are left to the table of classes, so that the page
# stays small.
CHART_CLASS_LIMIT = 40
_MOST_BARS = 3000
_MOST_NAMES = 8

# The kind and name of a Group; and cell -> its estimate, None where nothing is measured.
Key = tuple[str, str]
CellEstimates = dict[str, Estimate | None]


@dataclass(frozen=True)
class GroupBar:
    """width, left, right: of the bar and its interval, in percent of the axis."""

    cell: Shown
    width: float
    left: float
    right: float
    estimate: Estimate
    title: str


@dataclass(frozen=True)
class GroupRow:
    """A class, a size or their mean, with the bars of the cells, the first two first."""

    name: str
    note: str
    thin: bool
    bars: list[GroupBar]


@dataclass(frozen=True)
class Groups:
    """first: the cells whose bars are always shown, at most two; others: those to be picked beside
    them; absent: a sentence on cells without estimates."""

    charts: list[GroupChart]
    first: list[Shown]
    others: list[Shown]
    thin: int
    absent: str


def group_charts(study: ShownCells, judgement: Judgement) -> Groups:
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
    drawn = cells[: max(2, _MOST_BARS // max(1, 4 * min(rows, CHART_CLASS_LIMIT + 3)))]
    charts = []
    for split in sorted(EVALUATED, key=lambda split: split != judgement.metric.split("/")[0]):
        for metric in GROUP_METRICS:
            chart = GroupChart(drawn, judgement, split, metric)
            if chart.present:
                charts.append(chart)
    absent = ""
    if lacking:
        absent = f"Left out, for there are no estimates of its classes: {', '.join(lacking)}."
    return Groups(charts, drawn[:2], drawn[2:], MIN_BOXES, absent)


class GroupChart:
    """One metric on one split. present: how many classes have a box; lines: distance of the axis'
    lines, in the metric's units; sizes, classes: their rows.

    boxes, estimates: of each class and size, and cell -> its estimate, None where nothing is
    measured. The classes of most boxes come first.
    """

    def __init__(
        self, cells: Sequence[Shown], judgement: Judgement, split: str, metric: str
    ) -> None:
        self.cells = cells
        self.key = f"{split}-{metric}"
        self.label = f"{split} {metric}"
        name, meaning = GROUP_METRICS[metric]
        self.definition = f"{self.label}: {meaning} (COCO), on the {split} split"
        self.boxes: dict[Key, int] = {}
        self.estimates: dict[Key, CellEstimates] = {}
        means: CellEstimates = {}
        for cell in cells:
            means[cell.name] = judgement.estimates.get(cell.name, {}).get(f"{split}/{name}")
            for group in judgement.groups[cell.name].get(split, ()):
                key = (group.kind, group.name)
                self.boxes[key] = max(group.boxes, self.boxes.get(key, 0))
                self.estimates.setdefault(key, {})[cell.name] = getattr(group, metric)
        highest = 0.0
        for estimates in (means, *self.estimates.values()):
            for estimate in filter(None, estimates.values()):
                highest = max(highest, estimate.value, estimate.high)
        self.top, self.lines = next((axis for axis in AXES if highest <= axis[0]), AXES[-1])
        keys = sorted(self.boxes, key=lambda key: -self.boxes[key])
        self.class_keys = [key for key in keys if key[0] == "class"]
        self.size_keys = [key for key in self.boxes if key[0] == "size"]
        self.present = sum(self.boxes[key] > 0 for key in self.class_keys)
        total = sum(self.boxes[key] for key in self.class_keys)
        mean = (
            f"mean over {self.present} of {len(self.class_keys)} classes, {count(total, 'boxes')}"
        )
        self.sizes = [self._row("all boxes", total, means, mean)]
        self.sizes += map(self._row_of, self.size_keys)
        self.classes = list(map(self._row_of, self.class_keys[:CHART_CLASS_LIMIT]))
        self.sentences = self._sentences()

    def _row_of(self, key: Key) -> GroupRow:
        return self._row(
            key[1], self.boxes[key], self.estimates[key], count(self.boxes[key], "boxes")
        )

    def _row(self, name: str, boxes: int, estimates: CellEstimates, note: str) -> GroupRow:
        bars = []
        for cell in self.cells:
            estimate = estimates.get(cell.name)
            if estimate is not None:
                bars.append(self._bar(cell, name, estimate, boxes))
        return GroupRow(name, note, 0 < boxes < MIN_BOXES, bars)

    def _bar(self, cell: Shown, name: str, estimate: Estimate, boxes: int) -> GroupBar:
        runs = ""
        if estimate.runs and estimate.runs[0] > 1:
            runs = f", mean of {estimate.runs[0]} runs"
        thin = ", thin: decides nothing" if boxes < MIN_BOXES else ""
        title = (
            f"{name}: {self.label} = {estimate.value:.4f}{runs}\n"
            f"95 % interval {ends_text(estimate.low, estimate.high)}, {count(boxes, 'boxes')}{thin}\n{cell.title}"
        )
        ends = []
        for value in (estimate.value, estimate.low, estimate.high):
            ends.append(round(100 * min(max(value, 0.0), self.top) / self.top, 2))
        return GroupBar(cell, *ends, estimate, title)

    def _sentences(self) -> list[str]:
        number = len(self.class_keys)
        sentences = []
        empty = [key[1] for key in self.class_keys if not self.boxes[key]]
        if empty:
            sentences.append(
                f"The mean runs over {number - len(empty)} of {number} classes; without a box, "
                f"and so n/a: {', '.join(shortened(empty, _MOST_NAMES))}."
            )
        thin = []
        classes = sum(0 < self.boxes[key] < MIN_BOXES for key in self.class_keys)
        if classes:
            thin.append(f"{classes} of {number} classes")
        sizes = [key[1] for key in self.size_keys if 0 < self.boxes[key] < MIN_BOXES]
        if sizes:
            thin.append(f"the {form(len(sizes), 'size', 'sizes')} {', '.join(sizes)}")
        if thin:
            sentences.append(
                f"Thin, with fewer than {MIN_BOXES} boxes: {' and '.join(thin)}. They decide nothing."
            )
        sentences += self._extremes()
        if number > CHART_CLASS_LIMIT:
            sentences.append(
                f"Drawn are the {CHART_CLASS_LIMIT} classes with most boxes; "
                f"{number - CHART_CLASS_LIMIT} more count in the mean."
            )
        return sentences

    def _extremes(self) -> list[str]:
        """Of the first cell the classes in which it is best and worst."""
        solid = []
        for key in self.class_keys:
            estimate = self.estimates[key].get(self.cells[0].name)
            if self.boxes[key] >= MIN_BOXES and estimate:
                solid.append((estimate.value, key[1]))
        if len(solid) < 2:
            return []
        high, low = max(solid), min(solid)
        return [
            f"{self.cells[0].short} has its highest {self.label} in {high[1]}, {high[0]:.3f}, and its "
            f"lowest in {low[1]}, {low[0]:.3f}, of the {len(solid)} classes with {MIN_BOXES} "
            "boxes or more."
        ]
