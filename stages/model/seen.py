"""Which images a training has seen, as its loaders give them: what MMDetection filtered out was not."""

from __future__ import annotations

from typing import Any


def images(train: Any, val: Any) -> dict[str, int]:
    """train, val: MMDetection datasets. train_val_overlap: how many image files both read."""
    learnt, scored = (_files(dataset) for dataset in (train, val))
    return {"train_images": len(train), "val_images": len(val), "train_val_overlap": len(learnt & scored)}


def _files(dataset: Any) -> set[str]:
    return {dataset.get_data_info(index)["img_path"] for index in range(len(dataset))}
