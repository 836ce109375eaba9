"""A training's history: one row per step, with the validation's metrics in the last row of each
epoch."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import Hook

from stages.files import replacing
from stages.study.metrics import METRICS

Row = dict[str, Any]
# Optimizer steps between two looks at the loss; each look waits for the GPU.
CHECK_EVERY = 50
# A detector's loss starts at 1 to 5; at this value nothing that it learns is of use any more.
EXPLODED = 1e4
VALIDATION = tuple(f"val/{name}" for name in METRICS)


def write(path: Path, rows: list[Row]) -> None:
    """history.csv: step, epoch, lr, train/loss and its parts, then VALIDATION; absent values are
    empty."""
    losses = [name for name in rows[0] if name.startswith("train/") and name != "train/loss"]
    columns = ["step", "epoch", "lr", "train/loss", *losses, *VALIDATION]
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def last_epoch_loss(rows: list[Row]) -> float:
    """The study's "train loss": the mean of the total loss over the steps of the last epoch."""
    losses = [row["train/loss"] for row in rows if row["epoch"] == rows[-1]["epoch"]]
    return sum(losses) / len(losses)


class Diverged(RuntimeError):
    """The loss is no finite number, or so large that nothing is learnt any more.

    step: of the optimizer. lr: the learning rate of that step.
    """

    def __init__(self, loss: float, step: int, lr: float) -> None:
        super().__init__(f"the loss is {loss:.4g} at step {step}")
        self.step = step
        self.lr = lr


class HistoryHook(Hook):
    """Collects rows and writes them to `path` after each validation.

    A row is an optimizer step: the mean over its `passes` and, with several processes, over these.
    Raises Diverged: going on would train nothing.

    rows: up to the last validation. pending: those since. epoch: those that the last validation
    has added to `rows`, an epoch or, where the first ones are not validated, several.
    """

    def __init__(self, path: Path, passes: int = 1) -> None:
        self.path = path
        self.passes = passes
        self.rows: list[Row] = []
        self.pending: list[Row] = []
        self.epoch: list[Row] = []
        self.summed: dict[str, Any] = {}
        self.checked = 0

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any, outputs: dict[str, Any]
    ) -> None:
        # Tensors stay where they are: reading one would wait for the GPU at every step.
        for name, value in outputs.items():
            if torch.is_tensor(value):
                value = value.detach()
            if name in self.summed:
                value = self.summed[name] + value
            self.summed[name] = value
        if (runner.iter + 1) % self.passes:
            return
        row = {
            "step": (runner.iter + 1) // self.passes,
            "epoch": runner.epoch + 1,
            "lr": runner.optim_wrapper.get_lr()["lr"][0],
        }
        for name, value in self.summed.items():
            row[f"train/{name}"] = value / self.passes
        self.summed = {}
        self.pending.append(row)
        if len(self.pending) - self.checked >= CHECK_EVERY:
            self.check()

    def after_train_epoch(self, runner: Any) -> None:
        self.check()

    def check(self) -> None:
        """Reads the losses of the steps since the last check."""
        for row in self.pending[self.checked :]:
            names = [name for name, value in row.items() if torch.is_tensor(value)]
            values = torch.stack([row[name].double() for name in names])
            all_reduce(values, op="mean")
            row.update(zip(names, values.tolist()))
            loss = row["train/loss"]
            if not math.isfinite(loss) or loss > EXPLODED:
                raise Diverged(loss, row["step"], row["lr"])
        self.checked = len(self.pending)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float | None]) -> None:
        row = (self.pending or self.rows)[-1]
        for name in METRICS:
            if metrics[f"coco/{name}"] is not None:
                row[f"val/{name}"] = metrics[f"coco/{name}"]
        self.epoch, self.pending, self.checked = self.pending, [], 0
        self.rows += self.epoch
        if is_main_process():
            write(self.path, self.rows)

    def put_back(self, rows: list[Row], pending: list[Row], summed: dict[str, Any]) -> None:
        """Goes on from the rows of an earlier process: of whole epochs, of the one begun, of the
        step begun."""
        self.rows, self.pending, self.summed = rows, pending, summed
        self.checked = len(pending)
