"""Runs a trained cell over its splits with the test settings of its config."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.runner import Runner
from tqdm import tqdm

from stages.inference import model as models
from stages.safety import loaders
from stages.scoring.results import to_results
from stages.training import image_cache


class Predictor:
    """A trained cell; its model is built once, however many splits it is run over.

    cached: pixels come from the image cache that training uses. workers: loader processes.
    Raises InputError as inference.model.load does.
    """

    def __init__(
        self, config: Path, checkpoint: Path, cached: bool = False, workers: int = 0
    ) -> None:
        self._model, self._cfg = models.load(config, checkpoint)
        self._model.to(models.device())
        self._cached = cached
        self._workers = workers

    def detections(self, split: str) -> list[dict[str, Any]]:
        """Of the whole split ("val" or "test") in COCO's results format."""
        cfg = self._cfg
        loaders.bounded(cfg[f"{split}_dataloader"], self._workers)
        if self._cached:
            cfg = image_cache.use(cfg, split)
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints what it reads
            loader = Runner.build_dataloader(
                forked(cfg[f"{split}_dataloader"]), seed=cfg.randomness.seed
            )
        results: list[dict[str, Any]] = []
        progress = tqdm(loader, desc=f"predict {split}", unit="batch", disable=None, leave=False)
        with torch.inference_mode():
            for batch in progress:
                for sample in self._model.test_step(batch):
                    results += to_results(sample.to_dict())
        return results


def forked(loader: ConfigDict) -> dict[str, Any]:
    """The config of a data loader whose workers are forks of this process, as those of MMEngine's
    Runner are.

    Since Python 3.14 they would start anew, without stages.model.ops, and MMDetection could not be
    imported.
    """
    loader = dict(loader)
    if loader["num_workers"]:
        loader["multiprocessing_context"] = "fork"
    return loader
