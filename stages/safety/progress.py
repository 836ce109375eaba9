"""What a training shows as it goes: a bar where somebody watches, and a line per epoch."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from tqdm import tqdm

from stages.training.history import HistoryHook, Row, last_epoch_loss


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
    """Shows what a HistoryHook collects, and hands its rows to `on_epoch` after each validation.

    To be registered after that hook.
    """

    def __init__(
        self, cell: str, recorder: HistoryHook, on_epoch: Callable[[list[Row]], None] | None
    ) -> None:
        self.cell = cell
        self.recorder = recorder
        self.on_epoch = on_epoch

    def before_train(self, runner: Any) -> None:
        # tqdm's None shows no bar where nobody watches: DVC's queue and CI get a line per epoch
        # instead. No bar in the other processes of a training either.
        disabled = None if is_main_process() else True
        self.bar = tqdm(
            total=runner.max_iters // self.recorder.passes,
            desc=self.cell,
            unit="step",
            dynamic_ncols=True,
            file=_Patient(sys.stderr),
            disable=disabled,
        )

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if (runner.iter + 1) % self.recorder.passes == 0:
            self.bar.update()

    def after_val_epoch(self, runner: Any, metrics: dict[str, float | None]) -> None:
        if not is_main_process():
            return
        mAP_50 = metrics["coco/bbox_mAP_50"]
        score = "n/a"
        if mAP_50 is not None:
            score = f"{mAP_50:.3f}"
        loss = last_epoch_loss(self.recorder.rows)
        self.bar.write(
            f"train: {self.cell}: epoch {runner.epoch}/{runner.max_epochs}: loss {loss:.3f}, "
            f"val mAP50 {score}",
            file=_Patient(sys.stderr),
        )
        if self.on_epoch:
            self.on_epoch(self.recorder.rows)

    def resume(self) -> None:
        """Counts the steps of earlier processes."""
        done = len(self.recorder.rows) + len(self.recorder.pending)
        self.bar.initial = self.bar.n = self.bar.last_print_n = done

    def after_train(self, runner: Any) -> None:
        self.bar.close()
