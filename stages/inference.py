"""A trained cell's model, built from its config.py with the weights of its checkpoint, and run over
its splits with the test settings of its config."""

from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from tqdm import tqdm

import stages.model.ops  # noqa: F401  before anything of MMDetection
from stages.errors import InputError
from stages.model import config_file
from stages.safety.loaders import bound_loader
from stages.scoring.results import to_results
from stages.study.paths import EVALUATED
from stages.training import image_cache

from mmdet.registry import MODELS  # isort: skip  after the ops


def load_model(config: Path, checkpoint: Path) -> tuple[torch.nn.Module, Config]:
    """The model in evaluation mode on the CPU, and its config with the loaders and evaluators of
    val and test.

    Raises InputError where config.py or the checkpoint is missing, damaged, hostile or of another
    model.
    """
    needed = ["model"]
    for split in EVALUATED:
        needed += [f"{split}_dataloader", f"{split}_evaluator"]
    cfg = config_file.read_config(config, *needed)
    init_default_scope(cfg.default_scope)
    # The checkpoint holds all weights; what a training started from is not needed any more.
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model)
    load_weights(checkpoint, model)
    return model.eval(), cfg


def load_weights(path: Path, model: torch.nn.Module) -> None:
    """Of tensors and plain values only, never pickled code.

    Raises InputError where the file is missing, damaged, more than data, or not of exactly this
    model.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such checkpoint; train the cell first (dvc repro, or "
            f"python -m stages.train {path.parent.name})"
        )
    try:
        # torch writes a checksum of each tensor and does not look at it again.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if not damaged:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: holds more than tensors and plain values and is not opened "
            f"({' '.join(str(error).split())[:60]}); train the cell again"
        ) from None
    # A damaged file makes the reader raise anything.
    except Exception as error:
        damaged = " ".join(str(error).split())[:100] or type(error).__name__
    if damaged:
        raise InputError(
            f"{path}: is damaged ({damaged}); python -m stages.check_cache all removes damaged "
            "files, and dvc repro makes them again"
        )
    try:
        model.load_state_dict(content["state_dict"], strict=True)
    except (RuntimeError, TypeError, KeyError) as error:
        raise InputError(
            f"{path}: is not a checkpoint of the model in config.py beside it: "
            f"{' '.join(str(error).split())[:300]}"
        ) from None


def device() -> torch.device:
    """Where models run on this machine."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def detect(
    model: torch.nn.Module, cfg: Config, split: str, cached: bool = False, workers: int = 0
) -> list[dict[str, Any]]:
    """What a model of load_model() detects on the whole split ("val" or "test"), in COCO's results
    format.

    cached: pixels come from the image cache that training uses. workers: loader processes.
    """
    model.to(device())
    bound_loader(cfg[f"{split}_dataloader"], workers)
    if cached:
        cfg = image_cache.use(cfg, split)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints what it reads
        loader = Runner.build_dataloader(
            forked(cfg[f"{split}_dataloader"]), seed=cfg.randomness.seed
        )
    results: list[dict[str, Any]] = []
    progress = tqdm(loader, desc=f"predict {split}", unit="batch", disable=None, leave=False)
    with torch.inference_mode():
        for batch in progress:
            for sample in model.test_step(batch):
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
