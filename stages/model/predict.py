"""Runs a checkpoint over a split with the test settings of its config."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from tqdm import tqdm

import stages.model.ops  # noqa: F401  before anything of MMDetection
from stages.analysis import depth
from stages.model import checkpoints, config_file
from stages.safety import loaders
from stages.scoring.box_metric import to_results
from stages.training import image_cache


@dataclass(frozen=True)
class Predictions:
    """detections: COCO's results format, the whole split; details: see stages/analysis/depth.py."""

    detections: list[dict[str, Any]]
    details: dict[str, Any]


def split(config: Path, checkpoint: Path, name: str, cached: bool = False, workers: int = 0) -> Predictions:
    """name: "val" or "test". cached: pixels come from the image cache that training uses. workers: loader processes.

    Raises InputError where config.py or the checkpoint is missing, damaged, hostile or of another model.
    """
    cfg = config_file.read(config, "model", f"{name}_dataloader", f"{name}_evaluator")
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.init_cfg = None
    loaders.bounded(cfg[f"{name}_dataloader"], workers)
    if cached:
        cfg = image_cache.use(cfg, name)
    model = MODELS.build(cfg.model)
    checkpoints.load(checkpoint, model)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).eval()
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints what it reads
        loader = Runner.build_dataloader(forked(cfg[f"{name}_dataloader"]), seed=cfg.randomness.seed)
    detections = []
    with torch.inference_mode():
        for batch in tqdm(loader, desc=f"predict {name}", unit="batch", disable=None, leave=False):
            for sample in model.test_step(batch):
                detections += to_results(sample.to_dict())
    return Predictions(detections, depth.describe(depth.inspect(cfg[f"{name}_evaluator"].ann_file, detections)))


def forked(loader: ConfigDict) -> dict[str, Any]:
    """The config of a data loader whose workers are forks of this process, as those of MMEngine's Runner are.

    Since Python 3.14 they would start anew, without stages.model.ops, and MMDetection could not be imported.
    """
    loader = dict(loader)
    if loader["num_workers"]:
        loader["multiprocessing_context"] = "fork"
    return loader
