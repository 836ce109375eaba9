"""Which epoch's weights are a cell's best, and what a checkpoint holds: tensors and plain values
only."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook


def content(state: dict[str, torch.Tensor], classes: list[str], epoch: int) -> dict[str, Any]:
    """A checkpoint in MMDetection's layout, so that its own init_detector and test tools load
    it."""
    return {
        "meta": {"dataset_meta": {"classes": list(classes)}, "epoch": epoch},
        "state_dict": state,
    }


class BestHook(Hook):
    """Notes the epoch whose val bbox_mAP_50 is highest so far (the first of equals), and the last
    one.

    best: epoch, step (of the optimizer) and bbox_mAP_50; None before the first validation.
    """

    # After HistoryHook (NORMAL): no epoch is the best that the history lacks.
    priority = "BELOW_NORMAL"

    def __init__(self, passes: int = 1) -> None:
        self.passes = passes
        self.best: dict[str, Any] | None = None
        self.last = 0

    def after_val_epoch(self, runner: Any, metrics: dict[str, float | None]) -> None:
        self.last = runner.epoch
        value = metrics["coco/bbox_mAP_50"] or 0.0
        if self.best is None or value > self.best["bbox_mAP_50"]:
            self.best = {
                "epoch": runner.epoch,
                "step": runner.iter // self.passes,
                "bbox_mAP_50": value,
            }
