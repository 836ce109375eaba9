"""What the report says of the cells in words; verdicts are told by decision.py and its neighbours."""

from __future__ import annotations

from collections.abc import Sequence

from stages.report.results import CellResult, ReportContext
from stages.report.table import SCORES, TRAIN_LOSS, extreme
from stages.study.metrics import MAX_DETECTIONS

_SOURCES = {"demo": "synthetic images rendered by this project", "coco": "images of a COCO folder"}


def coverage(cells: Sequence[CellResult], context: ReportContext) -> str:
    """How many of the listed cells are here, and by which selection."""
    picked = [f"{key}={value}" for key, value in context.selection.items() if value]
    return ", ".join([f"{len(cells)} of {_count(len(context.listed), 'cell')}", *picked])


def images(context: ReportContext) -> str:
    source = str(context.data.get("source") or "")
    return _SOURCES.get(source, f"images of the source {source}" if source else "images of an unnamed source")


def comparability(cells: Sequence[CellResult], context: ReportContext, published: int) -> str:
    """Whether published numbers may be read beside ours; `published` is how many of the cells have any."""
    if context.scale != "full":
        return (
            f"Scale {context.scale}: reduced models on {images(context)}. These numbers are not comparable "
            "with the published ones, which are therefore not shown."
        )
    ours = f"Scale full: whole models on {images(context)}."
    if not published:
        return f"{ours} None of these cells has a published number."
    return (
        f"{ours} Published numbers of the study stand beside {published} of {_count(len(cells), 'cell')}; "
        "they were measured on the study's own photographs, and its train loss was never defined. "
        "~ marks a value read off a chart."
    )


def counting(context: ReportContext) -> str:
    """What a heading of scores ends with where they count another number of detections than COCO; else empty."""
    if context.max_detections == MAX_DETECTIONS:
        return ""
    return f", {context.max_detections} detections an image"


def highest(cells: Sequence[CellResult]) -> list[str]:
    """The cells with the highest mAP50 per split, and what stands between that and a conclusion."""
    found = []
    for split in ("val", "test"):
        column = SCORES[split, "bbox_mAP_50"]
        top = extreme(column, cells)
        if top is None:
            found.append(f"No cell has a {column.label}.")
            continue
        value = column.value(top)
        same = [cell.name for cell in cells if column.value(cell) == value]
        if len(cells) == 1:
            found.append(f"{column.label} is {column.text(value)} ({top.name}).")
        else:
            found.append(f"Highest {column.label}: {column.text(value)} ({', '.join(same)}).")
    return found


def learning(cells: Sequence[CellResult]) -> list[str]:
    """Whether validation rose during training, cell by cell, and where the loss was lost."""
    found = []
    curves = {cell.name: cell.history.get("val/bbox_mAP_50") for cell in cells}
    several = {name: curve.values for name, curve in curves.items() if curve and len(curve.values) > 1}
    if several:
        still = [name for name, values in several.items() if values[-1] <= values[0]]
        rose = len(several) - len(still)
        of_all = f"{rose} of {_count(len(several), 'cell')}"
        text = f"val mAP50 rose from the first to the last validation in {of_all}"
        found.append(text + (f"; not in {', '.join(still)}." if still else "."))
    if len(several) < len(cells):
        found.append(
            f"{_count(len(cells) - len(several), 'cell')} had fewer than two validations to compare."
        )
    found += [
        f"{cell.name}: the loss was not a finite number in {_count(cell.lost_steps, 'training step')}."
        for cell in cells
        if cell.lost_steps
    ]
    return found


def losses(cells: Sequence[CellResult]) -> str:
    """One remark on train loss where detectors that sum different terms share the table; else empty."""
    detectors = list(
        dict.fromkeys(str(cell.row["detector"]) for cell in cells if TRAIN_LOSS.value(cell) is not None)
    )
    if len(detectors) < 2:
        return ""
    names = ", ".join(detectors)
    return f"Train losses of {names} are sums of different terms: compare them within one detector."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
