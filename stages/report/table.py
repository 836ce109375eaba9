"""The tables of the report: columns with their definitions, the rows that stand in them, and the
average precision of every class."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stages.errors import InputError
from stages.results.cell import CellResult, ClassScore
from stages.study.metrics import METRICS
from stages.study.paths import EVALUATED
from stages.verdict.judgement import Judgement

MISSING = "n/a"
METRIC_LABELS = dict(
    zip(METRICS, ("mAP", "mAP50", "mAP75", "mAP small", "mAP medium", "mAP large"), strict=True)
)
# COCO's definitions: https://cocodataset.org/#detection-eval
_METRIC_DEFINITIONS = {
    "bbox_mAP": "mean of the average precision over classes and the IoU thresholds 0.50, 0.55, ... "
    "0.95",
    "bbox_mAP_50": "mean of the average precision over classes at IoU 0.50",
    "bbox_mAP_75": "mean of the average precision over classes at IoU 0.75",
    "bbox_mAP_s": "bbox_mAP over boxes with an area under 32 x 32 pixels",
    "bbox_mAP_m": "bbox_mAP over boxes with an area from 32 x 32 to 96 x 96 pixels",
    "bbox_mAP_l": "bbox_mAP over boxes with an area above 96 x 96 pixels",
}
_SPLIT_NOTES = {
    "val": "The checkpoint was chosen by val bbox_mAP_50, so the val numbers lean upwards.",
    "test": "The test images took no part in training or in choosing the checkpoint.",
}


@dataclass(frozen=True)
class Column:
    """One measured column. `better` is "higher", "lower" or "" (not ranked); values are ranked
    among the cells that share `within` (a key of the row), since not every number means the same in
    every detector."""

    key: str
    label: str
    definition: str
    value: Callable[[CellResult], float | int | None]
    digits: int = 3
    better: str = ""
    within: str = ""

    def text(self, value: float | int | None) -> str:
        if value is None:
            return MISSING
        if self.key == "parameters":
            return f"{value / 1e6:.2f} M" if value >= 1e4 else f"{value:d}"
        return f"{value:.{self.digits}f}"


def _score_column(split: str, metric: str) -> Column:
    return Column(
        key=f"{split}_{metric}",
        label=f"{split} {METRIC_LABELS[metric]}",
        definition=(
            f"{metric} on the {split} split: {_METRIC_DEFINITIONS[metric]} (COCO). "
            f"{_SPLIT_NOTES[split]}"
        ),
        value=lambda cell: cell.scores[split][metric],
        better="higher",
    )


def _cost_column(key: str, label: str, digits: int, definition: str) -> Column:
    return Column(key, label, definition, lambda cell: cell.measured.costs.get(key), digits)


TRAIN_LOSS_COLUMN = Column(
    "train_loss",
    "train loss",
    "Mean of the total training loss over the last epoch. Detectors add up different terms, so it "
    "is ranked within one detector only.",
    lambda cell: cell.train_loss,
    digits=4,
    better="lower",
    within="detector",
)
PARAMETERS = Column(
    "parameters",
    "parameters",
    "Number of parameters of the whole detector.",
    lambda cell: cell.parameters,
)
MINUTES = Column(
    "train_minutes",
    "train minutes",
    "Wall-clock minutes of training with its validations, on the machine and under the load of that "
    "moment.",
    lambda cell: cell.train_minutes,
    digits=1,
)
# (split, metric) -> its column; the metric that picks the checkpoint comes first.
SCORES = {}
for _metric in dict.fromkeys(("bbox_mAP_50", *METRICS)):
    for _split in EVALUATED:
        SCORES[_split, _metric] = _score_column(_split, _metric)
_SHOWN = [SCORES[split, metric] for metric in ("bbox_mAP_50", "bbox_mAP") for split in EVALUATED]
MAIN = (TRAIN_LOSS_COLUMN, *_SHOWN, PARAMETERS, MINUTES)
ALL = (TRAIN_LOSS_COLUMN, *SCORES.values(), PARAMETERS, MINUTES)
_MACHINE = "on the machine that the costs were measured on."
# What costs measures of a trained cell (stages/cost/measure.py).
COST_COLUMNS = (
    _cost_column(
        "latency_ms",
        "latency, ms",
        1,
        "Median milliseconds (p50) from one decoded image to its boxes, in fp32 and after a "
        f"warm-up, {_MACHINE}",
    ),
    _cost_column("images_per_second", "images/s", 1, f"Images a second in batches, {_MACHINE}"),
    _cost_column(
        "peak_memory_mib",
        "memory, MiB",
        0,
        "Most memory in use while single images are detected, the weights included: of the GPU, or "
        "of the process on a CPU.",
    ),
    _cost_column(
        "gmacs", "GMACs", 2, "Billions of multiply-adds for one image, RoI head included."
    ),
    _cost_column("size_mib", "checkpoint, MiB", 1, "Size of the best checkpoint's file."),
)


def measured(columns: Sequence[Column], cells: Sequence[CellResult]) -> tuple[Column, ...]:
    """Those in which at least one cell has a value."""
    result = []
    for column in columns:
        if any(column.value(cell) is not None for cell in cells):
            result.append(column)
    return tuple(result)


def label_of(metric: str) -> str:
    """A metric of history.csv in words: val/bbox_mAP_50 is val mAP50."""
    split, _, key = metric.partition("/")
    return f"{split} {METRIC_LABELS.get(key, key)}"


def in_order(cells: Sequence[CellResult], listed: Sequence[str]) -> list[CellResult]:
    """`cells` in the order of params.yaml. Raises InputError for none, an unlisted or a repeated
    cell."""
    names = [cell.name for cell in cells]
    if not names:
        raise InputError(
            "no cell to report; look at backbone and neck in params.yaml, or run `dvc repro`"
        )
    wrong = sorted(name for name in set(names) if name not in listed or names.count(name) > 1)
    if wrong:
        raise InputError(f"cells that params.yaml does not list once: {', '.join(wrong)}")
    return sorted(cells, key=lambda cell: list(listed).index(cell.name))


def extreme(column: Column, cells: Sequence[CellResult]) -> CellResult | None:
    """The first cell of the highest, or where lower is better the lowest, value."""
    measured = [cell for cell in cells if column.value(cell) is not None]
    if not measured or not column.better:
        return None
    return (min if column.better == "lower" else max)(measured, key=column.value)


def marked(column: Column, cells: Sequence[CellResult]) -> dict[str, str]:
    """Cells that hold the extreme value of `column`, with the words that say among what."""
    groups: dict[str, list[CellResult]] = {}
    for cell in cells:
        group = str(cell.row[column.within]) if column.within else ""
        groups.setdefault(group, []).append(cell)
    word = {"higher": "highest", "lower": "lowest"}.get(column.better, "")
    marks = {}
    for group, members in groups.items():
        top = extreme(column, members)
        if top is None or len(members) < 2:
            continue
        words = f"{word} of {group}" if len(groups) > 1 else word
        for cell in members:
            if column.value(cell) == column.value(top):
                marks[cell.name] = words
    return marks


def shown_rows(cells: Sequence[CellResult], judgement: Judgement) -> list[CellResult]:
    """A row for each of `cells`. The rows that repeat a cell keep their own numbers."""
    by_name = {cell.name: cell for cell in cells}
    rows = []
    for cell in cells:
        names = judgement.repeats.get(cell.name, ())
        repeats = [by_name[name] for name in names if name in by_name]
        rows.append(_mean(cell, repeats, judgement) if len(repeats) > 1 else cell)
    return rows


def _mean(cell: CellResult, repeats: Sequence[CellResult], judgement: Judgement) -> CellResult:
    """Scores as judged, the mean train loss, and of the costs the middle one, as in the choice."""
    scores = {}
    for split, values in cell.scores.items():
        scores[split] = dict(values)
        for metric in values:
            estimate = judgement.estimates[cell.name].get(f"{split}/{metric}")
            scores[split][metric] = None if estimate is None else estimate.value
    costs = {}
    for key in cell.measured.costs:
        values = [repeat.measured.costs.get(key) for repeat in repeats]
        costs[key] = _average(statistics.median, values)
    return dataclasses.replace(
        cell,
        scores=scores,
        train_loss=_average(statistics.fmean, [repeat.train_loss for repeat in repeats]),
        train_minutes=_average(statistics.median, [repeat.train_minutes for repeat in repeats]),
        measured=dataclasses.replace(cell.measured, costs=costs),
    )


def _average(
    function: Callable[[list[float]], float], values: Sequence[float | None]
) -> float | None:
    """`function` of the values that were measured; None where none was."""
    numbers = [value for value in values if value is not None]
    return function(numbers) if numbers else None


@dataclass(frozen=True)
class ClassTable:
    """boxes: of each class, the most that any cell knows of. rows: a cell and its score of each
    class that it knows."""

    metric: str
    label: str
    boxes: dict[str, int]
    rows: list[tuple[CellResult, dict[str, ClassScore]]]


def class_tables(cells: Sequence[CellResult]) -> list[ClassTable]:
    """AP50 and AP of val and test; a class that any cell knows has a column in all of them."""
    tables = []
    for metric in ("AP50", "AP"):
        for split in EVALUATED:
            boxes: dict[str, int] = {}
            rows = []
            for cell in cells:
                scores = {score.name: score for score in cell.per_class.get(split, ())}
                rows.append((cell, scores))
                for name, score in scores.items():
                    boxes[name] = max(boxes.get(name, 0), score.boxes)
            tables.append(ClassTable(metric, f"{split} {metric}", boxes, rows))
    return tables
