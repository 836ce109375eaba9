"""Stage predict: runs a cell's best checkpoint over val and test. The one stage of a finished cell
that runs its model.

Run alone, after train: python -m stages.predict faster_rcnn-r50-fpn-sgd-512
"""

from __future__ import annotations

import json
import logging
from typing import Any

from stages.errors import InputError
from stages.files import sha256, write_json, write_text
from stages.program import run
from stages.results.files import CellFiles
from stages.safety.resources import check_shared_memory
from stages.study import params, paths
from stages.study.metrics import MAX_DETECTIONS
from stages.study.params import Study

log = logging.getLogger(__name__)


def main(name: str) -> None:
    """Writes predictions/<backbone>/<neck>/<cell>/val.json and test.json, and
    predictions/<neck>/<cell>.json.

    Raises StudyError for an unknown cell, InputError where the cell is not trained or its files do
    not fit.
    """
    study = params.load_study()
    cell = study.cell(name)
    record = CellFiles(name, cell).run
    _check_kept(name, record, study)
    check_shared_memory(name, cell, study)
    log.info("%s: loading MMDetection", name)
    # Seconds of imports, after what can be refused at once.
    from stages.inference import detect, load_model
    from stages.safety.loaders import explained_loader_error
    from stages.safety.workspace import discard
    from stages.training import processes

    processes.use_threads(study.training.threads)
    folder = paths.model(name)
    training = study.training
    model, cfg = load_model(folder / "config.py", folder / "best.pth")
    counts = []
    digests = {}
    for split in paths.EVALUATED:
        with explained_loader_error(name, study.scale):
            detections = detect(model, cfg, split, training.image_cache, training.workers)
        text = json.dumps(detections, separators=(",", ":"))
        write_text(paths.predictions(name, cell, split), text)
        digests[split] = sha256(paths.annotations(split, study.fold_of(cell)))
        counts.append(f"{len(detections)} on {split}")
    # The training id is new with every training, so that this file changes whenever the cell does.
    write_json(
        paths.predicted(name, cell),
        {"cell": name, "training_id": record["training_id"], "annotations": digests},
    )
    log.info("%s: detections: %s", name, ", ".join(counts))
    # DVC has taken note of the training by now.
    discard(name)


def _check_kept(name: str, record: dict[str, Any], study: Study) -> None:
    """Raises InputError where the model keeps other detections than the scores count. record: the
    cell's run.json."""
    kept = record.get("max_detections", MAX_DETECTIONS)
    wanted = study.data.max_detections
    if kept != wanted:
        raise InputError(
            f"{name} keeps {kept} detections of an image, and data.max_detections is {wanted}; run "
            f"dvc repro, or python -m stages.prepare and python -m stages.train {name}"
        )


if __name__ == "__main__":
    run(main, "predict", "CELL")
