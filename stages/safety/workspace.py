"""A training's own folder, .work/<fingerprint>/: what it holds, what it goes on from, and how it
becomes outs."""

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
from stages.safety import state_files
from stages.study import paths

log = logging.getLogger(__name__)

SETTINGS = "settings.json"
# Written last: all that becomes an out is complete.
FINISHED = "finished"


@dataclass
class Workspace:
    """training_id: of the training, over all processes that have a part in it. started: of the
    first, ISO 8601.

    settings: what the fingerprint is made of, as far as it can be said in words.
    """

    cell: str
    folder: Path
    settings: dict[str, Any]
    training_id: str
    started: str

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
                if path.name not in kept:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def open_(cell: str, fingerprint: str, settings: dict[str, Any]) -> Workspace:
    """The cell's folder: one to go on from, or a fresh one, and then a line says what has changed
    since the last."""
    folder = paths.SCRATCH / fingerprint
    known = _read(folder)
    # Of several processes that train together, one speaks and writes.
    first = int(os.environ.get("RANK", 0)) == 0
    if known is None:
        for other, then in _of_cell(cell) if first else ():
            step = state_files.newest_step(other)
            if step is not None and not (other / FINISHED).exists():
                log.info(
                    "%s: starts afresh, not from step %d in %s: %s",
                    cell,
                    step,
                    other,
                    _changes(then["settings"], settings),
                )
        known = asdict(
            Workspace(
                cell,
                folder,
                settings,
                uuid.uuid4().hex,
                datetime.now(UTC).isoformat(timespec="seconds"),
            )
        )
        if first:
            with files.replacing(folder / SETTINGS) as beside:
                beside.write_text(
                    json.dumps({**known, "folder": str(folder)}, indent=1) + "\n", encoding="utf-8"
                )
    if first:
        files.remove_unfinished(folder)
    return Workspace(**{**known, "folder": folder})


def discard(cell: str) -> None:
    """Removes what a finished training of the cell has held back for DVC."""
    for folder, _ in _of_cell(cell):
        if (folder / FINISHED).exists():
            _remove(folder)


def _remove(folder: Path) -> None:
    """Under another name first: half of a folder must not look like a training."""
    gone = folder.with_suffix(".gone")
    shutil.rmtree(gone, ignore_errors=True)
    folder.replace(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _of_cell(cell: str) -> list[tuple[Path, dict[str, Any]]]:
    found = (
        (path.parent, _read(path.parent))
        for path in sorted(paths.SCRATCH.glob(f"*/{SETTINGS}"))
        if path.parent.suffix != ".gone"
    )
    return [(folder, known) for folder, known in found if known and known["cell"] == cell]


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        known = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return (
        known
        if isinstance(known, dict) and set(known) == set(Workspace.__dataclass_fields__)
        else None
    )


def _changes(then: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs, as one line: values where they can be read."""
    changes = []
    for key in sorted({*then, *now}):
        before, after = then.get(key), now.get(key)
        if before != after:
            short = len(f"{before}{after}") < 40 and not key.startswith("digest of ")
            changes.append(f"{key} {before} -> {after}" if short else f"{key} is another")
    return ", ".join(changes) or "its MMDetection config is another"
