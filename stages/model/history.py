"""A training's history: one row per step, with the validation's metrics in the last row of each epoch."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from tqdm import tqdm

from stages.files import replacing
from stages.program import InputError
from stages.study.metrics import METRICS

Row = dict[str, Any]
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


class HistoryHook(Hook):
    """Collects rows, shows progress, and hands each finished epoch's rows to `on_epoch`.

    Raises InputError where the loss is no finite number: going on would train nothing.
    """

    def __init__(self, cell: str, path: Path, on_epoch: Callable[[list[Row]], None]) -> None:
        self.cell = cell
        self.path = path
        self.on_epoch = on_epoch
        self.rows: list[Row] = []
        self.pending: list[Row] = []

    def before_train(self, runner: Any) -> None:
        # No bar where nobody watches: DVC's queue and CI get a line per epoch instead.
        self.bar = tqdm(total=runner.max_iters, desc=self.cell, unit="step", disable=None, dynamic_ncols=True)

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any, outputs: dict[str, Any]) -> None:
        # Tensors stay where they are: reading one would wait for the GPU at every step.
        losses = {f"train/{name}": value.detach() if torch.is_tensor(value) else value
                  for name, value in outputs.items()}
        lr = runner.optim_wrapper.get_lr()["lr"][0]
        self.pending.append({"step": runner.iter + 1, "epoch": runner.epoch + 1, "lr": lr, **losses})
        self.bar.update()

    def after_train_epoch(self, runner: Any) -> None:
        for row in self.pending:
            for name, value in row.items():
                if torch.is_tensor(value):
                    row[name] = value.item()
            if not math.isfinite(row["train/loss"]):
                raise InputError(f"{self.cell}: the loss is {row['train/loss']} at step {row['step']}; lower the "
                                 f"learning rate (cells.{self.cell}.lr) or lengthen the warm-up")

    def after_val_epoch(self, runner: Any, metrics: dict[str, float | None]) -> None:
        values = {name: metrics[name.replace("val/", "coco/")] for name in VALIDATION}
        self.pending[-1].update({name: value for name, value in values.items() if value is not None})
        epoch, self.pending = self.pending, []
        self.rows += epoch
        write(self.path, self.rows)
        mAP_50 = values["val/bbox_mAP_50"]
        shown = "n/a" if mAP_50 is None else f"{mAP_50:.3f}"
        self.bar.write(f"train: {self.cell}: epoch {runner.epoch}/{runner.max_epochs}: "
                       f"loss {last_epoch_loss(self.rows):.3f}, val mAP50 {shown}", file=sys.stderr)
        self.on_epoch(epoch)

    def after_train(self, runner: Any) -> None:
        self.bar.close()
