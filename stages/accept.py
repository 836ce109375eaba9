"""Records finished cells as up to date where code that decides bits was rewritten and still makes the same bits.

Some steps of one small cell per detector and optimizer are trained with the code that trained the study and with the
code that is here; all weights are compared bit by bit. Run alone: python -m stages.accept
"""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from stages.check_cache import dvc
from stages.errors import InputError
from stages.program import run
from stages.study import params, paths

log = logging.getLogger(__name__)


def main() -> None:
    """Raises InputError where anything but that code has changed, or where a bit differs; nothing is recorded then."""
    study = params.load()
    refresh(study)
    # Seconds of imports, after what can be refused at once.
    from stages.acceptance import record, stale, trial
    from stages.tracking import provenance

    cells = stale.find(study)
    if not cells:
        log.info("no finished training is stale; there is nothing to accept")
        return
    groups: dict[tuple[str, str, str], list[stale.Stale]] = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    folder = paths.SCRATCH / "accept"
    shown = []
    for (commit, detector, optimizer), members in groups.items():
        smallest = min(members, key=lambda cell: (cell.record["parameters"] * cell.cell.training["image_size"] ** 2))
        log.info("%s with %s, trained at %s: some steps of %s with the code of then and of now", detector, optimizer,
                 commit[:10], smallest.name)
        try:
            different = compare(smallest, commit, folder)
        finally:
            trial.remove_worktree((folder / "then").resolve())
            trial.remove_worktree((folder / "now").resolve())
        if different:
            raise InputError(f"{smallest.name}: {len(different)} of its weights are not the same bits after "
                             f"{trial.STEPS * trial.EPOCHS} steps ({', '.join(different[:3])}, ...); nothing is "
                             "recorded, and dvc repro trains what is stale")
        shown.append(smallest.name)
    dvc("commit", "--force", *(f"stages/dvc.yaml:train@{cell.name}" for cell in cells))
    record.add({
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "from": sorted({cell.record["git_commit"] for cell in cells}),
        "then": sorted({cell.record["code_digest"] for cell in cells}),
        "now": provenance.code_digest(),
        "cells": [cell.name for cell in cells],
        "shown_by": shown,
        "steps": trial.STEPS * trial.EPOCHS,
    })
    log.info("%d cells are up to date: the same bits after %d steps of %s; %s says so, and belongs into git",
             len(cells), trial.STEPS * trial.EPOCHS, ", ".join(shown), record.FILE)


def refresh(study: params.Study) -> None:
    """The cells' files and weights as params.yaml has them now."""
    addresses = [f"stages/dvc.yaml:weights@{name}" for name in study.selected()]
    for command in (["compose"], ["--single-item", *addresses]):
        done = subprocess.run([sys.executable, "-m", "dvc", "repro", *command], capture_output=True, text=True,
                              check=False)
        if done.returncode:
            last = [line for line in done.stdout.splitlines() + done.stderr.splitlines() if line.strip()]
            raise InputError(f"the cells' files cannot be made: {' '.join(last[-3:])[:300]}")


def compare(cell, commit: str, folder: Path) -> list[str]:
    """What differs between the trials of then and now, by name."""
    from stages.acceptance import trial

    trial.remove_worktree((folder / "then").resolve())
    trial.remove_worktree((folder / "now").resolve())
    folder.mkdir(parents=True, exist_ok=True)
    trial.worktree(commit, (folder / "then").resolve())
    if trial.code_digest(folder / "then") != cell.record["code_digest"]:
        raise InputError(f"{cell.name}: was trained with changes that commit {commit} does not hold, so nobody can "
                         "train with them again; dvc repro trains the cell")
    (folder / "now").mkdir()
    trial.copy_code(folder / "now")
    then, now = (trial.run(cell, folder / side) for side in ("then", "now"))
    return trial.differences(then, now)


if __name__ == "__main__":
    run(main, "accept")
