"""One training: MMEngine's Runner for a cell, and the hooks of ours that decide what comes out of
it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

import stages.model.ops
import stages.scoring.box_metric  # registers BoxMetric
import stages.training.start  # noqa: F401  registers the hooks that a cell's file names
from stages.training import image_cache, order, processes
from stages.training.best import BestHook
from stages.training.cell_file import ResolvedCell
from stages.training.history import HistoryHook


class QuietRunner(Runner):
    """MMEngine's Runner for a config of runner_config(): nothing reads MMEngine's log."""

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        # It would ask for the version of the compiler that Python was built with, and where there
        # is none, the shell says "gcc: not found" on stderr, as if something needed one.
        pass


@dataclass(frozen=True)
class Training:
    """A training that has not begun. passes: forward and backward passes that are summed to an
    optimizer step."""

    runner: QuietRunner
    recorder: HistoryHook
    best: BestHook
    passes: int

    @property
    def classes(self) -> list[str]:
        return list(self.runner.cfg.train_dataloader.dataset.dataset.metainfo.classes)


def runner_config(cell: ResolvedCell, folder: Path, cached: bool = False) -> Config:
    """The config that the Runner takes: MMEngine's own logger, checkpoints and event files are left
    out.

    folder: the Runner's work_dir. cached: pixels come from the image cache, to the same bits.
    """
    cfg = Config(copy.deepcopy(cell.config.to_dict()), format_python_code=False)
    cfg.work_dir = str(folder)
    cfg.log_level = "ERROR"
    cfg.default_hooks = {**cfg.get("default_hooks", {}), "logger": None, "checkpoint": None}
    cfg.default_hooks.pop("visualization", None)
    cfg.visualizer = {"type": "Visualizer", "name": f"training of {cell.name}", "vis_backends": []}
    # The hooks that the cell's file names load what stage weights has checked; MMEngine would fetch
    # it again, from wherever.
    cfg.model.backbone.init_cfg = None
    if cell.training["processes"] > 1:
        processes.join(cfg)
    for split in ("val", "test"):
        cfg[f"{split}_evaluator"] = {
            "type": "BoxMetric",
            "ann_file": cfg[f"{split}_evaluator"].ann_file,
        }
    if cached:
        cfg = image_cache.use(cfg, "train", "val")
    return order.resumable(cfg)


def assemble(cfg: Config, history: Path) -> Training:
    """The Runner of a config of runner_config(), with its history and its choice of the best epoch.

    history: the file that the history is written to.
    """
    passes = cfg.optim_wrapper.get("accumulative_counts", 1)
    runner = QuietRunner.from_cfg(cfg)
    training = Training(runner, HistoryHook(history, passes), BestHook(passes), passes)
    for hook in (training.recorder, training.best):
        runner.register_hook(hook)
    return training


def count_images(training: Training) -> dict[str, int]:
    """train_images, val_images: as many as the loaders give, without those that MMDetection filters
    out. train_val_overlap: how many image files both read."""
    train = training.runner.train_loop.dataloader.dataset
    val = training.runner.val_loop.dataloader.dataset
    learnt, scored = _files(train), _files(val)
    return {
        "train_images": len(train),
        "val_images": len(val),
        "train_val_overlap": len(learnt & scored),
    }


def _files(dataset: Any) -> set[str]:
    return {dataset.get_data_info(index)["img_path"] for index in range(len(dataset))}
