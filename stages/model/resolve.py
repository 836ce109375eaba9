"""What each row of params.yaml becomes on the prepared data: the files that train and weights
depend on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config

from stages.errors import InputError
from stages.files import read_json, write_text
from stages.model import schedule
from stages.model.build import check_build
from stages.model.compose import backbone_config, compose
from stages.study import paths
from stages.study.params import Cell, Study
from stages.training import cell_file, prepared


def read_prepared(study: Study, cell: Cell | None = None) -> dict[str, Any]:
    """The prepared data that a row trains on, by default the study's: see
    stages/training/prepared.py. Beside it train_images, how many images an epoch has, and
    train_indices, which those are of the learnt, None for all."""
    fold, share = None, None
    if cell:
        fold, share = study.fold_of(cell), cell.train_share
    data = prepared.read({split: paths.annotations(split, fold) for split in ("train", "val")})
    indices = None
    images = len(data["learnt"])
    if share:
        indices = positions(data["learnt"], read_json(paths.order(fold)), share)
        images = len(indices)
    return {**data, "train_images": images, "train_indices": indices}


def config(name: str, study: Study, data: dict[str, Any]) -> Config:
    """The config of a cell on the prepared data. Raises InputError for what this data cannot be
    trained with."""
    cell, images = study.cell(name), data["train_images"]
    if data["max_detections"] != study.data.max_detections:
        raise InputError(
            f"data.max_detections: {study.data.max_detections}, and the prepared data was made for "
            f"{data['max_detections']}; run dvc repro prepare, or python -m stages.prepare"
        )
    if schedule.steps(cell, study, images, 1) < 1:
        raise InputError(
            f"{name}: an epoch has fewer images than one optimizer step; lower batch_size"
        )
    return compose(
        name,
        study,
        data["classes"],
        data["image_root"],
        train_images=images,
        train_indices=data["train_indices"],
    )


def training_values(name: str, study: Study, data: dict[str, Any]) -> dict[str, Any]:
    """What `training` in a cell's file says: the row's factors, the numbers in force (pixels, the
    scaled learning rate, the warm-up that so many images leave), and what MMDetection has no key
    for."""
    cell, scale = study.cell(name), study.training
    lr, batch = schedule.learning_rate(cell, study), schedule.batch_size(cell, study)
    weights, pretrained = "none", None
    if study.pretrained(cell.backbone):
        weights, pretrained = scale.weights, paths.weights(name).as_posix()
    fold = cell.fold
    if fold is None:
        fold = study.data.fold
    values = {
        "detector": cell.detector,
        "backbone": cell.backbone,
        "neck": cell.neck,
        "optimizer": cell.optimizer,
        "scale": study.scale,
        "image_size": schedule.pixels(cell, study),
        "epochs": schedule.epochs(cell, study),
        "batch_size": batch,
        "device_batch": schedule.device_batch(cell, study),
        "processes": scale.processes,
        "lr": lr,
        "lr_per_sample": lr / batch,
        "amp": scale.amp,
        "ema": scale.ema,
        "milestones": scale.milestones,
        "warmup_iterations": schedule.warmup(cell, study, data["train_images"]),
        "clip_grad": scale.clip_grad,
        "early_stopping": scale.early_stopping,
        "weights": weights,
        "pretrained": pretrained,
        "seed": study.seed_of(cell),
        "data": data["source"],
        "max_detections": study.data.max_detections,
        "fold": fold,
        "threads": scale.threads,
        "channels_last": scale.channels_last,
        "tf32": scale.tf32,
        "compile": scale.compile,
    }
    # Absent for all images, so that a study without shares has no word of them.
    if cell.train_share:
        values["train_share"] = cell.train_share
    return values


def text(name: str, study: Study, data: dict[str, Any]) -> str:
    """The content of the cell's file."""
    return cell_file.text_of(
        config(name, study, data).to_dict(), training_values(name, study, data)
    )


def weights_text(name: str, study: Study) -> str:
    """The content of data/pretrained/<cell>.json: what names the weights, so that another rate
    fetches nothing."""
    backbone = study.cell(name).backbone
    weights = study.pretrained(backbone)
    content: dict[str, Any] = {"weights": "none"}
    if weights:
        model = {**backbone_config(backbone, study), "init_cfg": None}
        content = {
            "weights": study.training.weights,
            "backbone": backbone,
            "source": weights.source,
            "sha256": weights.sha256,
            "model": model,
        }
    return json.dumps(content, indent=1) + "\n"


def write_cell(name: str, study: Study, data: dict[str, Any]) -> None:
    """Writes both files of a cell. Raises InputError where MMDetection cannot build it, or the
    backbone's fragment names other channels than the backbone has."""
    resolved = config(name, study, data).to_dict()
    check_build(name, study.cell(name), resolved)
    # In one move: the file that is there may be a second name of one in DVC's cache.
    write_text(paths.cell(name), cell_file.text_of(resolved, training_values(name, study, data)))
    write_text(paths.pretrained(name), weights_text(name, study))


def beginning(ordered: Sequence[Sequence[int]], share: float) -> list[int]:
    """The ids of the first groups of images, as near to `share` of all as whole groups allow, one
    group at least. ordered: of data/prepared/order.json, which stages/data/split.py makes."""
    wanted = share * sum(map(len, ordered))
    ids: list[int] = []
    for members in ordered:
        more = len(ids) + len(members)
        if ids and abs(more - wanted) > abs(len(ids) - wanted):
            break
        ids += members
    return sorted(ids)


def positions(learnt: Sequence[int], ordered: Sequence[Sequence[int]], share: float) -> list[int]:
    """Where the images of the share stand among those that CocoDataset keeps, for its `indices`.
    learnt: their ids in the order of the annotation file."""
    subset = set(beginning(ordered, share))
    return [position for position, image in enumerate(learnt) if image in subset]
