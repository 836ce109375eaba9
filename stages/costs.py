"""Stage costs: what the selected cells cost to run on this machine, all at one sitting, in turn and
repeatedly.

Run alone, after predict: python -m stages.costs. Anew on this machine: make costs.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from stages.errors import InputError
from stages.files import write_json
from stages.program import run
from stages.results.files import CellFiles, remedy
from stages.study import params, paths
from stages.study.counts import count
from stages.study.params import Cell

log = logging.getLogger(__name__)

# The most that measuring a cell may take, by scale; little beside its training.
SECONDS = {"miniature": 2.4, "full": 30.0}


def main() -> None:
    """Writes costs/costs.json. Cells without predictions are left out, and each is named.

    Raises StudyError, or InputError where no selected cell can be measured.
    """
    study = params.load_study()
    trainings = {}
    for name, cell in study.selected().items():
        training, reason = _training(name, cell)
        if reason:
            log.warning("%s is left out: %s", name, reason)
        else:
            trainings[name] = training
    if not trainings:
        raise InputError("no selected cell has predictions; run dvc repro")
    log.info("%s: loading MMDetection", count(len(trainings), "cells"))
    # Seconds of imports, after what can be refused at once.
    from stages.cost.measure import measure_costs
    from stages.cost.subject import CellSource, read_images
    from stages.tracking.cells import send_cell
    from stages.training import processes

    processes.use_threads(study.training.threads)
    sources = []
    for name in trainings:
        config, checkpoint = paths.model(name) / "config.py", paths.model(name) / "best.pth"
        sources.append(CellSource(name, config, checkpoint, read_images(config)))
    content = measure_costs(sources, seconds=SECONDS[study.scale])
    content["measured"] = datetime.now(UTC).isoformat(timespec="seconds")
    for name, cell in content["cells"].items():
        cell["training_id"] = trainings[name]
        _say(name, cell)
    write_json(paths.COSTS, content)
    _say_where(content)
    for name in trainings:
        send_cell(name, study.cell(name))


def _training(name: str, cell: Cell) -> tuple[str, str]:
    """The training that a cell's predictions are of; or "" and why it cannot be measured."""
    files = CellFiles(name, cell)
    for path in (
        files.run_file.path,
        files.predicted_file.path,
        paths.model(name) / "config.py",
        paths.model(name) / "best.pth",
    ):
        if not path.is_file():
            return "", f"{path} is missing; {remedy(name, 'predict')}"
    training = files.predicted.get("training_id")
    if training != files.run.get("training_id"):
        return "", str(files.predicted_file.stale())
    return training, ""


def _say(name: str, cell: dict) -> None:
    costs = cell["costs"]
    low, high = cell["spread"]["latency_ms"]
    log.info(
        "%s: %.1f ms an image (%.1f to %.1f), %.1f images/s, %.0f MiB",
        name,
        costs["latency_ms"],
        low,
        high,
        costs["images_per_second"],
        costs["peak_memory_mib"],
    )


def _say_where(content: dict) -> None:
    load = ""
    if content["others"] is not None:
        load = f", while other processes used {content['others']:.0%} of its cores"
    log.info(
        "measured on %s, %s with %d threads%s",
        content["machine"],
        content["device"],
        content["threads"],
        load,
    )


if __name__ == "__main__":
    run(main, "costs")
