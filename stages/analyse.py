"""Stage analyse: scores a cell's predictions, says where they fail, and completes its MLflow run. It runs no model.

Run alone, after predict: python -m stages.analyse faster_rcnn-r50-fpn-sgd-512
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

from stages.analysis import depth, submission
from stages.errors import InputError
from stages.files import read_json, write_json
from stages.program import run
from stages.study import params, paths
from stages.study.metrics import METRICS
from stages.study.params import Cell
from stages.tracking import cells

log = logging.getLogger(__name__)

SPLITS = ("val", "test")


def main(name: str) -> None:
    """Writes metrics/<backbone>/<neck>/<cell>.json, details.json and submission.csv in <cell>/ beside it, and
    metrics/<neck>/<cell>.json.

    Raises StudyError for an unknown cell, InputError where its predictions are missing, damaged, or of an earlier
    training or other annotations.
    """
    study = params.load()
    cell = study.cell(name)
    record = _read(paths.record(name, cell) / "run.json", name, "train")
    annotations = {split: paths.annotations(split, study.fold_of(cell)) for split in SPLITS}
    predicted = _predicted(name, cell, record, annotations)
    detections = {}
    details = {}
    for split in SPLITS:
        path = paths.predictions(name, cell, split)
        detections[split] = _read(path, name, "predict")
        try:
            details[split] = depth.describe(depth.inspect(annotations[split], detections[split]))
        except InputError as error:
            raise InputError(f"{path}: {error}; {_remedy(name, 'predict')}") from None
        _say(name, split, details[split])
    write_json(paths.metrics(name, cell), _summary(record, details))
    submission.write(paths.submission(name, cell), annotations["test"], detections["test"])
    per_class: dict[str, Any] = {
        "cell": name,
        "run_id": record["run_id"],
        "training_id": record["training_id"],
        "annotations": predicted["annotations"],
        "detections": {split: details[split]["detections"] for split in SPLITS},
        "per_class": {split: details[split]["per_class"] for split in SPLITS},
    }
    write_json(paths.per_class(name, cell), per_class)
    write_json(paths.details(name, cell), details)
    cells.file(name, cell)


def _predicted(
    name: str, cell: Cell, record: dict[str, Any], annotations: dict[str, Path]
) -> dict[str, Any]:
    """What the predictions are of, which has to be this training and these annotations."""
    path = paths.predicted(name, cell)
    predicted = _read(path, name, "predict")
    if predicted.get("training_id") != record["training_id"]:
        raise InputError(f"{path}: is of an earlier training; {_remedy(name, 'predict')}")
    for split, file in annotations.items():
        if predicted["annotations"].get(split) != hashlib.sha256(file.read_bytes()).hexdigest():
            raise InputError(
                f"{path}: is of other annotations than {file}; {_remedy(name, 'predict')}"
            )
    return predicted


def _read(path: Path, name: str, stage: str) -> Any:
    try:
        return read_json(path)
    except FileNotFoundError:
        raise InputError(f"{path} is missing; {_remedy(name, stage)}") from None


def _remedy(name: str, stage: str) -> str:
    return f"run `dvc repro stages/dvc.yaml:{stage}@{name}`"


def _summary(record: dict[str, Any], details: dict[str, Any]) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    for split in SPLITS:
        summary[split] = {metric: details[split]["metrics"][metric] for metric in METRICS}
    summary["train"] = {"loss": record["train_loss"], "minutes": record["train_minutes"]}
    summary["model"] = {"parameters": record["parameters"]}
    return summary


def _say(name: str, split: str, details: dict[str, Any]) -> None:
    metrics = details["metrics"]
    scores = f"mAP {show(metrics['bbox_mAP'])}, mAP50 {show(metrics['bbox_mAP_50'])}"
    nothing = "" if details["detections"] else " (0 detections)"
    log.info("%s: %s %s%s", name, split, scores, nothing)


def show(value: float | None) -> str:
    """Three digits, or n/a where the split has no such box."""
    return "n/a" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    run(main, "analyse", "CELL")
