"""What was run: settings, versions and machines, for the end of the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from stages.report.context import ReportContext
from stages.report.data import DataSummary, data_summary
from stages.report.header import coverage, images
from stages.report.table import MISSING
from stages.results.cell import CellResult


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
