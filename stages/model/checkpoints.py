"""Saving and loading a cell's weights: tensors and plain values only, never pickled code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from stages.files import replacing
from stages.program import InputError


def save(path: Path, model: torch.nn.Module, classes: list[str], epoch: int) -> None:
    """Weights in MMDetection's layout, so that its own init_detector and test tools load them."""
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    content = {"meta": {"dataset_meta": {"classes": list(classes)}, "epoch": epoch}, "state_dict": state}
    with replacing(path) as beside:
        torch.save(content, beside)


def load(path: Path, model: torch.nn.Module) -> None:
    """Raises InputError where the file is missing or does not hold exactly this model's tensors."""
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; train the cell first (dvc repro, or python -m stages.train)")
    content = torch.load(path, map_location="cpu", weights_only=True)
    try:
        model.load_state_dict(content["state_dict"], strict=True)
    except RuntimeError as error:
        raise InputError(f"{path}: is not a checkpoint of the model in config.py beside it: "
                         f"{' '.join(str(error).split())[:300]}") from None


class CheckpointsHook(Hook):
    """After each validation: last.pth, and best.pth where bbox_mAP_50 is the highest so far (the first of equals)."""

    # After HistoryHook (NORMAL): a checkpoint never stands for an epoch that the history lacks.
    priority = "BELOW_NORMAL"

    def __init__(self, folder: Path, classes: list[str], passes: int = 1) -> None:
        self.folder = folder
        self.classes = classes
        self.passes = passes
        self.best: dict[str, Any] | None = None

    def after_val_epoch(self, runner: Any, metrics: dict[str, float | None]) -> None:
        if not is_main_process():
            return
        last = self.folder / "last.pth"
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        save(last, model, self.classes, runner.epoch)
        value = metrics["coco/bbox_mAP_50"] or 0.0
        if self.best is None or value > self.best["bbox_mAP_50"]:
            self.best = {"epoch": runner.epoch, "step": runner.iter // self.passes, "bbox_mAP_50": value}
            # One file under two names: save() replaces last.pth and leaves this one alone.
            with replacing(self.folder / "best.pth") as beside:
                os.link(last, beside)
