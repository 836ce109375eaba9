"""Stage evaluate: scores a cell's best checkpoint on val and test, and completes its MLflow run.

Run alone, after train: python -m stages.evaluate faster_rcnn-r50-fpn-sgd-512
"""

from __future__ import annotations

import json
import logging
from typing import Any

from stages.files import replacing
from stages.program import InputError, run
from stages.study import params, paths
from stages.study.metrics import METRICS

log = logging.getLogger(__name__)


def main(name: str) -> None:
    """Writes metrics/<backbone>/<neck>/<cell>.json and <cell>/details.json beside it, metrics/<neck>/<cell>.json and
    predictions/<cell>/.

    Raises StudyError for an unknown cell, InputError where the cell is not trained or its files do not fit.
    """
    study = params.load()
    cell = study.cell(name)
    record_path = paths.record(name, cell) / "run.json"
    if not record_path.is_file():
        raise InputError(f"{record_path}: {name} is not trained; run dvc repro, or python -m stages.train {name}")
    record = json.loads(record_path.read_text(encoding="utf-8"))
    log.info("%s: loading MMDetection", name)
    # Seconds of imports, after what can be refused at once.
    import torch

    from stages.model import predict
    from stages.tracking.run import Run

    if study.training.threads:
        torch.set_num_threads(study.training.threads)
    tracked = Run(record["run_id"]) if record["run_id"] else None
    model = paths.model(name)
    results: dict[str, Any] = {}
    for split in ("val", "test"):
        results[split] = predict.split(model / "config.py", model / "best.pth", split, study.training.image_cache)
        with replacing(paths.predictions(name, split)) as beside:
            beside.write_text(json.dumps(results[split].detections, separators=(",", ":")), encoding="utf-8")
        details = results[split].details
        log.info("%s: %s mAP %s, mAP50 %s%s", name, split, show(details["metrics"]["bbox_mAP"]),
                 show(details["metrics"]["bbox_mAP_50"]), "" if details["detections"] else " (0 detections)")
    summary = {split: {metric: result.details["metrics"][metric] for metric in METRICS}
               for split, result in results.items()}
    summary["train"] = {"loss": record["train_loss"], "minutes": record["train_minutes"]}
    summary["model"] = {"parameters": record["parameters"]}
    write(paths.metrics(name, cell), summary)
    # The run id is new with every training, so this file changes whenever the cell does.
    write(paths.per_class(name, cell), {
        "cell": name, "run_id": record["run_id"],
        "detections": {split: result.details["detections"] for split, result in results.items()},
        "per_class": {split: result.details["per_class"] for split, result in results.items()}})
    write(paths.details(name, cell), {split: result.details for split, result in results.items()})
    if tracked is None:
        log.warning("%s: its training reached no MLflow server, so this evaluation is on disk only", name)
        return
    tracked.metrics({f"{split}/{metric}": value for split, result in results.items()
                     for metric, value in result.details["metrics"].items()
                     # val's have been logged at each epoch.
                     if split == "test" or metric not in METRICS},
                    record["best"]["step"])
    tracked.artifacts([model / "config.py", paths.record(name, cell) / "history.csv", record_path])
    tracked.artifacts([model / "best.pth"], "checkpoint")
    tracked.artifacts([paths.predictions(name, split) for split in results], "predictions")
    tracked.artifacts([paths.metrics(name, cell), paths.details(name, cell)], "metrics")
    tracked.artifacts([paths.per_class(name, cell)], "metrics/per_class")
    tracked.end()


def show(value: float | None) -> str:
    """Three digits, or n/a where the split has no such box."""
    return "n/a" if value is None else f"{value:.3f}"


def write(path: Any, content: dict[str, Any]) -> None:
    with replacing(path) as beside:
        beside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main, "evaluate", "CELL")
