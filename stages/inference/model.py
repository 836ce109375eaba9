"""A trained cell's model, ready to be run: built from its config.py, with the weights of its
checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

import stages.model.ops  # noqa: F401  before anything of MMDetection
from stages.model import checkpoints, config_file

from mmdet.registry import MODELS  # isort: skip  after the ops

SPLITS = ("val", "test")


def load(config: Path, checkpoint: Path) -> tuple[torch.nn.Module, Config]:
    """The model in evaluation mode on the CPU, and its config with the loaders and evaluators of
    val and test.

    Raises InputError where config.py or the checkpoint is missing, damaged, hostile or of another
    model.
    """
    needed = ["model"]
    for split in SPLITS:
        needed += [f"{split}_dataloader", f"{split}_evaluator"]
    cfg = config_file.read(config, *needed)
    init_default_scope(cfg.default_scope)
    # The checkpoint holds all weights; what a training started from is not needed any more.
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model)
    checkpoints.load(checkpoint, model)
    return model.eval(), cfg


def device() -> torch.device:
    """Where models run on this machine."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
