"""Stage analyse: scores a cell's predictions, says where they fail, and completes its MLflow run.
It runs no model.

Run alone, after predict: python -m stages.analyse faster_rcnn-r50-fpn-sgd-512
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from stages.analysis import images, quality, suspects, tide
from stages.analysis.tide import Inspection
from stages.errors import InputError
from stages.files import sha256, write_json
from stages.program import run
from stages.results.files import CellFiles
from stages.study import params, paths
from stages.study.metrics import METRICS
from stages.study.paths import EVALUATED
from stages.tracking.cells import send_cell

log = logging.getLogger(__name__)

# The threshold where none has a best F1, because no detection is right.
SCORE = 0.5
WORST = 20


def main(name: str) -> None:
    """Writes metrics/<backbone>/<neck>/<cell>.json, details.json and submission.csv in <cell>/
    beside it, and metrics/<neck>/<cell>.json.

    Raises StudyError for an unknown cell, InputError where its predictions are missing, damaged, or
    of an earlier training or other annotations.
    """
    study = params.load_study()
    cell = study.cell(name)
    files = CellFiles(name, cell)
    record = files.run
    annotations = {split: paths.annotations(split, study.fold_of(cell)) for split in EVALUATED}
    _check_predicted(files, annotations)
    detections = {}
    details = {}
    for split in EVALUATED:
        detections[split] = files.predictions(split)
        try:
            details[split] = describe(tide.inspect(annotations[split], detections[split]))
        except InputError as error:
            raise files.predictions_file(split).wrong(str(error)) from None
        _say(name, split, details[split])
    write_json(paths.metrics(name, cell), _summary(record, details))
    images.write_submission(paths.submission(name, cell), annotations["test"], detections["test"])
    per_class: dict[str, Any] = {
        "cell": name,
        "run_id": record["run_id"],
        "training_id": record["training_id"],
        "annotations": files.predicted["annotations"],
        "detections": {split: details[split]["detections"] for split in EVALUATED},
        "per_class": {split: details[split]["per_class"] for split in EVALUATED},
    }
    write_json(paths.per_class(name, cell), per_class)
    write_json(paths.details(name, cell), details)
    send_cell(name, cell)


def _check_predicted(files: CellFiles, annotations: dict[str, Path]) -> None:
    """Raises InputError where the predictions are of another training or of other annotations."""
    file, predicted = files.predicted_file, files.predicted
    if predicted.get("training_id") != files.run["training_id"]:
        raise file.stale()
    for split, path in annotations.items():
        if predicted["annotations"].get(split) != sha256(path):
            raise file.wrong(f"is of other annotations than {path}")


def describe(inspected: Inspection, score: float | None = None) -> dict[str, Any]:
    """A plain dict for json.dumps, with None wherever the split has nothing to measure.

    score: the threshold for the confusion matrix, the images and the suspects; by default that with
    the best F1.

    images, boxes, crowds, detections: counts; max_detections: how many detections of a class in an
    image count; score: that threshold; metrics: engine.statistics() by name; classes: how many the
    means run over; worst: image ids, the worst first. The rest is named after its function: sizes:
    quality.size_scores(); errors: tide.effects(); per_image: images.per_image().
    """
    truth = inspected.truth
    overall = quality.best_f1(inspected)
    if score is None:
        score = overall["threshold"]
    if score is None:
        score = SCORE
    sizes = quality.size_scores(inspected)
    by_image = images.per_image(inspected, score)
    return {
        "images": len(truth.image_ids),
        "boxes": int((~truth.crowd).sum()),
        "crowds": int(truth.crowd.sum()),
        "detections": len(inspected.detections.score),
        "max_detections": truth.max_detections,
        "score": float(score),
        "metrics": inspected.evaluated.statistics,
        "classes": sizes["all"]["classes"],
        "sizes": sizes,
        "per_class": quality.class_scores(inspected),
        "best_f1": overall,
        "curves": quality.precision_recall(inspected),
        "confusion": quality.confusion(inspected, score),
        "errors": tide.effects(inspected),
        "calibration": quality.calibration(inspected),
        "per_image": by_image,
        "worst": [image["image_id"] for image in images.worst(by_image, WORST)],
        "suspects": suspects.suspects(inspected, score),
        "unlabelled": suspects.unlabelled(inspected, score),
    }


def _summary(record: dict[str, Any], details: dict[str, Any]) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    for split in EVALUATED:
        summary[split] = {metric: details[split]["metrics"][metric] for metric in METRICS}
    summary["train"] = {"loss": record["train_loss"], "minutes": record["train_minutes"]}
    summary["model"] = {"parameters": record["parameters"]}
    return summary


def _say(name: str, split: str, details: dict[str, Any]) -> None:
    metrics = details["metrics"]
    scores = f"mAP {score_text(metrics['bbox_mAP'])}, mAP50 {score_text(metrics['bbox_mAP_50'])}"
    nothing = "" if details["detections"] else " (0 detections)"
    log.info("%s: %s %s%s", name, split, scores, nothing)


def score_text(value: float | None) -> str:
    """Three digits, or n/a where the split has no such box."""
    return "n/a" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    run(main, "analyse", "CELL")
