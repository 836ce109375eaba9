"""The comparison as numbers: columns with their definitions, compare.csv and summary.json."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stages.errors import InputError
from stages.results.cell import ROW_KEYS, CellResult
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


TRAIN_LOSS = Column(
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
MAIN = (
    TRAIN_LOSS,
    SCORES["val", "bbox_mAP_50"],
    SCORES["test", "bbox_mAP_50"],
    SCORES["val", "bbox_mAP"],
    SCORES["test", "bbox_mAP"],
    PARAMETERS,
    MINUTES,
)
ALL = (TRAIN_LOSS, *SCORES.values(), PARAMETERS, MINUTES)


def _cost(key: str, label: str, definition: str, digits: int) -> Column:
    return Column(key, label, definition, lambda cell: cell.costs.get(key), digits)


# What costs measures of a trained cell (stages/cost/measure.py).
COSTS = (
    _cost(
        "latency_ms",
        "latency, ms",
        "Median milliseconds (p50) from one decoded image to its boxes, in fp32 and after a "
        "warm-up, on the machine that the costs were measured on.",
        1,
    ),
    _cost(
        "images_per_second",
        "images/s",
        "Images a second in batches, on the machine that the costs were measured on.",
        1,
    ),
    _cost(
        "peak_memory_mib",
        "memory, MiB",
        "Most memory in use while single images are detected, the weights included: of the GPU, or "
        "of the process on a CPU.",
        0,
    ),
    _cost(
        "gmacs",
        "GMACs",
        "Billions of multiply-adds for one image, RoI head included.",
        2,
    ),
    _cost(
        "size_mib",
        "checkpoint, MiB",
        "Size of the best checkpoint's file.",
        1,
    ),
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
    """The cell with the highest (lowest, where lower is better) value, the first of equals, or
    None."""
    measured = [cell for cell in cells if column.value(cell) is not None]
    if not measured or not column.better:
        return None
    return (min if column.better == "lower" else max)(measured, key=column.value)


def marked(column: Column, cells: Sequence[CellResult]) -> dict[str, str]:
    """Cells that hold the extreme value of `column`, ties included, with the words that say among
    what."""
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


VERDICT_KEYS = (
    "against_best",
    "difference",
    "difference_low",
    "difference_high",
    "p_best",
    "expected_loss",
    "loss_high",
    "possible_best",
    "pareto",
)


def _verdict_values(judgement: Judgement, name: str) -> tuple[object, ...]:
    """Values of VERDICT_KEYS; the interval is the simultaneous one against the highest cell."""
    if name not in judgement.estimates:
        return (None,) * len(VERDICT_KEYS)
    standing, best = judgement.standings.get(name), judgement.choice.best
    pareto = _pareto(judgement, name)
    if standing is None:
        return ("best" if name == best else None, *(None,) * (len(VERDICT_KEYS) - 2), pareto)
    pair = judgement.pair(name, best) if best else None
    difference: tuple[float | None, ...] = (None, None, None)
    if pair is not None:
        difference = (pair.difference.value, *standing.interval)
    return (
        standing.word,
        *difference,
        standing.p_best,
        standing.expected_loss,
        standing.loss_high,
        standing.possible_best,
        pareto,
    )


def _pareto(judgement: Judgement, name: str) -> str | None:
    if name in judgement.front.members:
        return "front"
    if any(entry.name == name for entry in judgement.front.dominated):
        return "dominated"
    return None


def compare_csv(cells: Sequence[CellResult], judgement: Judgement) -> str:
    """One row per cell in full float precision; an empty field is a value that could not be
    measured.

    against_best, difference, ...: the cell against the one of highest score in the deciding metric
    (stages/verdict/best.py). A row that repeats another cell has none of its own.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = (*ALL, *COSTS)
    writer.writerow(
        ["cell", *ROW_KEYS, *(column.key for column in columns), *VERDICT_KEYS, "run_id"]
    )
    for cell in cells:
        writer.writerow(
            [
                cell.name,
                *(cell.row[key] for key in ROW_KEYS),
                *(column.value(cell) for column in columns),
                *_verdict_values(judgement, cell.name),
                cell.run_id,
            ]
        )
    return stream.getvalue()
