"""Saving and loading a cell's weights: tensors and plain values only, never pickled code."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from stages.files import link
from stages.model import keep, states
from stages.program import InputError


def save(path: Path, model: torch.nn.Module, classes: list[str], epoch: int) -> None:
    """Weights in MMDetection's layout, so that its own init_detector and test tools load them."""
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    keep.dump(content(state, classes, epoch), path)


def content(state: dict[str, torch.Tensor], classes: list[str], epoch: int) -> dict[str, Any]:
    return {"meta": {"dataset_meta": {"classes": list(classes)}, "epoch": epoch}, "state_dict": state}


def load(path: Path, model: torch.nn.Module) -> None:
    """Raises InputError where the file is missing, damaged, more than data, or not of exactly this model."""
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; train the cell first (dvc repro, or "
                         f"python -m stages.train {path.parent.name})")
    try:
        # torch writes a checksum of each tensor and does not look at it again.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        content = None if damaged else torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: holds more than tensors and plain values and is not opened "
                         f"({' '.join(str(error).split())[:60]}); train the cell again") from None
    # Whatever a damaged file makes the reader stumble over.
    except Exception as error:
        damaged = " ".join(str(error).split())[:100] or type(error).__name__
    if damaged:
        raise InputError(f"{path}: is damaged ({damaged}); python -m stages.check_cache all removes damaged files, and "
                         "dvc repro makes them again")
    try:
        model.load_state_dict(content["state_dict"], strict=True)
    except (RuntimeError, TypeError, KeyError) as error:
        raise InputError(f"{path}: is not a checkpoint of the model in config.py beside it: "
                         f"{' '.join(str(error).split())[:300]}") from None


class CheckpointsHook(Hook):
    """After each validation: epoch-<n>.pth; `best` is that where bbox_mAP_50 is highest so far (the first of equals).

    One file an epoch, so that a state names the very file that was its best, whatever came after it. keep.save removes
    those that no state needs.
    """

    # After HistoryHook (NORMAL): a checkpoint never stands for an epoch that the history lacks.
    priority = "BELOW_NORMAL"

    def __init__(self, folder: Path, classes: list[str], writer: keep.Writer, passes: int = 1) -> None:
        self.folder = folder
        self.classes = classes
        self.writer = writer
        self.passes = passes
        self.best: dict[str, Any] | None = None
        self.last = 0

    def after_val_epoch(self, runner: Any, metrics: dict[str, float | None]) -> None:
        if not is_main_process():
            return
        self.last = runner.epoch
        path = self.of(self.last)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        weights = content(states.copied(model.state_dict()), self.classes, self.last)
        self.writer.put(lambda: keep.dump(weights, path))
        value = metrics["coco/bbox_mAP_50"] or 0.0
        if self.best is None or value > self.best["bbox_mAP_50"]:
            self.best = {"epoch": runner.epoch, "step": runner.iter // self.passes, "bbox_mAP_50": value}

    def of(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch}.pth"

    def finish(self) -> None:
        """best.pth and last.pth, one file under two names where they are the same."""
        self.writer.wait()
        for name, epoch in (("best.pth", self.best["epoch"]), ("last.pth", self.last)):
            link(self.of(epoch), self.folder / name)
