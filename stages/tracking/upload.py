"""The one way into MLflow: a run is sent what it lacks of what it should hold, while it goes on,
when it is done, and by stages.sync."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.tracking import artifacts, identity, owner, points, store
from stages.tracking.description import Description
from stages.tracking.points import Point
from stages.tracking.sending import Sender, is_final, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

# Rows of a history that are made into points at a time, so that memory stays bounded.
ROWS = 200


@dataclass
class Contents:
    """All that a run should hold so far. Times are in milliseconds since 1970, None for now.

    training_id: what finds the run; run_id: MLflow's own, None before MLflow has answered. rows:
    of a history, to which rows are added and none is changed, each logged at its entry in moments.
    numbers: other metrics; where the run has another value at the step, it is logged after it.
    files: artifact path -> the file here; absent: the same for files that should be here. status:
    what the run ends as, None while it goes on. cell: whose current run it is, "" for none's.
    """

    training_id: str
    description: Description
    run_id: str | None = None
    rows: Sequence[Mapping[str, Any]] = ()
    moments: list[int] = field(default_factory=list)
    numbers: list[Point] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    absent: dict[str, Path] = field(default_factory=dict)
    status: str | None = "FINISHED"
    started: int | None = None
    finished: int | None = None
    cell: str = ""


@dataclass
class Sent:
    """What a run lacked."""

    created: bool = False
    closed: bool = False
    entries: int = 0
    points: int = 0
    files: int = 0
    deleted: str | None = None
    lost: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if self.deleted:
            return (
                "was deleted on the server and stays so; "
                f"{identity.restoring(self.deleted)} undoes that"
            )
        if self.lost:
            return (
                f"{self._amounts()}, but {', '.join(self.lost)} is neither there nor here; "
                "`dvc checkout` brings it back from DVC's cache, or `dvc repro` makes it again"
            )
        return self._amounts()

    def _amounts(self) -> str:
        counts = {"point": self.points, "file": self.files, "param or tag": self.entries}
        amounts = ", ".join(counted(count, name) for name, count in counts.items() if count)
        if self.created:
            return f"created, {amounts} sent"
        if amounts:
            return f"{amounts} sent"
        if self.closed:
            return "closed"
        return "complete"


class Upload:
    """Sends a run what it lacks; called again, what has been added to its contents since, or what
    did not arrive. A point has the same time at every try, so that a store takes it once.

    is_own: the run goes on in this process, which its tags name.
    """

    def __init__(self, contents: Contents, is_own: bool = False) -> None:
        self.contents = contents
        self._is_own = is_own
        # Rows that have arrived.
        self._rows = 0
        # What the run had when it was found, and the numbers that have arrived since.
        self._stored: points.Stored | None = None
        self._refused: Exception | None = None

    def send(
        self,
        client: MlflowClient,
        experiment: str,
        again: bool = False,
        moved: Callable[[], None] = lambda: None,
    ) -> Sent:
        """Makes the run where the server has none, and completes it.

        again: also the files that a server seems to have, the checkpoint aside: it tells them by
        their sizes alone. moved is called whenever the tracker took something. Raises what MLflow
        refuses for good once all else is sent.
        """
        contents, sent = self.contents, Sent()
        with store.turn(f"sync-{contents.training_id}"):
            run = self._run(client, experiment, sent)
            if run is None:
                return sent
            run_id = run.info.run_id
            status = contents.status
            entries = contents.description.complete(client, run)
            if not sent.created:
                sent.entries = entries
            if self._stored is None:
                self._stored = points.on_server(client, run)
            while self._rows < len(contents.moments):
                part = slice(self._rows, min(self._rows + ROWS, len(contents.moments)))
                new_points = points.of_rows(contents.rows[part], contents.moments[part])
                lacking = points.missing(self._stored, new_points)
                sent.points += self._send_points(client, run_id, lacking, moved)
                self._rows = part.stop
            numbers = points.missing(self._stored, contents.numbers, compare=True)
            sent.points += self._send_points(client, run_id, numbers, moved)
            for name, value, moment, step in numbers:
                self._stored.setdefault(name, {})[step] = (moment, value)
            files = artifacts.missing(client, run, contents.files)
            if again:
                for path, file in contents.files.items():
                    if not path.startswith("checkpoint/"):
                        files[path] = file
            for path, file in files.items():
                artifacts.put(client, run, file, path.rpartition("/")[0])
                moved()
            sent.files = len(files)
            sent.lost = list(artifacts.missing(client, run, contents.absent))
            if status and run.info.status != status:
                client.set_terminated(run_id, status, contents.finished)
                sent.closed = True
            if status:
                identity.drop_doubles(client, experiment, contents.training_id, run_id)
            if contents.cell:
                identity.mark_current(client, experiment, run_id, contents.cell)
        if self._refused is not None:
            raise self._refused
        return sent

    def lacking(self) -> int:
        """How many points have not arrived, as far as this process can tell."""
        contents = self.contents
        rest = slice(self._rows, len(contents.moments))
        numbers = points.missing(self._stored or {}, contents.numbers, compare=True)
        return len(points.of_rows(contents.rows[rest], contents.moments[rest])) + len(numbers)

    def _run(self, client: MlflowClient, experiment: str, sent: Sent) -> Run | None:
        """The run, found or made; None where somebody deleted it."""
        from mlflow.entities import RunTag

        contents = self.contents
        own = owner.tags() if self._is_own else {}
        with store.turn():
            run = identity.find(client, experiment, contents.training_id, contents.run_id)
            if run is None:
                sent.deleted = identity.deleted(client, experiment, contents.training_id)
                if sent.deleted:
                    return None
                tags = {**contents.description.cut_tags(), **own}
                run = identity.make(
                    client,
                    experiment,
                    contents.training_id,
                    contents.description.name,
                    tags,
                    contents.started,
                )
                sent.created = True
            elif any(run.data.tags.get(key) != value for key, value in own.items()):
                own["resumed"] = str(int(run.data.tags.get("resumed", 0)) + 1)
                client.update_run(run.info.run_id, "RUNNING")
                client.log_batch(run.info.run_id, tags=[RunTag(*tag) for tag in own.items()])
                run = client.get_run(run.info.run_id)
        if run.info.run_id != contents.run_id:
            # Another server may answer at this address, or the store was emptied.
            self._rows, self._stored = 0, None
            contents.run_id = run.info.run_id
        return run

    def _send_points(
        self, client: MlflowClient, run_id: str, lacking: list[Point], moved: Callable[[], None]
    ) -> int:
        """Gives how many are sent. What MLflow refuses for good costs no other metric."""
        from mlflow.exceptions import MlflowException

        count = 0
        for batch in points.batches(lacking):
            try:
                points.send(client, run_id, batch)
                count += len(batch)
            except MlflowException as error:
                if not is_final(error):
                    raise
                names = {name for name, *_ in batch}
                if len(names) == 1:
                    self._refused = error
                    continue
                for name in sorted(names):
                    part = [point for point in batch if point[0] == name]
                    count += self._send_points(client, run_id, part, moved)
            moved()
        return count


def send(contents: Contents, suffix: str = "") -> None:
    """Completes a run in a thread, as long as PATIENCE_S allows; one line says what is pending.

    suffix: of the experiment's name.
    """

    def complete() -> None:
        Upload(contents).send(*store.open_client(suffix), again=True, moved=sender.moved)

    sender = Sender()
    sender.put(complete)
    size = sum(path.stat().st_size for path in contents.files.values())
    unsent = sender.finish(large_s=size / artifacts.BYTES_PER_S)
    if unsent:
        log.warning(
            "%s: MLflow at %s has not taken everything (%s); all of it is on disk, and `make "
            "sync` sends it",
            contents.description.name,
            without_password(store.uri()),
            unsent.reason,
        )


def counted(count: int, name: str) -> str:
    """`name` is the singular: 2, "file" is "2 files"."""
    if count == 1:
        return f"1 {name}"
    return f"{count} {name}s"
