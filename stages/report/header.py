"""What the report says before anything else: which cells, on which data, at which scale."""

from __future__ import annotations

from collections.abc import Sequence

from stages.report.context import ReportContext
from stages.results.cell import CellResult
from stages.study.metrics import MAX_DETECTIONS
from stages.verdict.wording import count

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
    return ", ".join([f"{len(cells)} of {count(len(context.listed), 'cell')}", *picked])


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
