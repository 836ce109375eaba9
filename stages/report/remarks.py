"""What there is to say about the table of results: the highest scores, whether training went
well."""

from __future__ import annotations

from collections.abc import Sequence

from stages.report.table import SCORES, TRAIN_LOSS, extreme
from stages.results.cell import CellResult
from stages.study.paths import EVALUATED
from stages.verdict.judgement import Judgement
from stages.verdict.wording import count


def highest(cells: Sequence[CellResult], judgement: Judgement) -> list[str]:
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


def learning(cells: Sequence[CellResult], judgement: Judgement) -> list[str]:
    """Whether validation rose during training, and where a loss was not finite."""
    remarks, rose, fell = [], 0, []
    for cell in cells:
        curve = cell.history.get("val/bbox_mAP_50")
        if curve is None or len(curve.values) < 2:
            continue
        if curve.values[-1] > curve.values[0]:
            rose += 1
        else:
            fell.append(judgement.short(cell.name))
    compared = rose + len(fell)
    if compared:
        of_all = f"{rose} of {count(compared, 'cell')}"
        exceptions = f"; not in {', '.join(fell)}" if fell else ""
        remarks.append(
            f"val mAP50 rose from the first to the last validation in {of_all}{exceptions}."
        )
    if compared < len(cells):
        without = count(len(cells) - compared, "cell")
        remarks.append(f"{without} had fewer than two validations to compare.")
    for cell in cells:
        if cell.lost_steps:
            steps = count(cell.lost_steps, "training step")
            remarks.append(
                f"{judgement.short(cell.name)}: the loss was not a finite number in {steps}."
            )
    return remarks


def losses(cells: Sequence[CellResult]) -> list[str]:
    """A warning where detectors that sum different terms share the table."""
    detectors = []
    for cell in cells:
        if TRAIN_LOSS.value(cell) is not None:
            detectors.append(str(cell.row["detector"]))
    if len(set(detectors)) < 2:
        return []
    names = ", ".join(dict.fromkeys(detectors))
    return [
        f"Train losses of {names} are sums of different terms: compare them within one detector."
    ]
