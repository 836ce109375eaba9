"""One training of a cell at a time: a lock that says who holds it, since when, and if it lives."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from stages.errors import InputError
from stages.study import paths

log = logging.getLogger(__name__)

LOCK_FOLDER = paths.SCRATCH / "locks"
BEAT_S = 5.0
# A holder is called silent after this; it only changes what the refusal says.
SILENT_S = 60.0
# A write that the disk has not ended may hold the lock of a killed process a little longer.
LOCK_PATIENCE_S = 10.0


@contextlib.contextmanager
def held(cell: str) -> Iterator[None]:
    """Holds the cell's lock. Raises InputError where another training has it: by whom, since when,
    last sign of life.

    flock decides on one machine, so nothing is left of a process that has gone, however it went,
    and no clock matters. Over a network file system flock may not reach the other machine: there
    the holder's counter must stand still.
    """
    path = LOCK_FOLDER / f"{cell}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not "a+": what is written to a file opened so goes to its end, wherever it should.
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "r+b") as file:
        _take(cell, file)
        # The hold is the open file's, and a fork has that too.
        os.register_at_fork(after_in_child=lambda: _drop(file))
        last = _owner(file)
        if last.get("pid"):
            _see_out(cell, file, last)
            log.info("%s: takes over from a training that vanished (%s)", cell, _who(last))
        stop = threading.Event()
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": datetime.now().isoformat(" ", "seconds"),
            "command": " ".join(" ".join(sys.orig_argv).split())[:200],
        }
        _write(file, owner, 0)
        arguments = (file, owner, stop)
        beat = threading.Thread(target=_beat, args=arguments, daemon=True, name="heartbeat")
        beat.start()
        try:
            yield
        finally:
            stop.set()
            beat.join()
            # Nobody holds it: the next one has nothing to take over.
            with contextlib.suppress(OSError):
                os.ftruncate(file.fileno(), 0)


def _take(cell: str, file: Any) -> None:
    """Waits only for what is left of a holder that has gone."""
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            owner = _owner(file)
            gone = owner.get("host") == socket.gethostname() and not _alive(owner.get("pid", 0))
            if not gone or time.monotonic() > deadline:
                raise InputError(_refusal(cell, owner)) from None
            time.sleep(0.2)


def _see_out(cell: str, file: Any, owner: dict[str, Any]) -> None:
    """Raises InputError where a holder on another machine still counts."""
    if owner.get("host") == socket.gethostname():
        return
    deadline = time.monotonic() + 3 * BEAT_S
    while time.monotonic() < deadline:
        time.sleep(BEAT_S / 5)
        if _owner(file).get("beat") != owner.get("beat"):
            raise InputError(_refusal(cell, owner))


def _beat(file: Any, owner: dict[str, Any], stop: threading.Event) -> None:
    beat = 0
    while not stop.wait(BEAT_S):
        beat += 1
        _write(file, owner, beat)


def _write(file: Any, owner: dict[str, Any], beat: int) -> None:
    """In place, since the lock is this file's; a full disk must not stop what the lock protects."""
    content = json.dumps({**owner, "beat": beat, "uptime": time.monotonic()}) + "\n"
    with contextlib.suppress(OSError):
        os.pwrite(file.fileno(), content.encode().ljust(os.fstat(file.fileno()).st_size), 0)


def _owner(file: Any) -> dict[str, Any]:
    try:
        owner = json.loads(os.pread(file.fileno(), 1 << 16, 0))
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _drop(file: Any) -> None:
    with contextlib.suppress(OSError, ValueError):
        os.close(file.fileno())


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return pid > 0


def _who(owner: dict[str, Any]) -> str:
    pid, host = owner.get("pid", "?"), owner.get("host", "?")
    return f"pid {pid} on {host}, since {owner.get('started', '?')}"


def _refusal(cell: str, owner: dict[str, Any]) -> str:
    if not owner:
        return f"{cell}: another process is training this cell; wait for it"
    holder = f"{cell}: is being trained by {_who(owner)} ({owner.get('command', '?')})"
    if owner.get("host") != socket.gethostname():
        return f"{holder}; wait for it, or end it there"
    # Of the machine's uptime, which all processes share and no change of the clock moves.
    silent = max(0.0, time.monotonic() - owner.get("uptime", 0.0))
    state = f"last heartbeat {silent:.0f} s ago"
    if silent > SILENT_S:
        state = f"it may hang: no heartbeat for {silent / 60:.0f} minutes"
    return (
        f"{holder}, {state}; wait for it, or end it with kill {owner.get('pid')}: the next one "
        "resumes from its last state"
    )
