"""The files of a training's states: written beside the training, whole or not at all, never more
than two."""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from stages import files
from stages.errors import InputError

State = dict[str, Any]
log = logging.getLogger(__name__)

# The pointer is written last: it names whole files only, the newest first.
POINTER = "state.json"
KEPT = 2


class _Measured:
    """A file for torch.save that knows the length and hash of what it has written, and the disk's
    complaint."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.hash = hashlib.sha256()
        self.bytes = 0
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            written = self.file.write(data)
        except OSError as error:
            self.error = error
            raise
        self.hash.update(data)
        self.bytes += written
        return written

    def flush(self) -> None:
        self.file.flush()


def dump(content: Any, path: Path) -> dict[str, Any]:
    """torch.save in one move; bytes and sha256 of the file. Raises OSError, which torch would
    hide."""
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        measured = _Measured(file)
        try:
            torch.save(content, measured)
        except RuntimeError:
            if measured.error:
                raise measured.error from None
            raise
    return {"bytes": measured.bytes, "sha256": measured.hash.hexdigest()}


class Writer:
    """A thread that writes files in the order of their coming, so that steps do not wait for the
    disk.

    What went wrong, such as an OSError of a full disk, is raised by the next call.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._pending: list[Future] = []

    def put(self, work: Callable[[], None]) -> None:
        # At most one in the making: a disk that is slower than the training must not fill the
        # memory.
        self.wait()
        self._pending.append(self._pool.submit(work))

    def check(self) -> None:
        """Raises what has gone wrong so far."""
        if self._pending and self._pending[0].done():
            self.wait()

    def close(self) -> None:
        """Lets what is in the making end, well or not."""
        self._pool.shutdown()

    def wait(self) -> None:
        """Until all is on disk."""
        while self._pending:
            self._pending.pop(0).result()


def save(folder: Path, content: State, step: int) -> None:
    """Adds a state of `step` to the folder and removes all but the last two once the pointer names
    it."""
    name = f"state-{step}.pth"
    entries = [entry for entry in _pointer(folder) if entry["file"] != name]
    entry = {
        "file": name,
        "step": step,
        "saved": datetime.now().isoformat(" ", "seconds"),
        "best_epoch": (content["best"] or {}).get("epoch"),
        **dump(content, folder / name),
    }
    files.write_json(folder / POINTER, {"states": [entry, *entries][:KEPT]})
    _prune(folder)


def load(folder: Path) -> State | None:
    """The newest whole state: tensors and plain values, nothing that could run. None where there is
    none.

    A damaged one is removed, said, and the one before it taken. Raises InputError for one that
    holds code.
    """
    for entry in _pointer(folder) or _by_name(folder):
        path = folder / entry["file"]
        if "sha256" in entry:
            with path.open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest() == entry["sha256"]
            if not whole:
                _discard(path, "its content is not what was written")
                continue
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            reason = " ".join(str(error).split())[:60]
            raise InputError(
                f"{path}: holds more than tensors and plain values and is not opened ({reason}); "
                f"remove {folder} to train from the start"
            ) from None
        except (RuntimeError, EOFError) as error:
            if "sha256" in entry:
                raise
            _discard(path, " ".join(str(error).split())[:80])
    return None


def newest_step(folder: Path) -> int | None:
    """The step of the newest state, without a look into it."""
    entries = _pointer(folder)
    if not entries:
        return None
    return entries[0]["step"]


def _pointer(folder: Path) -> list[dict[str, Any]]:
    """What the pointer names and is there, newest first."""
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


def _by_name(folder: Path) -> list[dict[str, Any]]:
    """A damaged pointer does not make the states worthless; only whole ones ever had these
    names."""
    paths = sorted(folder.glob("state-*.pth"), key=_number, reverse=True)
    return [{"file": path.name} for path in paths]


def _discard(path: Path, reason: str) -> None:
    log.warning("%s: damaged (%s); falling back to the previous state", path, reason)
    path.unlink(missing_ok=True)


def _prune(folder: Path) -> None:
    """Removes states that the pointer does not name, and the checkpoints of epochs that none of
    them needs."""
    entries = _pointer(folder)
    named = {entry["file"] for entry in entries}
    for path in folder.glob("state-*.pth"):
        if path.name not in named:
            path.unlink(missing_ok=True)
    epochs = {entry["best_epoch"] for entry in entries}
    checkpoints = sorted(folder.glob("epoch-*.pth"), key=_number)
    # The newest may be the best by now, and no state says so yet.
    for path in checkpoints[:-1]:
        if _number(path) not in epochs:
            path.unlink(missing_ok=True)


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])
