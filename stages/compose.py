"""Stage compose: writes what decides each cell's training to a file of its own, which its training
depends on.

Run alone, after prepare: python -m stages.compose
"""

from __future__ import annotations

import logging

from stages.model import schedule
from stages.program import run
from stages.study import params, paths
from stages.study.counts import count

log = logging.getLogger(__name__)


def main() -> None:
    """Writes data/cells/<cell>.py and data/pretrained/<cell>.json for each row, whichever are
    selected.

    Raises StudyError or InputError for a row that the prepared data cannot be trained with,
    InputError for one that MMDetection cannot build.
    """
    study = params.load_study()
    # Seconds of imports, after what can be refused at once.
    from stages.model import resolve

    for folder in (paths.CELLS, paths.PRETRAINED):
        # Of rows that are gone.
        for path in folder.glob("*"):
            if path.stem not in study.cells:
                path.unlink()
    notes: dict[str, list[str]] = {}
    read: dict[tuple, dict] = {}
    for name, cell in study.cells.items():
        part = (study.fold_of(cell), cell.train_share)
        if part not in read:
            read[part] = resolve.read_prepared(study, cell)
        resolve.write_cell(name, study, read[part])
        note = schedule.warmup_note(cell, study, read[part]["train_images"])
        notes.setdefault(note, []).append(name)
    notes.pop("", None)
    for note, names in notes.items():
        log.warning("%s: %s", ", ".join(names), note)
    log.info("%s in %s", count(len(study.cells), "cells"), paths.CELLS)


if __name__ == "__main__":
    run(main, "compose")
