"""Stage evaluate: scores a cell's best checkpoint on val and test, measures its cost, and completes its MLflow run.

Run alone, after train: python -m stages.evaluate faster_rcnn-r50-fpn-sgd-512
"""

from __future__ import annotations

import hashlib
import json
import logging
from typing import Any

from stages.files import read_json, replacing
from stages.program import InputError, run
from stages.safety import shared_memory
from stages.study import params, paths
from stages.study.metrics import MAX_DETECTIONS, METRICS

log = logging.getLogger(__name__)
# The most that measuring a cell's cost may take, by scale; little beside its training.
COST_SECONDS = {"miniature": 4.0, "full": 30.0}


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
    record = read_json(record_path)
    kept, wanted = record.get("max_detections", MAX_DETECTIONS), study.data.max_detections
    if kept != wanted:
        raise InputError(f"{record_path}: {name} keeps {kept} detections of an image, and data.max_detections is "
                         f"{wanted}; run dvc repro, or python -m stages.prepare and python -m stages.train {name}")
    shared_memory.check(name, cell, study)
    log.info("%s: loading MMDetection", name)
    # Seconds of imports, after what can be refused at once.
    from stages.analysis import submission
    from stages.cost import measure as cost
    from stages.model import predict
    from stages.safety import loaders, workspace
    from stages.tracking import cells
    from stages.training import threads

    threads.use(study.training.threads)
    model = paths.model(name)
    # First, while the process holds no more than the model needs.
    spent = cost.of_cell(model / "config.py", model / "best.pth", COST_SECONDS[record["scale"]])
    log.info("%s: %.1f ms an image, %.1f images/s on %s", name, spent["batches"][0]["p50_ms"],
             cost.brief(spent)["images_per_second"], spent["device"])
    results: dict[str, Any] = {}
    for split in ("val", "test"):
        with loaders.explained(name, study.scale):
            results[split] = predict.split(model / "config.py", model / "best.pth", split, study.training.image_cache,
                                           study.training.workers)
        with replacing(paths.predictions(name, split)) as beside:
            beside.write_text(json.dumps(results[split].detections, separators=(",", ":")), encoding="utf-8")
        details = results[split].details
        log.info("%s: %s mAP %s, mAP50 %s%s", name, split, show(details["metrics"]["bbox_mAP"]),
                 show(details["metrics"]["bbox_mAP_50"]), "" if details["detections"] else " (0 detections)")
    summary = {split: {metric: result.details["metrics"][metric] for metric in METRICS}
               for split, result in results.items()}
    summary["train"] = {"loss": record["train_loss"], "minutes": record["train_minutes"]}
    summary["model"] = cost.brief(spent)
    write(paths.metrics(name, cell), summary)
    submission.write(paths.submission(name), paths.annotations("test"), results["test"].detections)
    # The training id is new with every training, so this file changes whenever the cell does.
    write(paths.per_class(name, cell), {
        "cell": name, "run_id": record["run_id"], "training_id": record["training_id"],
        "annotations": {split: hashlib.sha256(paths.annotations(split, study.fold_of(cell)).read_bytes()).hexdigest()
                        for split in results},
        "detections": {split: result.details["detections"] for split, result in results.items()},
        "per_class": {split: result.details["per_class"] for split, result in results.items()}})
    write(paths.details(name, cell), {**{split: result.details for split, result in results.items()},
                                      "cost": {**spent, "definition": cost.DEFINITION}})
    cells.file(name, cell)
    # DVC has taken note of the training by now.
    workspace.discard(name)


def show(value: float | None) -> str:
    """Three digits, or n/a where the split has no such box."""
    return "n/a" if value is None else f"{value:.3f}"


def write(path: Any, content: dict[str, Any]) -> None:
    with replacing(path) as beside:
        beside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main, "evaluate", "CELL")
