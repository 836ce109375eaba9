"""The one way into MLflow: a run is sent what it lacks of what it should hold, while its training
goes on (cells.TrainingRun), when that is done, and by stages.sync."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stages.study.counts import count
from stages.tracking import store
from stages.tracking.contents import (
    BYTES_PER_S,
    Contents,
    Point,
    Stored,
    batches,
    missing_files,
    missing_points,
    points_of,
    put_file,
    send_points,
    stored_points,
)
from stages.tracking.runs import Runs, owner_tags, restoring
from stages.tracking.sending import Sender, Unsent, is_final, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

# Rows of a history that are made into points at a time, so that memory stays bounded.
ROWS = 200


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
            restore = restoring(self.deleted)
            return f"was deleted on the server and stays so; {restore} undoes that"
        counts = {
            "points": self.points,
            "files": self.files,
            "entries of params and tags": self.entries,
        }
        text = ", ".join(count(number, noun) for noun, number in counts.items() if number)
        if self.created:
            text = f"created, {text} sent"
        elif text:
            text = f"{text} sent"
        else:
            text = "closed" if self.closed else "complete"
        if self.lost:
            text += (
                f", but {', '.join(self.lost)} is neither there nor here; `dvc checkout` brings it "
                "back from DVC's cache, or `dvc repro` makes it again"
            )
        return text


class Upload:
    """Sends a run what it lacks; called again, what has been added to its contents since, or what
    did not arrive. A point has the same time at every try, so that a store takes it once.

    is_own: the run goes on in this process, which its tags name. moved: called whenever the tracker
    took something.
    """

    def __init__(
        self,
        contents: Contents,
        is_own: bool = False,
        moved: Callable[[], None] = lambda: None,
    ) -> None:
        self.contents = contents
        self._is_own = is_own
        self._moved = moved
        # Rows that have arrived.
        self._rows = 0
        # What the run had when it was found, and the numbers that have arrived since.
        self._stored: Stored | None = None
        self._refused: Exception | None = None

    def send(self, client: MlflowClient, experiment: str, again: bool = False) -> Sent:
        """Makes the run where the server has none, and completes it.

        again: also the files that a server seems to have, the checkpoint aside: it tells them by
        their sizes alone. Raises what MLflow refuses for good once all else is sent.
        """
        contents, sent, of_experiment = self.contents, Sent(), Runs(client, experiment)
        with store.turn(f"sync-{contents.training_id}"):
            run = self._run(of_experiment, sent)
            if run is None:
                return sent
            run_id = run.info.run_id
            status = contents.status
            entries = contents.description.complete(client, run)
            if not sent.created:
                sent.entries = entries
            if self._stored is None:
                self._stored = stored_points(client, run)
            while self._rows < len(contents.moments):
                part = slice(self._rows, min(self._rows + ROWS, len(contents.moments)))
                points = points_of(contents.rows[part], contents.moments[part])
                lacking = missing_points(self._stored, points)
                sent.points += self._send_points(client, run_id, lacking)
                self._rows = part.stop
            numbers = missing_points(self._stored, contents.numbers, compare=True)
            sent.points += self._send_points(client, run_id, numbers)
            for name, value, moment, step in numbers:
                self._stored.setdefault(name, {})[step] = (moment, value)
            files = missing_files(client, run, contents.files)
            if again:
                for path, file in contents.files.items():
                    if not path.startswith("checkpoint/"):
                        files[path] = file
            for path, file in files.items():
                put_file(client, run, file, path.rpartition("/")[0])
                self._moved()
            sent.files = len(files)
            sent.lost = list(missing_files(client, run, contents.absent))
            if status and run.info.status != status:
                client.set_terminated(run_id, status, contents.finished)
                sent.closed = True
            if status:
                of_experiment.drop_doubles(contents.training_id, run_id)
            if contents.cell:
                of_experiment.mark_current(run_id, contents.cell)
        if self._refused is not None:
            raise self._refused
        return sent

    def lacking(self) -> int:
        """How many points have not arrived, as far as this process can tell."""
        contents = self.contents
        rest = slice(self._rows, len(contents.moments))
        numbers = missing_points(self._stored or {}, contents.numbers, compare=True)
        return len(points_of(contents.rows[rest], contents.moments[rest])) + len(numbers)

    def _run(self, of_experiment: Runs, sent: Sent) -> Run | None:
        """The run, found or made; None where somebody deleted it."""
        from mlflow.entities import RunTag

        contents, client = self.contents, of_experiment.client
        own = owner_tags() if self._is_own else {}
        with store.turn():
            run = of_experiment.find(contents.training_id, contents.run_id)
            if run is None:
                sent.deleted = of_experiment.deleted(contents.training_id)
                if sent.deleted:
                    return None
                description = contents.description
                tags = {**description.cut_tags(), **own}
                run = of_experiment.make(
                    contents.training_id, description.name, tags, contents.started
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

    def _send_points(self, client: MlflowClient, run_id: str, lacking: list[Point]) -> int:
        """Gives how many are sent. What MLflow refuses for good costs no other metric."""
        from mlflow.exceptions import MlflowException

        total = 0
        for batch in batches(lacking):
            try:
                send_points(client, run_id, batch)
                total += len(batch)
            except MlflowException as error:
                if not is_final(error):
                    raise
                names = {name for name, *_ in batch}
                if len(names) == 1:
                    self._refused = error
                    continue
                for name in sorted(names):
                    part = [point for point in batch if point[0] == name]
                    total += self._send_points(client, run_id, part)
            self._moved()
        return total


def send_contents(contents: Contents, suffix: str = "") -> None:
    """Completes a run in a thread, as long as SENDING_PATIENCE_S allows; one line says what is
    pending.

    suffix: of the experiment's name.
    """
    sender = Sender()
    upload = Upload(contents, moved=sender.moved)
    sender.put(lambda: upload.send(*store.open_client(suffix), again=True))
    size = sum(path.stat().st_size for path in contents.files.values())
    say_pending(contents, sender.finish(large_s=size / BYTES_PER_S), "a part")


def say_pending(contents: Contents, unsent: Unsent | None, lacking: str) -> None:
    """The line that names what has not arrived."""
    name = contents.description.name
    if unsent and unsent.is_refused:
        log.warning(
            "%s: MLflow refused a part (%s); it is complete on disk, and `make sync` sends what "
            "MLflow then takes",
            name,
            unsent.reason,
        )
    elif unsent:
        log.warning(
            "%s: MLflow at %s lacks %s (%s); all of it is on disk, and `make sync` sends it",
            name,
            without_password(store.uri()),
            lacking,
            unsent.reason,
        )
