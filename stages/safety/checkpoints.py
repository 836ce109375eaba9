"""Writes an epoch's weights beside the training, so that steps do not wait for the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from stages.files import link
from stages.safety import state_files, states
from stages.training import best
from stages.training.runner import Training


class CheckpointsHook(Hook):
    """After each validation: epoch-<n>.pth.

    One file an epoch, so that a state names the very file that was its best, whatever came after
    it. state_files.save removes those that no state needs. To be registered after BestHook.
    """

    priority = "BELOW_NORMAL"

    def __init__(
        self, folder: Path, training: Training, classes: list[str], writer: state_files.Writer
    ) -> None:
        self.folder = folder
        self.best = training.best
        self.classes = classes
        self.writer = writer

    def after_val_epoch(self, runner: Any, metrics: dict[str, float | None]) -> None:
        if not is_main_process():
            return
        epoch = runner.epoch
        path = self.of(epoch)
        model = states.unwrapped(runner.model)
        weights = best.content(states.copied(model.state_dict()), self.classes, epoch)
        self.writer.put(lambda: state_files.dump(weights, path))

    def of(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch}.pth"

    def finish(self) -> None:
        """best.pth and last.pth, one file under two names where they are the same."""
        self.writer.wait()
        for name, epoch in (("best.pth", self.best.best["epoch"]), ("last.pth", self.best.last)):
            link(self.of(epoch), self.folder / name)
