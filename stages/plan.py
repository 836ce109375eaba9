"""Stage plan: checks all of params.yaml and prints what would run, before anything does.

Run alone: python -m stages.plan
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections import Counter
from pathlib import Path

from stages.data import catalogue, trackable
from stages.errors import InputError
from stages.files import write_json
from stages.model import fragments
from stages.model.schedule import batch_size, epochs, learning_rate, pixels, warmup_note
from stages.program import run
from stages.safety.resources import check_gpus, check_shared_memory
from stages.study import group_metrics, params, paths
from stages.study.counts import count, form
from stages.study.strict import StudyError
from stages.tracking.provenance import log_warnings, trained_by_other_code
from stages.verdict import design

log = logging.getLogger(__name__)


def main() -> None:
    """Raises StudyError or InputError for whatever could not run."""
    log_warnings()
    study = params.load_study()
    for part in params.PARTS:
        for fragment in sorted({getattr(cell, part) for cell in study.cells.values()}):
            fragments.check_fragment(part, fragment)
    catalogue.checked(study.data.policy)
    design.check_hypotheses(study.hypotheses, params.levels(study))
    check_prepared_classes(study)
    if study.data.source != "demo" and not Path(study.data.root).is_dir():
        raise InputError(
            f"data.root: no folder {study.data.root}; "
            "set it to the folder of your images and annotation files"
        )
    if study.data.source != "demo":
        line = trackable.obstacle(Path(study.data.root))
        if line:
            raise InputError(f"data.root: {line}")
    selected = study.selected()
    if study.training.amp != "none" or study.training.processes > 1:
        check_gpus(study)
    for name, cell in selected.items():
        check_shared_memory(name, cell, study)
    log.info(
        "%d of %s at scale %s, seed %d",
        len(selected),
        count(len(study.cells), "cells"),
        study.scale,
        study.seed,
    )
    # The plan is this program's product, for people and for make: a line per cell on stdout, name,
    # pixels, backbone.
    for name, cell in selected.items():
        print(
            f"{name:<36} {pixels(cell, study):4d} px {cell.backbone:<12} "
            f"batch {batch_size(cell, study)}, {epochs(cell, study)} epochs, "
            f"lr {learning_rate(cell, study):.3g}"
        )
    say_warmups(study)
    for line in design.design_warnings(study):
        log.warning("%s", line)
    other_code = trained_by_other_code(selected)
    if other_code:
        log.warning(
            "%d of the cells %s trained to the end with other code than this folder has: "
            "dvc repro trains them again, unless `make accept` shows before that they would end in "
            "the same bits",
            len(other_code),
            form(len(other_code), "was", "were"),
        )
    left_behind = paths.leftovers_line(paths.leftovers(study.cells), study.cells)
    if left_behind:
        log.warning("%s", left_behind)
    # Only what prepare reads: a selection or an edited row in here would prepare the data anew.
    write_json(paths.PLAN, {"data": dataclasses.asdict(study.data)})


def check_prepared_classes(study: params.Study) -> None:
    """Raises InputError for a metric of a class that the data has not, where the set was prepared
    before. Of another set prepare says it."""
    try:
        report = json.loads((paths.PREPARED / "report.json").read_bytes())
        prepared = (report["source"], report["image_root"], report["classes"])
    except (OSError, ValueError, KeyError):
        return
    root = paths.PREPARED / "images" if study.data.source == "demo" else Path(study.data.root)
    if prepared[:2] != (study.data.source, root.as_posix()) or not prepared[2]:
        return
    try:
        group_metrics.check_classes(study, prepared[2])
    except StudyError as error:
        raise InputError(
            f"{error}. If the labels have got new classes: python -m stages.prepare, and again"
        ) from None


def say_warmups(study: params.Study) -> None:
    """A line for each warm-up that the demo set is too small for. How many images of another source
    are trained on is known when prepare has made the splits; fit and train say it then."""
    if study.data.source != "demo":
        return
    notes = Counter(
        warmup_note(cell, study, study.data.demo_images.train) for cell in study.selected().values()
    )
    for note, cells in notes.items():
        if note:
            log.warning("%d of the cells: %s", cells, note)


if __name__ == "__main__":
    run(main, "plan")
