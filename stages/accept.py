"""Records finished cells as up to date where code that decides bits was rewritten and still makes
the same bits.

Some steps of a few small cells are trained with the code that trained the study and with the code
of this folder; all weights are compared bit by bit. Run alone: python -m stages.accept
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stages.dvc_command import dvc
from stages.errors import InputError
from stages.program import run
from stages.study import params
from stages.study.counts import count, is_or_are, shortened

if TYPE_CHECKING:
    from stages.acceptance.stale import Stale

log = logging.getLogger(__name__)

_MOST_NAMES = 3


def main() -> None:
    """Raises InputError where anything but that code has changed, or where a bit differs; nothing
    is recorded then."""
    study = params.load_study()
    refresh(study)
    # Seconds of imports, after what can be refused at once.
    from stages.acceptance import stale, trial
    from stages.tracking import provenance

    cells = stale.find_stale(study)
    if not cells:
        log.info("no finished training is stale; there is nothing to accept")
        return
    chosen = stale.choose_trials(cells)
    check_bits(chosen)
    dvc("commit", "--force", *(f"stages/dvc.yaml:train@{cell.name}" for cell in cells))
    entry = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "from": sorted({cell.record["git_commit"] for cell in cells}),
        "then": sorted({cell.record["code_digest"] for cell in cells}),
        "now": provenance.code_digest(),
        "cells": [cell.name for cell in cells],
        "shown_by": [cell.name for cell in chosen],
        "steps": trial.STEPS * trial.EPOCHS,
    }
    provenance.accept(entry)
    log.info(
        "%s %s up to date: the same bits after %s of %s. %s says so: commit it",
        count(len(cells), "cells"),
        is_or_are(len(cells)),
        count(entry["steps"], "steps"),
        ", ".join(entry["shown_by"]),
        provenance.ACCEPTED,
    )


def refresh(study: params.Study) -> None:
    """Has DVC write the cells' files and weights as params.yaml has them now."""
    addresses = [f"stages/dvc.yaml:weights@{name}" for name in study.selected()]
    for arguments in (["compose"], ["--single-item", *addresses]):
        command = [sys.executable, "-m", "dvc", "repro", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line for line in done.stdout.splitlines() + done.stderr.splitlines() if line]
            reason = " ".join(" ".join(lines[-3:]).split())[:300]
            raise InputError(f"the cells' files cannot be made: {reason}")


def check_bits(cells: Sequence[Stale]) -> None:
    """Raises InputError for the first cell that ends in other bits with the code of this folder."""
    from stages.acceptance import trial

    with trial.folders() as folders:
        for cell in cells:
            log.info(
                "%s, trained at %s: training some steps with that code and with this folder's",
                cell.name,
                cell.record["git_commit"][:10],
            )
            different = trial.differing_parts(folders.then(cell), folders.now(cell))
            if different:
                raise InputError(
                    f"{cell.name}: not the same bits after {trial.STEPS * trial.EPOCHS} steps: "
                    f"{', '.join(shortened(different, _MOST_NAMES))}; nothing is recorded, and dvc "
                    "repro trains what is stale"
                )


if __name__ == "__main__":
    run(main, "accept")
