"""A training's folder, .work/<fingerprint>/: what it holds and goes on from, and its outs."""

from __future__ import annotations

import json
import logging
import os
import shutil
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stages import files
from stages.study import paths

log = logging.getLogger(__name__)

SETTINGS = "settings.json"
# Written last: all that becomes an out is complete.
FINISHED = "finished"
# Names the states that are whole, the newest first; see safety/states.py.
POINTER = "state.json"


@dataclass
class Workspace:
    """training_id, started (ISO 8601): of the training, over all processes that have a part in it.
    settings: what the fingerprint is made of, as far as it can be said in words."""

    cell: str
    folder: Path
    settings: dict[str, Any]
    training_id: str
    started: str

    @property
    def fingerprint(self) -> str:
        return self.folder.name

    @property
    def finished(self) -> bool:
        return (self.folder / FINISHED).is_file()

    def publish(self, outs: dict[Path, tuple[str, ...]], keep_for_dvc: bool) -> None:
        """Puts finished files where DVC expects them, each in one move; then removes what is left
        of other trainings.

        keep_for_dvc: DVC removes a stage's outs before it runs it, and runs it again where it was
        killed before it took note; the training then need not be repeated. Stage predict, which
        comes after, discards it.
        """
        (self.folder / FINISHED).touch()
        files.sync_folder(self.folder)
        for folder, names in outs.items():
            for name in names:
                files.link(self.folder / name, folder / name)
        for folder, _ in _of_cell(self.cell):
            if folder != self.folder or not keep_for_dvc:
                _remove(folder)
        if keep_for_dvc:
            kept = {SETTINGS, FINISHED}.union(*outs.values())
            for path in self.folder.iterdir():
                if path.name in kept:
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def is_first() -> bool:
    """Whether this process is the first of those that train together, or the only one."""
    return int(os.environ.get("RANK", 0)) == 0


def open_(cell: str, fingerprint: str, settings: dict[str, Any]) -> Workspace:
    """The cell's folder to go on from, or a fresh one; then a line says what has changed."""
    folder = paths.SCRATCH / fingerprint
    content = _read(folder)
    # Of several processes that train together, one speaks and writes.
    first = is_first()
    if content is None:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        content = asdict(Workspace(cell, folder, settings, uuid.uuid4().hex, started))
        if first:
            _say_changes(cell, settings)
            files.write_json(folder / SETTINGS, {**content, "folder": str(folder)})
    if first:
        files.remove_unfinished(folder)
    return Workspace(**{**content, "folder": folder})


def _say_changes(cell: str, settings: dict[str, Any]) -> None:
    """A line for each unfinished training of the cell that is not resumed, and why."""
    for folder, content in _of_cell(cell):
        step = newest_step(folder)
        if step is not None and not (folder / FINISHED).exists():
            place = f"step {step} of {folder}"
            changes = _changes(content["settings"], settings)
            log.info("%s: starting over, not resuming from %s: %s", cell, place, changes)


def discard(cell: str) -> None:
    """Removes what a finished training of the cell has held back for DVC."""
    for folder, _ in _of_cell(cell):
        if (folder / FINISHED).exists():
            _remove(folder)


def newest_step(folder: Path) -> int | None:
    """The step of the newest state, without a look into it."""
    return next((entry["step"] for entry in states_of(folder)), None)


def states_of(folder: Path) -> list[dict[str, Any]]:
    """The states that the pointer names and that are there, newest first."""
    try:
        entries = json.loads((folder / POINTER).read_text(encoding="utf-8"))["states"]
        whole = []
        for entry in entries:
            name = f"state-{entry['step']}.pth"
            if entry["step"] >= 0 and entry["file"] == name and (folder / name).is_file():
                whole.append(entry)
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return whole


def _remove(folder: Path) -> None:
    """Under another name first: half of a folder must not look like a training."""
    gone = folder.with_suffix(".gone")
    shutil.rmtree(gone, ignore_errors=True)
    folder.replace(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _of_cell(cell: str) -> list[tuple[Path, dict[str, Any]]]:
    """The folders of the cell's trainings, with what their SETTINGS say."""
    folders = []
    for path in sorted(paths.SCRATCH.glob(f"*/{SETTINGS}")):
        content = None if path.parent.suffix == ".gone" else _read(path.parent)
        if content and content["cell"] == cell:
            folders.append((path.parent, content))
    return folders


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        content = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or set(content) != set(Workspace.__dataclass_fields__):
        return None
    return content


def _changes(then: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs, as one line: values where they can be read."""
    changes = []
    for key in sorted({*then, *now}):
        before, after = then.get(key), now.get(key)
        if before == after:
            continue
        if len(f"{before}{after}") < 40 and not key.startswith("digest of "):
            changes.append(f"{key} {before} -> {after}")
        else:
            changes.append(f"{key} differs")
    return ", ".join(changes) or "its MMDetection config differs"
