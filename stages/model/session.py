"""What a stage needs around MMEngine's Runner: the prepared data, the cell's config and fingerprint."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

import stages.evaluation.box_metric  # registers BoxMetric
import stages.model.ops  # noqa: F401  before anything of MMDetection
from stages.files import read_json
from stages.model import processes, schedule, subset
from stages.model.compose import MIN_SIDE, compose
from stages.program import InputError
from stages.study import paths
from stages.study.metrics import MAX_DETECTIONS
from stages.study.params import Study
from stages.tracking import provenance

log = logging.getLogger(__name__)


class QuietRunner(Runner):
    """MMEngine's Runner for a config of quiet(): nothing reads MMEngine's log."""

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        # It would ask for the version of the compiler that Python was built with, and where there is none, the shell
        # says "gcc: not found" on stderr, as if something needed one.
        pass


def read_prepared(fold: int | None = None, share: float | None = None) -> dict[str, Any]:
    """What a training has to know of its data: source, classes, image_root, max_detections, train_images (how many
    MMDetection trains on), train_indices (which of them, None for all), the file and the digest of train and val, and
    the digest of both.

    fold: that of Study.fold_of(). share: a row's train_share.

    From the annotation files themselves: the data report may change where the data does not, and must not retrain.
    Raises InputError where prepare has not run.
    """
    found: dict[str, Any] = {"files": {split: paths.annotations(split, fold) for split in ("train", "val")},
                             "digests": {}}
    for split, path in found["files"].items():
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise InputError(f"{path}: no prepared data; run dvc repro prepare, or python -m stages.prepare") from None
        found["digests"][split] = hashlib.sha256(content).hexdigest()
        coco = read_json(path)
        if split == "train":
            learnt = _learnt(coco)
            indices = subset.positions(learnt, read_json(paths.order(fold)), share) if share else None
            found["train_indices"] = indices
            found["train_images"] = len(learnt if indices is None else indices)
    found.update(max_detections=coco["info"].get("max_detections", MAX_DETECTIONS),
                 source=coco["info"]["source"], image_root=coco["info"]["image_root"],
                 classes=[category["name"] for category in coco["categories"]],
                 digest=hashlib.sha256("".join(found["digests"].values()).encode()).hexdigest())
    return found


def config(name: str, study: Study, data: dict[str, Any]) -> Config:
    """The config of a cell on the prepared data.

    Raises InputError for settings that this data cannot be trained with; a line says what it makes shorter.
    """
    cell, images = study.cell(name), data["train_images"]
    if data["max_detections"] != study.data.max_detections:
        raise InputError(f"data.max_detections: {study.data.max_detections}, and the prepared data was made for "
                         f"{data['max_detections']}; run dvc repro prepare, or python -m stages.prepare")
    if schedule.steps(cell, study, images, 1) < 1:
        raise InputError(f"{name}: an epoch has fewer images than one optimizer step; lower batch_size")
    if note := schedule.warmup_note(cell, study, images):
        log.warning("%s: %s", name, note)
    return compose(name, study, data["classes"], data["image_root"], train_images=images,
                   train_indices=data["train_indices"])


def _learnt(coco: dict[str, Any]) -> list[int]:
    """The ids of the images that CocoDataset keeps under filter_cfg of compose.py: those with an annotation, and of
    MIN_SIDE."""
    labelled = {entry["image_id"] for entry in coco["annotations"]}
    return [image["id"] for image in coco["images"]
            if image["id"] in labelled and min(image["width"], image["height"]) >= MIN_SIDE]


def quiet(cfg: Config, scratch: Path, study: Study) -> Config:
    """The same training under our own hooks: MMEngine's logger, checkpoints and event files are left out."""
    # MMEngine writes the config out three times for itself, which nobody reads: unformatted, that costs no time.
    cfg = Config(copy.deepcopy(cfg.to_dict()), format_python_code=False)
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


def fingerprint(config_text: str, study: Study, used: dict[str, Any], data: dict[str, Any],
                weights: list[Path]) -> tuple[str, dict[str, Any]]:
    """16 hex digits over all that decides a training's bits, and the same in words, as far as words go.

    What MMDetection's config does not show is in it too: processes, threads, the switches of speed.py, the code, and
    the versions of the packages that compute. The image cache is not: its pixels are the same.
    """
    scale = study.training
    makings = {
        **used, **{f"digest of {split}": digest[:16] for split, digest in data["digests"].items()},
        **{key: getattr(scale, key) for key in ("threads", "channels_last", "tf32", "compile")},
        **{package: version for package, version in provenance.versions().items() if package not in ("dvc", "mlflow")},
        "digest of the code": provenance.code_digest()}
    for path in weights:
        with path.open("rb") as file:
            makings["digest of weights"] = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    text = config_text + json.dumps(makings, sort_keys=True)
    return provenance.fingerprint(text, [*data["files"].values(), *weights]), makings
