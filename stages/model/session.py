"""What a stage needs around MMEngine's Runner: the prepared data, the cell's config, a scratch folder of its own."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

import stages.evaluation.box_metric  # registers BoxMetric
import stages.model.ops  # noqa: F401  before anything of MMDetection
from stages.model import processes
from stages.model.compose import compose
from stages.program import InputError
from stages.study import paths
from stages.study.params import Study


def read_prepared() -> dict[str, Any]:
    """What a training has to know of its data: source, classes, image_root, the digest of each split and of both.

    From the annotation files themselves: the data report may change where the data does not, and must not retrain.
    Raises InputError where prepare has not run.
    """
    found: dict[str, Any] = {"digests": {}}
    for split in ("train", "val"):
        path = paths.annotations(split)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise InputError(f"{path}: no prepared data; run dvc repro prepare, or python -m stages.prepare") from None
        found["digests"][split] = hashlib.sha256(content).hexdigest()
    coco = json.loads(content)
    found.update(source=coco["info"]["source"], image_root=coco["info"]["image_root"],
                 classes=[category["name"] for category in coco["categories"]],
                 digest=hashlib.sha256("".join(found["digests"].values()).encode()).hexdigest())
    return found


def config(name: str, study: Study, data: dict[str, Any]) -> Config:
    """The config of a cell on the prepared data."""
    return compose(name, study, data["classes"], data["image_root"])


def quiet(cfg: Config, scratch: Path, study: Study) -> Config:
    """The same training under our own hooks: MMEngine's logger, checkpoints and event files are left out."""
    cfg = copy.deepcopy(cfg)
    cfg.work_dir = str(scratch)
    cfg.log_level = "ERROR"
    del cfg.default_hooks["visualization"]
    cfg.default_hooks.update(logger=None, checkpoint=None)
    cfg.visualizer.vis_backends = []
    # PretrainedHook loads what stage weights has checked; MMEngine would fetch it again, from wherever.
    cfg.model.backbone.init_cfg = None
    if study.training.processes > 1:
        processes.join(cfg)
    cfg.val_evaluator = {"type": "BoxMetric", "ann_file": cfg.val_evaluator.ann_file}
    cfg.test_evaluator = {"type": "BoxMetric", "ann_file": cfg.test_evaluator.ann_file}
    return cfg


@contextlib.contextmanager
def scratch(name: str, fingerprint: str) -> Iterator[Path]:
    """.work/<fingerprint>/, locked for this process and removed after success.

    The first process of a training holds the lock for the others. Raises InputError where another training has it.
    """
    folder = paths.SCRATCH / fingerprint
    folder.mkdir(parents=True, exist_ok=True)
    if int(os.environ.get("RANK", 0)) > 0:
        yield folder
        return
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{name}: another process is training this cell in {folder}; wait for it") from None
        yield folder
        shutil.rmtree(folder)
