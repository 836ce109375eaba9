"""What was run and on what: the header's facts, the data summary and the tables of classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stages.report.results import SPLITS, CellResult, ClassScore, ReportContext
from stages.report.sentences import coverage, images
from stages.report.table import MISSING


@dataclass(frozen=True)
class ClassTable:
    """AP per cell and class on one split. `rows` holds, per cell, one score or None per name of `names`."""

    split: str
    metric: str
    label: str
    names: tuple[str, ...]
    boxes: dict[str, int]
    rows: tuple[tuple[CellResult, tuple[ClassScore | None, ...]], ...]


@dataclass(frozen=True)
class DataSummary:
    """Images and boxes per split, boxes per class and split."""

    splits: tuple[str, ...]
    images: dict[str, int | None]
    boxes: dict[str, int | None]
    classes: tuple[tuple[str, dict[str, int | None]], ...]
    most: int


def facts(cells: Sequence[CellResult], context: ReportContext) -> list[tuple[str, str]]:
    """Labels and texts for the header; what differs between cells is listed with the number of cells."""
    return [
        ("cells", coverage(cells, context)),
        ("scale", context.scale),
        ("data set", str(context.data.get("name") or MISSING)),
        ("data", images(context)),
        *_amounts(context.data),
        ("data digest", str(context.data.get("digest") or MISSING)[:16]),
        ("detections an image", f"{context.max_detections} of a class are counted"),
        ("highest learning rate", _each(cells, "highest_lr")),
        ("warm-up steps", _each(cells, "warmup_iterations")),
        ("seed", str(context.seed)),
        ("git commit", _each(cells, "git_commit", short=10)),
        ("device", _each(cells, "device")),
        ("versions", _each(cells, "versions")),
        (
            "last finished",
            max((str(cell.run.get("finished") or "") for cell in cells), default="") or MISSING,
        ),
    ]


def _amounts(data: dict) -> list[tuple[str, str]]:
    summary = data_summary(data)
    return [
        (
            label,
            ", ".join(f"{counts[split]} {split}" for split in summary.splits if counts[split] is not None)
            or MISSING,
        )
        for label, counts in (("images", summary.images), ("boxes", summary.boxes))
    ]


def _each(cells: Sequence[CellResult], key: str, short: int | None = None) -> str:
    counts = Counter(_text(cell.run.get(key))[:short] for cell in cells)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{text} ({number} of {len(cells)} cells)" for text, number in counts.items())


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items()) or MISSING
    return str(value) if value not in (None, "") else MISSING


def class_tables(cells: Sequence[CellResult]) -> list[ClassTable]:
    """AP50 and AP of val and test; a class that any cell knows has a column in all of them."""
    tables = []
    for metric, label in (("AP50", "AP50"), ("AP", "AP")):
        for split in SPLITS:
            found = [{score.name: score for score in cell.per_class.get(split, ())} for cell in cells]
            names = tuple(dict.fromkeys(name for scores in found for name in scores))
            tables.append(
                ClassTable(
                    split=split,
                    metric=metric,
                    label=f"{split} {label}",
                    names=names,
                    boxes={
                        name: max(scores[name].boxes for scores in found if name in scores) for name in names
                    },
                    rows=tuple(
                        (cell, tuple(scores.get(name) for name in names))
                        for cell, scores in zip(cells, found, strict=True)
                    ),
                )
            )
    return tables


def data_summary(data: dict) -> DataSummary:
    """The data report as counts; whatever it does not say is None, other keys of it are left alone."""
    splits = {
        str(name): split for name, split in (data.get("splits") or {}).items() if isinstance(split, dict)
    }
    classes = {name: split.get("classes") or {} for name, split in splits.items()}
    names = list(dict.fromkeys(str(name) for counts in classes.values() for name in counts))
    return DataSummary(
        splits=tuple(splits),
        images={name: split.get("images") for name, split in splits.items()},
        boxes={name: split.get("boxes") for name, split in splits.items()},
        classes=tuple(
            (name, {split: counts.get(name) for split, counts in classes.items()}) for name in names
        ),
        most=max((count or 0 for counts in classes.values() for count in counts.values()), default=0),
    )
