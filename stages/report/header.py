"""What stands above the report's tables: title, introduction, facts, and remarks on the highest cells
and the training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from stages.report.table import MISSING, SCORES, TRAIN_LOSS_COLUMN, extreme
from stages.results.cell import CellResult
from stages.study.counts import count
from stages.study.metrics import MAX_DETECTIONS
from stages.study.paths import EVALUATED
from stages.verdict.judgement import Judgement

_SOURCES = {
    "demo": "synthetic images rendered by this project",
    "coco": "images in COCO format",
    "voc": "images in Pascal VOC format",
    "yolo": "images in YOLO format",
}
_SCALES = {
    "miniature": "Scale miniature: the models are reduced. Their scores compare these cells with "
    "each other and say nothing about full-size models.",
    "full": "Scale full: the models have their full size.",
}


@dataclass(frozen=True)
class ReportContext:
    """What was asked for: `data` is data/prepared/report.json, `listed` every cell of params.yaml
    in its order, `selection` the two scalars of params.yaml ("" or an absent key means all)."""

    scale: str
    seed: int
    data: dict
    selection: dict[str, str]
    listed: tuple[str, ...] | list[str]

    def __post_init__(self) -> None:
        if self.scale not in _SCALES:
            raise ValueError(f"scale {self.scale!r} is unknown; known scales: {', '.join(_SCALES)}")

    @property
    def name(self) -> str:
        """Of the data set, "" where it has none."""
        return str(self.data.get("name") or "")

    @property
    def images(self) -> str:
        """What kind of images the cells were trained on."""
        return _SOURCES.get(str(self.data.get("source")), "images of an unnamed source")

    @property
    def max_detections(self) -> int:
        """Detections of a class in an image that count. Earlier data reports do not say."""
        return self.data.get("max_detections", MAX_DETECTIONS)

    @property
    def counting(self) -> str:
        """What a heading of scores adds where they count another number of detections than COCO."""
        if self.max_detections == MAX_DETECTIONS:
            return ""
        return f", {self.max_detections} detections an image"

    @property
    def splits(self) -> dict[str, dict]:
        """Split -> its counts of images, boxes and boxes of each class, as far as there are any."""
        return self.data.get("splits", {})


def coverage(cells: Sequence[CellResult], context: ReportContext) -> str:
    """How many of the listed cells are in the report, and by which selection."""
    picked = [f"{key}={value}" for key, value in context.selection.items() if value]
    return ", ".join([f"{len(cells)} of {count(len(context.listed), 'cells')}", *picked])


def title(cells: Sequence[CellResult], context: ReportContext) -> str:
    """The data set's name, where it has one, and the coverage."""
    return ", ".join(filter(None, (context.name, coverage(cells, context))))


def introduction(cells: Sequence[CellResult], context: ReportContext) -> str:
    """What is compared, what a cell is, and what its scores stand for."""
    subject = "One detector, trained"
    if len(cells) > 1:
        subject = f"A comparison of {len(cells)} detectors, all trained"
    called = f' (data set "{context.name}")' if context.name else ""
    return (
        f"{subject} and evaluated on {context.images}{called}. A cell is one trained detector, a "
        f"row of params.yaml. {_SCALES[context.scale]}"
    )


def data_rows(context: ReportContext) -> list[tuple[str, list[int | None]]]:
    """Images, boxes, and boxes of each class: their number in every split, None where nobody
    counted."""
    splits = context.splits.values()
    rows = [(key, [split.get(key) for split in splits]) for key in ("images", "boxes")]
    by_class = [split.get("classes") or {} for split in splits]
    for name in dict.fromkeys(chain(*by_class)):
        rows.append((name, [boxes.get(name) for boxes in by_class]))
    return rows


def run_facts(cells: Sequence[CellResult], context: ReportContext) -> list[tuple[str, str]]:
    """Labels and texts; what differs between cells is listed with the number of cells."""
    finished = max((str(cell.run.get("finished") or "") for cell in cells), default="")
    return [
        ("cells", coverage(cells, context)),
        ("scale", context.scale),
        ("data set", context.name or MISSING),
        ("data", context.images),
        ("images", _amounts(context, "images")),
        ("boxes", _amounts(context, "boxes")),
        ("data digest", str(context.data.get("digest") or MISSING)[:16]),
        ("detections an image", f"{context.max_detections} of a class are counted"),
        ("highest learning rate", _each(cells, "highest_lr")),
        ("warm-up steps", _each(cells, "warmup_iterations")),
        ("seed", _each(cells, "seed", absent=context.seed)),
        ("git commit", _each(cells, "git_commit", longest=10)),
        ("device", _each(cells, "device")),
        ("versions", _each(cells, "versions")),
        ("last finished", finished or MISSING),
    ]


def _amounts(context: ReportContext, key: str) -> str:
    amounts = []
    for name, split in context.splits.items():
        if split.get(key) is not None:
            amounts.append(f"{split[key]} {name}")
    return ", ".join(amounts) or MISSING


def _each(
    cells: Sequence[CellResult], key: str, longest: int | None = None, absent: object = None
) -> str:
    """The value of a key of run.json, or every value with the number of cells that have it.

    absent: the value of a run that did not record the key.
    """
    counts: Counter[str] = Counter()
    for cell in cells:
        value = cell.run.get(key, absent)
        if isinstance(value, dict):
            value = ", ".join(f"{name} {version}" for name, version in value.items())
        if isinstance(value, float):
            value = f"{value:g}"
        counts[MISSING if value in (None, "") else str(value)[:longest]] += 1
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{text} ({number} of {len(cells)} cells)" for text, number in counts.items())


def highest_scores(cells: Sequence[CellResult], judgement: Judgement) -> list[str]:
    """The highest mAP50 of each split. cells: one for each judged cell, as the table shows it."""
    remarks = []
    for split in EVALUATED:
        column = SCORES[split, "bbox_mAP_50"]
        top = extreme(column, cells)
        if top is None:
            remarks.append(f"No cell has a {column.label}.")
            continue
        value = column.value(top)
        names = [judgement.short(cell.name) for cell in cells if column.value(cell) == value]
        if len(cells) == 1:
            remarks.append(f"{column.label} is {column.text(value)} ({names[0]}).")
        else:
            remarks.append(f"Highest {column.label}: {column.text(value)} ({', '.join(names)}).")
    return remarks


def training_remarks(cells: Sequence[CellResult], judgement: Judgement) -> list[str]:
    """Whether losses compare, validation rose during training, and a loss was not finite."""
    remarks = []
    with_loss = [cell for cell in cells if TRAIN_LOSS_COLUMN.value(cell) is not None]
    detectors = dict.fromkeys(str(cell.row["detector"]) for cell in with_loss)
    if len(detectors) > 1:
        remarks.append(
            f"Train losses of {', '.join(detectors)} are sums of different terms: compare them "
            "within one detector."
        )
    compared, fell = 0, []
    for cell in cells:
        curve = cell.history.get("val/bbox_mAP_50")
        if curve is not None and len(curve.values) > 1:
            compared += 1
            if curve.values[-1] <= curve.values[0]:
                fell.append(judgement.short(cell.name))
    if compared:
        exceptions = f"; not in {', '.join(fell)}" if fell else ""
        remarks.append(
            f"val mAP50 rose from the first to the last validation in {compared - len(fell)} of "
            f"{count(compared, 'cells')}{exceptions}."
        )
    if compared < len(cells):
        without = count(len(cells) - compared, "cells")
        remarks.append(f"{without} had fewer than two validations to compare.")
    for cell in cells:
        if cell.lost_steps:
            steps = count(cell.lost_steps, "training steps")
            remarks.append(
                f"{judgement.short(cell.name)}: the loss was not a finite number in {steps}."
            )
    return remarks
