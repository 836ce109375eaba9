"""What is recorded of a training: its identity, its MLflow run, and run.json."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from stages.errors import InputError
from stages.safety import memory
from stages.safety.state_files import State
from stages.safety.workspace import Workspace
from stages.study import names
from stages.study.params import Study
from stages.tracking import provenance
from stages.tracking.description import Description
from stages.tracking.run import Run
from stages.training import history
from stages.training.cell_file import ResolvedCell
from stages.training.runner import Training, count_images

# What names an MLflow run's cell, as tags beside its params.
TAGS = ("detector", "backbone", "neck", "optimizer", "scale", "seed")


def fingerprint(
    cell: ResolvedCell, data: dict[str, Any], weights: list[Path]
) -> tuple[str, dict[str, Any]]:
    """16 hex digits over all that decides a training's bits, and the same in words, as far as words
    go.

    What the cell's file does not hold is in it too: the data, the weights, the code, and the
    versions of the packages that compute. Raises InputError where the weights are missing.
    """
    settings = dict(cell.training)
    for split, digest in data["digests"].items():
        settings[f"digest of {split}"] = digest[:16]
    for package, version in provenance.versions().items():
        if package not in provenance.OBSERVERS:
            settings[package] = version
    settings["digest of the code"] = provenance.code_digest()
    for path in weights:
        try:
            with path.open("rb") as file:
                settings["digest of weights"] = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        except FileNotFoundError:
            raise InputError(
                f"{path}: no pretrained weights; run python -m stages.weights {cell.name}, "
                "or dvc repro"
            ) from None
    text = cell.text + json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16], settings


def start_run(
    cell: ResolvedCell,
    study: Study,
    data: dict[str, Any],
    identity: str,
    commit: str,
    work: Workspace,
    before: State | None,
) -> Run:
    """The MLflow run of a training that begins or goes on from the state `before`."""
    tags = {
        "cell": cell.name,
        **{key: cell.training[key] for key in TAGS},
        "fingerprint": identity,
        "mlflow.source.name": f"stages.train {cell.name}",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit,
        **names.tags(study),
        **provenance.dvc_tags(),
    }
    inputs = datasets(data, study.data.display_name)
    description = Description(cell.name, cell.training, tags, inputs)
    return Run(description, work.training_id, before and before["run_id"])


def measured(training: Training, seconds: float) -> dict[str, Any]:
    """What a training took, and what its history comes to. seconds: of training, over all processes
    that had a part."""
    rows = training.recorder.rows
    return {
        "highest_lr": max(row["lr"] for row in rows),
        "train_loss": history.last_epoch_loss(rows),
        "train_minutes": round(seconds / 60, 4),
        "peak_memory_mib": memory.peak_mib(),
        "parameters": sum(parameter.numel() for parameter in training.runner.model.parameters()),
    }


def content(
    cell: ResolvedCell,
    training: Training,
    measurements: dict[str, Any],
    run: dict[str, Any],
    identity: str,
    commit: str,
    data: dict[str, Any],
    started: str,
) -> dict[str, Any]:
    """run.json. measurements: of measured(). run: of Run.record()."""
    device = "cpu"
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    return {
        "cell": cell.name,
        **run,
        "fingerprint": identity,
        **cell.training,
        **measurements,
        "iterations": training.recorder.rows[-1]["step"],
        **count_images(training),
        "best": training.best.best,
        "started": started,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": device,
        "threads_used": torch.get_num_threads(),
        "versions": provenance.versions(),
        "git_commit": commit,
        "code_digest": provenance.code_digest(),
        "data_digest": data["digest"],
    }


def datasets(data: dict[str, Any], name: str) -> list[dict[str, str]]:
    """The inputs of a training for MLflow: the annotation files, whose digests cover the images
    too. name: of the data set."""
    inputs = []
    for split, context in (("train", "training"), ("val", "validation")):
        inputs.append(
            {
                "name": f"{name}-{split}",
                "digest": data["digests"][split],
                "source": str(data["files"][split].resolve()),
                "context": context,
            }
        )
    return inputs
