"""Whose run it is: the process that a RUNNING run belongs to, and the end of runs whose process has
vanished."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

# The inode of the machine's own pid namespace (PROC_PID_INIT_INO in Linux); a container has
# another.
MACHINES_OWN = "pid:[4026531836]"


def tags() -> dict[str, str]:
    """This process for a run's tags: its host, and what tells it from any other that had or will
    have its number."""
    return {
        "host": host(),
        "pid": str(os.getpid()),
        "pid.namespace": _read_link("/proc/self/ns/pid"),
        "pid.boot": _boot(),
        "pid.started": started(os.getpid()) or "",
    }


def host() -> str:
    """The host's name, with its machine id behind it: names such as localhost are everywhere."""
    return f"{socket.gethostname()} {_read('/etc/machine-id')[:8]}".strip()


def started(pid: int) -> str | None:
    """Clock ticks from boot to the start of a process, so that a clock that jumps does not matter;
    None: no process."""
    try:
        # The command in brackets may hold spaces; starttime is field 22 of proc(5), the 20th behind
        # it.
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return text.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def vanished(run_tags: dict[str, str]) -> bool:
    """Whether the process that wrote these tags is gone for certain: False on other hosts, or where
    nobody can tell."""
    own = tags()
    if not own["pid.started"] or not run_tags.get("pid", "").isdigit():
        return False
    for key in ("host", "pid.namespace"):
        if run_tags.get(key) != own[key]:
            return False
    if run_tags.get("pid.boot") != own["pid.boot"]:
        # The machine was started again. A container's host name may also be that of another one,
        # elsewhere.
        return own["pid.namespace"] == MACHINES_OWN
    return started(int(run_tags["pid"])) != run_tags.get("pid.started")


def close_vanished(
    client: MlflowClient, experiments: list[str], but: str | None = None
) -> list[str]:
    """Ends as KILLED the runs that a vanished process of this host left RUNNING, apart from the
    training `but`.

    Gives their names. The caller holds the store's turn, so that no run is taken up again
    meanwhile.
    """
    closed = []
    runs = client.search_runs(
        experiments, f"attributes.status = 'RUNNING' and tags.host = '{host()}'"
    )
    for run in runs:
        if vanished(run.data.tags) and (but is None or run.data.tags.get("training_id") != but):
            client.set_terminated(run.info.run_id, "KILLED")
            closed.append(run.info.run_name)
    return closed


def _boot() -> str:
    return _read("/proc/sys/kernel/random/boot_id")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _read_link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
