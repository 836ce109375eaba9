"""What was asked for, what was run and on which data: title, introduction, facts, data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stages.report.table import MISSING
from stages.results.cell import CellResult
from stages.study.counts import count
from stages.study.metrics import MAX_DETECTIONS

SCALES = ("miniature", "full")


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
        if self.scale not in SCALES:
            raise ValueError(f"scale {self.scale!r} is unknown; known scales: {', '.join(SCALES)}")

    @property
    def max_detections(self) -> int:
        """Detections of a class in an image that count. Earlier data reports do not say."""
        return self.data.get("max_detections", MAX_DETECTIONS)


_FORMATS = {"coco": "COCO", "voc": "Pascal VOC", "yolo": "YOLO"}
_CELL = "A cell is one trained detector, a row of params.yaml."
_SCALES = {
    "miniature": "Scale miniature: the models are reduced. Their scores compare these cells with "
    "each other and say nothing about full-size models.",
    "full": "Scale full: the models have their full size.",
}


def coverage(cells: Sequence[CellResult], context: ReportContext) -> str:
    """How many of the listed cells are in the report, and by which selection."""
    picked = [f"{key}={value}" for key, value in context.selection.items() if value]
    return ", ".join([f"{len(cells)} of {count(len(context.listed), 'cells')}", *picked])


def title(cells: Sequence[CellResult], context: ReportContext) -> str:
    """The data set's name, where it has one, and the coverage."""
    name = str(context.data.get("name") or "")
    return ", ".join(filter(None, (name, coverage(cells, context))))


def images(context: ReportContext) -> str:
    """What kind of images the cells were trained on."""
    source = str(context.data.get("source") or "")
    if source == "demo":
        return "synthetic images rendered by this project"
    if source in _FORMATS:
        return f"images in {_FORMATS[source]} format"
    return "images of an unnamed source"


def introduction(cells: Sequence[CellResult], context: ReportContext) -> str:
    """What is compared, what a cell is, and what its scores stand for."""
    name = str(context.data.get("name") or "")
    called = f' (data set "{name}")' if name else ""
    if len(cells) == 1:
        first = f"One detector, trained and evaluated on {images(context)}{called}."
    else:
        first = (
            f"A comparison of {len(cells)} detectors, all trained and evaluated on "
            f"{images(context)}{called}."
        )
    return f"{first} {_CELL} {_SCALES[context.scale]}"


def counting(context: ReportContext) -> str:
    """What a heading of scores adds where they count another number of detections than COCO."""
    if context.max_detections == MAX_DETECTIONS:
        return ""
    return f", {context.max_detections} detections an image"


@dataclass(frozen=True)
class DataSummary:
    """Images and boxes per split, boxes per class and split; None where nobody counted."""

    splits: tuple[str, ...]
    images: dict[str, int | None]
    boxes: dict[str, int | None]
    classes: tuple[tuple[str, dict[str, int | None]], ...]
    most: int


def data_summary(data: dict) -> DataSummary:
    """data: data/prepared/report.json; keys that are not counts are ignored."""
    splits = {}
    for name, split in (data.get("splits") or {}).items():
        if isinstance(split, dict):
            splits[str(name)] = split
    images, boxes = {}, {}
    by_class: dict[str, dict[str, int | None]] = {}
    most = 0
    for name, split in splits.items():
        images[name] = split.get("images")
        boxes[name] = split.get("boxes")
        for class_name, number in (split.get("classes") or {}).items():
            by_class.setdefault(str(class_name), dict.fromkeys(splits))[name] = number
            most = max(most, number or 0)
    return DataSummary(
        splits=tuple(splits), images=images, boxes=boxes, classes=tuple(by_class.items()), most=most
    )


def facts(cells: Sequence[CellResult], context: ReportContext) -> list[tuple[str, str]]:
    """Labels and texts; what differs between cells is listed with the number of cells."""
    summary = data_summary(context.data)
    finished = max((str(cell.run.get("finished") or "") for cell in cells), default="")
    return [
        ("cells", coverage(cells, context)),
        ("scale", context.scale),
        ("data set", str(context.data.get("name") or MISSING)),
        ("data", images(context)),
        ("images", _amounts(summary, summary.images)),
        ("boxes", _amounts(summary, summary.boxes)),
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


def _amounts(summary: DataSummary, counts: dict[str, int | None]) -> str:
    amounts = []
    for split in summary.splits:
        if counts[split] is not None:
            amounts.append(f"{counts[split]} {split}")
    return ", ".join(amounts) or MISSING


def _each(
    cells: Sequence[CellResult], key: str, longest: int | None = None, absent: object = None
) -> str:
    """The value of a key of run.json, or every value with the number of cells that have it.

    absent: the value of a run that did not record the key.
    """
    counts = Counter(_text(cell.run.get(key, absent))[:longest] for cell in cells)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{text} ({number} of {len(cells)} cells)" for text, number in counts.items())


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items()) or MISSING
    return MISSING if value in (None, "") else str(value)
