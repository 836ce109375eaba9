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
        splits=tuple(splits),
        images=images,
        boxes=boxes,
        classes=tuple(by_class.items()),
        most=most,
    )
