"""One run for each training, found by an id of the training's own, and the process that it belongs to."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.tracking import store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# MLflow gives runs their ids, so a training has one of its own, as a tag.
TAG = "training_id"
# Of several runs of a cell, that of the results on disk.
CURRENT = "current"
# The inode of the machine's own pid namespace in Linux (PROC_PID_INIT_INO).
MACHINES_OWN = "pid:[4026531836]"


@dataclass(frozen=True)
class Runs:
    """The runs of one experiment; those in MLflow's trash do not count."""

    client: MlflowClient
    experiment: str

    def find(self, training_id: str, run_id: str | None = None) -> Run | None:
        """The run of a training: `run_id` where that is it, else the first that has its tag."""
        from mlflow.exceptions import MlflowException

        if run_id:
            try:
                run = self.client.get_run(run_id)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
            else:
                if run.data.tags.get(TAG) == training_id and run.info.lifecycle_stage == "active":
                    return run
        return next(iter(self._tagged(training_id)), None)

    def make(
        self, training_id: str, name: str, tags: dict[str, str], start: int | None = None
    ) -> Run:
        """A new run, or the one that somebody else made for this training meanwhile.

        A request that was repeated, or two programs at once, may have made several: all but the
        first go to MLflow's trash. `start` is in milliseconds since 1970, now where it is None.
        """
        created = datetime.now(UTC).isoformat(timespec="microseconds")
        tags = {**tags, TAG: training_id, "created": created}
        run = self.client.create_run(self.experiment, start_time=start, run_name=name, tags=tags)
        first = next(iter(self._tagged(training_id)), run)
        self.drop_doubles(training_id, first.info.run_id)
        return first

    def drop_doubles(self, training_id: str, run_id: str) -> None:
        """Puts a training's other runs, whose answers were lost, into MLflow's trash."""
        for run in self._tagged(training_id):
            if run.info.run_id != run_id:
                self.client.delete_run(run.info.run_id)

    def mark_current(self, run_id: str, cell: str) -> None:
        """Tags the run as the one whose results are on disk; earlier runs of its cell lose that."""
        quoted = cell.replace("'", "")
        condition = f"tags.cell = '{quoted}' and tags.{CURRENT} = 'true'"
        for run in self.client.search_runs([self.experiment], condition):
            if run.info.run_id != run_id:
                self.client.delete_tag(run.info.run_id, CURRENT)
        if self.client.get_run(run_id).data.tags.get(CURRENT) != "true":
            self.client.set_tag(run_id, CURRENT, "true")

    def deleted(self, training_id: str) -> str | None:
        """The id of a run of this training that somebody put into MLflow's trash."""
        from mlflow.entities import ViewType

        for run in self._tagged(training_id, ViewType.DELETED_ONLY):
            return str(run.info.run_id)
        return None

    def close_vanished(self, but: str | None = None) -> list[str]:
        """Ends as KILLED the runs that a vanished process of this host left RUNNING, apart from the
        training `but`; their names.

        The caller holds the store's turn, so that no run is taken up again meanwhile.
        """
        closed = []
        condition = f"attributes.status = 'RUNNING' and tags.host = '{host()}'"
        for run in self.client.search_runs([self.experiment], condition):
            if vanished(run.data.tags) and (but is None or run.data.tags.get(TAG) != but):
                self.client.set_terminated(run.info.run_id, "KILLED")
                closed.append(run.info.run_name)
        return closed

    def _tagged(self, training_id: str, view: Any = 1) -> list[Run]:
        """The runs of a training, the first made first. view: 1 is ViewType.ACTIVE_ONLY."""
        runs = self.client.search_runs(
            [self.experiment], f"tags.{TAG} = '{training_id}'", run_view_type=view, max_results=100
        )
        return sorted(runs, key=lambda run: (run.data.tags.get("created", ""), run.info.run_id))


def restoring(run_id: str) -> str:
    """What to type to have a run out of MLflow's trash."""
    return store.command(f"mlflow runs restore --run-id {run_id}")


def owner_tags() -> dict[str, str]:
    """This process for a run's tags: host, number, and what tells it from others of that number."""
    namespace = ""
    with contextlib.suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return {
        "host": host(),
        "pid": str(os.getpid()),
        "pid.namespace": namespace,
        "pid.boot": _read("/proc/sys/kernel/random/boot_id"),
        "pid.started": started(os.getpid()) or "",
    }


def host() -> str:
    """The host's name, with its machine id behind it: names such as localhost are everywhere."""
    return f"{socket.gethostname()} {_read('/etc/machine-id')[:8]}".strip()


def started(pid: int) -> str | None:
    """Clock ticks from boot to its start, which no change of the clock moves; None: no process."""
    # The command in brackets may hold spaces; starttime is field 22 of proc(5), the 20th behind it.
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else None


def vanished(run_tags: dict[str, str]) -> bool:
    """Whether the process of these tags is gone for certain; never known of another host's."""
    own = owner_tags()
    if not own["pid.started"] or not run_tags.get("pid", "").isdigit():
        return False
    if any(run_tags.get(key) != own[key] for key in ("host", "pid.namespace")):
        return False
    if run_tags.get("pid.boot") != own["pid.boot"]:
        # The machine was started again. A container's host name may also be another machine's.
        return own["pid.namespace"] == MACHINES_OWN
    return started(int(run_tags["pid"])) != run_tags.get("pid.started")


def _read(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    return ""
