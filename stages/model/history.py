"""A training's history: one row per step, with the validation's metrics in the last row of each epoch."""

from __future__ import annotations

import contextlib
import csv
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import Hook
from tqdm import tqdm

from stages.files import replacing
from stages.program import InputError
from stages.study.metrics import METRICS

Row = dict[str, Any]
# Optimizer steps between two looks at the loss; each look waits for the GPU.
CHECK_EVERY = 50
# A detector's loss starts at 1 to 5; at this value nothing that it learns is of use any more.
EXPLODED = 1e4
VALIDATION = tuple(f"val/{name}" for name in METRICS)


def write(path: Path, rows: list[Row]) -> None:
    """history.csv: step, epoch, lr, train/loss and its parts, then VALIDATION; absent values are empty."""
    losses = [name for name in rows[0] if name.startswith("train/") and name != "train/loss"]
    columns = ["step", "epoch", "lr", "train/loss", *losses, *VALIDATION]
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def last_epoch_loss(rows: list[Row]) -> float:
    """The study's "train loss": the mean of the total loss over the steps of the last epoch."""
    losses = [row["train/loss"] for row in rows if row["epoch"] == rows[-1]["epoch"]]
    return sum(losses) / len(losses)


class _Patient:
    """A terminal that may go (Ctrl-C ends the `cat` behind a pipe as well): what is shown is lost, and nothing else."""

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


class HistoryHook(Hook):
    """Collects rows, shows progress, and hands each finished epoch's rows to `on_epoch`.

    A row is an optimizer step: the mean over its `passes` and, with several processes, over these. Raises InputError
    where the loss is no finite number or explodes: going on would train nothing.
    """

    def __init__(self, cell: str, path: Path, on_epoch: Callable[[list[Row]], None] | None, passes: int = 1) -> None:
        self.cell = cell
        self.path = path
        self.on_epoch = on_epoch
        self.passes = passes
        self.rows: list[Row] = []
        self.pending: list[Row] = []
        self.summed: dict[str, Any] = {}
        self.checked = 0

    def before_train(self, runner: Any) -> None:
        # No bar where nobody watches: DVC's queue and CI get a line per epoch instead.
        # No bar in the other processes of a training either.
        self.bar = tqdm(total=runner.max_iters // self.passes, desc=self.cell, unit="step", dynamic_ncols=True,
                        file=_Patient(sys.stderr), disable=None if is_main_process() else True)

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any, outputs: dict[str, Any]) -> None:
        # Tensors stay where they are: reading one would wait for the GPU at every step.
        for name, value in outputs.items():
            value = value.detach() if torch.is_tensor(value) else value
            self.summed[name] = self.summed[name] + value if name in self.summed else value
        if (runner.iter + 1) % self.passes:
            return
        losses = {f"train/{name}": value / self.passes for name, value in self.summed.items()}
        self.summed = {}
        lr = runner.optim_wrapper.get_lr()["lr"][0]
        self.pending.append({"step": (runner.iter + 1) // self.passes, "epoch": runner.epoch + 1, "lr": lr, **losses})
        self.bar.update()
        if len(self.pending) - self.checked >= CHECK_EVERY:
            self.check()

    def after_train_epoch(self, runner: Any) -> None:
        self.check()

    def check(self) -> None:
        """Reads the losses of the steps since the last check."""
        for row in self.pending[self.checked:]:
            names = [name for name, value in row.items() if torch.is_tensor(value)]
            values = torch.stack([row[name].double() for name in names])
            all_reduce(values, op="mean")
            row.update(zip(names, values.tolist()))
            loss = row["train/loss"]
            if not math.isfinite(loss) or loss > EXPLODED:
                raise InputError(f"{self.cell}: the loss is {loss:.4g} at step {row['step']}; lower the learning rate "
                                 f"(cells.{self.cell}.lr, now {row['lr']:.3g} a step), clip gradients "
                                 "(clip_grad) or lengthen the warm-up (warmup_iterations)")
        self.checked = len(self.pending)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float | None]) -> None:
        values = {name: metrics[name.replace("val/", "coco/")] for name in VALIDATION}
        (self.pending or self.rows)[-1].update({name: value for name, value in values.items() if value is not None})
        epoch, self.pending, self.checked = self.pending, [], 0
        self.rows += epoch
        if not is_main_process():
            return
        write(self.path, self.rows)
        mAP_50 = values["val/bbox_mAP_50"]
        shown = "n/a" if mAP_50 is None else f"{mAP_50:.3f}"
        self.bar.write(f"train: {self.cell}: epoch {runner.epoch}/{runner.max_epochs}: "
                       f"loss {last_epoch_loss(self.rows):.3f}, val mAP50 {shown}", file=_Patient(sys.stderr))
        self.on_epoch(epoch)

    def put_back(self, rows: list[Row], pending: list[Row], summed: dict[str, Any]) -> None:
        """Goes on from the rows of an earlier process: of whole epochs, of the one begun, of the step begun."""
        self.rows, self.pending, self.summed = rows, pending, summed
        self.checked = len(pending)
        self.bar.initial = self.bar.n = self.bar.last_print_n = len(rows) + len(pending)

    def after_train(self, runner: Any) -> None:
        self.bar.close()
