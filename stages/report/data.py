"""The data of the report: images and boxes of each split, boxes of each class."""

from __future__ import annotations

from dataclasses import dataclass


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
    by_split = {name: split.get("classes") or {} for name, split in splits.items()}
    names: dict[str, None] = {}
    most = 0
    for counts in by_split.values():
        names.update(dict.fromkeys(map(str, counts)))
        most = max([most, *(number or 0 for number in counts.values())])
    classes = []
    for name in names:
        classes.append((name, {split: counts.get(name) for split, counts in by_split.items()}))
    return DataSummary(
        splits=tuple(splits),
        images={name: split.get("images") for name, split in splits.items()},
        boxes={name: split.get("boxes") for name, split in splits.items()},
        classes=tuple(classes),
        most=most,
    )
