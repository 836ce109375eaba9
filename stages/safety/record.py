"""What a training shows and leaves behind: its identity, a bar, its MLflow run, and run.json."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from tqdm import tqdm

from stages.errors import InputError
from stages.files import sha256
from stages.safety.resources import peak_mib
from stages.safety.states import TrainingState
from stages.safety.workspace import Workspace
from stages.study import names
from stages.study.params import Study
from stages.tracking import provenance
from stages.tracking.cells import TrainingRun, training_summary
from stages.tracking.contents import Description, dataset
from stages.training import history
from stages.training.cell_file import ResolvedCell
from stages.training.history import HistoryHook
from stages.training.runner import Training, count_images

# What names an MLflow run's cell, as tags beside its params.
TAGS = ("detector", "backbone", "neck", "optimizer", "scale", "seed")


def fingerprint(cell: ResolvedCell, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
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
    pretrained = cell.training["pretrained"]
    if pretrained:
        try:
            settings["digest of weights"] = sha256(Path(pretrained))[:16]
        except FileNotFoundError:
            raise InputError(
                f"{pretrained}: no pretrained weights; run python -m stages.weights {cell.name}, "
                "or dvc repro"
            ) from None
    text = cell.text + json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16], settings


class _Patient:
    """A terminal that may go, as behind a pipe after Ctrl-C: nothing else is lost then."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self.file.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self.file.flush()


class ProgressHook(Hook):
    """Shows what a HistoryHook collects, and hands its rows to the MLflow run after each validation.

    run: None in all processes of a training but the first. To be registered after that hook.
    """

    def __init__(self, cell: str, recorder: HistoryHook, run: TrainingRun | None) -> None:
        self.cell = cell
        self.recorder = recorder
        self.run = run

    def before_train(self, runner: Any) -> None:
        # tqdm's None shows no bar where nobody watches: DVC's queue and CI get a line per epoch
        # instead. No bar in the other processes of a training either.
        self.bar = tqdm(
            total=runner.max_iters // self.recorder.passes,
            desc=self.cell,
            unit="step",
            dynamic_ncols=True,
            file=_Patient(sys.stderr),
            disable=None if self.run else True,
        )

    def after_train_iter(self, runner: Any, **_: Any) -> None:
        if (runner.iter + 1) % self.recorder.passes == 0:
            self.bar.update()

    def after_val_epoch(self, runner: Any, metrics: dict[str, float | None]) -> None:
        if not self.run:
            return
        mAP_50 = metrics["coco/bbox_mAP_50"]
        score = "n/a" if mAP_50 is None else f"{mAP_50:.3f}"
        loss = history.last_epoch_loss(self.recorder.rows)
        self.bar.write(
            f"train: {self.cell}: epoch {runner.epoch}/{runner.max_epochs}: loss {loss:.3f}, "
            f"val mAP50 {score}",
            file=_Patient(sys.stderr),
        )
        self.run.rows(self.recorder.rows)

    def resume(self) -> None:
        """Counts the steps of earlier processes."""
        done = len(self.recorder.rows) + len(self.recorder.pending)
        self.bar.initial = self.bar.n = self.bar.last_print_n = done

    def after_train(self, runner: Any) -> None:
        self.bar.close()


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
        self.run.metrics(training_summary(results), rows[-1]["step"])
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
