"""What a training shows as it goes: a bar where somebody watches, and a line per epoch."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from mmengine.hooks import Hook
from tqdm import tqdm

from stages.tracking.training_run import TrainingRun
from stages.training.history import HistoryHook, last_epoch_loss


class _Patient:
    """A terminal that may go, as behind a pipe after Ctrl-C: nothing else is lost then."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self.file.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self.file.flush()


class ProgressHook(Hook):
    """Shows what a HistoryHook collects, and hands its rows to the MLflow run after each validation.

    run: None in all processes of a training but the first. To be registered after that hook.
    """

    def __init__(self, cell: str, recorder: HistoryHook, run: TrainingRun | None) -> None:
        self.cell = cell
        self.recorder = recorder
        self.run = run

    def before_train(self, runner: Any) -> None:
        # tqdm's None shows no bar where nobody watches: DVC's queue and CI get a line per epoch
        # instead. No bar in the other processes of a training either.
        self.bar = tqdm(
            total=runner.max_iters // self.recorder.passes,
            desc=self.cell,
            unit="step",
            dynamic_ncols=True,
            file=_Patient(sys.stderr),
            disable=None if self.run else True,
        )

    def after_train_iter(self, runner: Any, **_: Any) -> None:
        if (runner.iter + 1) % self.recorder.passes == 0:
            self.bar.update()

    def after_val_epoch(self, runner: Any, metrics: dict[str, float | None]) -> None:
        if not self.run:
            return
        mAP_50 = metrics["coco/bbox_mAP_50"]
        score = "n/a" if mAP_50 is None else f"{mAP_50:.3f}"
        loss = last_epoch_loss(self.recorder.rows)
        self.bar.write(
            f"train: {self.cell}: epoch {runner.epoch}/{runner.max_epochs}: loss {loss:.3f}, "
            f"val mAP50 {score}",
            file=_Patient(sys.stderr),
        )
        self.run.rows(self.recorder.rows)

    def resume(self) -> None:
        """Counts the steps of earlier processes."""
        done = len(self.recorder.rows) + len(self.recorder.pending)
        self.bar.initial = self.bar.n = self.bar.last_print_n = done

    def after_train(self, runner: Any) -> None:
        self.bar.close()
