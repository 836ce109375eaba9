"""What is recorded of a training: its identity, its MLflow run, and run.json."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from stages.errors import InputError
from stages.files import sha256
from stages.safety.resources import peak_mib
from stages.safety.states import TrainingState
from stages.safety.workspace import Workspace
from stages.study import names
from stages.study.params import Study
from stages.tracking import cells, provenance
from stages.tracking.contents import Description, dataset
from stages.tracking.training_run import TrainingRun
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
            settings["digest of weights"] = sha256(path)[:16]
        except FileNotFoundError:
            raise InputError(
                f"{path}: no pretrained weights; run python -m stages.weights {cell.name}, "
                "or dvc repro"
            ) from None
    text = cell.text + json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16], settings


class Record:
    """Begins the MLflow run of a training, or goes on with that of the state `before`; at the end
    run.json. data: of model.resolve.read_prepared()."""

    def __init__(
        self,
        cell: ResolvedCell,
        study: Study,
        data: dict[str, Any],
        work: Workspace,
        before: TrainingState | None,
    ) -> None:
        self._cell, self._data, self._work = cell, data, work
        tags = {
            "cell": cell.name,
            **{key: cell.training[key] for key in TAGS},
            "fingerprint": work.fingerprint,
            **provenance.source_tags(f"stages.train {cell.name}"),
            **names.tags(study),
        }
        self._commit = tags["mlflow.source.git.commit"]
        inputs = datasets(data, study.data.display_name)
        description = Description(cell.name, cell.training, tags, inputs)
        self.run = TrainingRun(description, work.training_id, before and before["run_id"])

    def finish(self, training: Training, seconds: float) -> dict[str, Any]:
        """Ends the run; run.json. seconds: of training, over all processes with a part in it."""
        rows, model = training.recorder.rows, training.runner.model
        results = {
            "highest_lr": max(row["lr"] for row in rows),
            "train_loss": history.last_epoch_loss(rows),
            "train_minutes": round(seconds / 60, 4),
            "peak_memory_mib": peak_mib(),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "best": training.best.best,
        }
        self.run.metrics(cells.training_summary(results), rows[-1]["step"])
        self.run.end("FINISHED")
        return {
            "cell": self._cell.name,
            **self.run.record(),
            "fingerprint": self._work.fingerprint,
            **self._cell.training,
            **results,
            "iterations": rows[-1]["step"],
            **count_images(training),
            "started": self._work.started,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "threads_used": torch.get_num_threads(),
            "versions": provenance.versions(),
            "git_commit": self._commit,
            "code_digest": provenance.code_digest(),
            "data_digest": self._data["digest"],
        }


def datasets(data: dict[str, Any], name: str) -> list[dict[str, str]]:
    """A training's inputs for MLflow: annotation files, whose digests cover the images too."""
    digests, files = data["digests"], data["files"]
    return [dataset(name, split, digests[split], files[split]) for split in ("train", "val")]
