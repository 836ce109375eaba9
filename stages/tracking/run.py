"""The MLflow run of a program that is going on, written from a thread: training never waits for the
tracker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from stages.results.files import ResultFile
from stages.results.history import read_rows
from stages.tracking import identity, owner, points, store
from stages.tracking.artifacts import put
from stages.tracking.description import Description
from stages.tracking.points import Point
from stages.tracking.sending import Job, NeedsPerson, Pending, Sender, without_password

log = logging.getLogger(__name__)

# Points that wait for the tracker, about 200 bytes each. What comes on top is read from the history
# later.
MOST_POINTS = 50_000
# How long a program that was told to stop waits for the tracker: its state is saved, and batch
# systems kill after 30 s.
KILLED_PATIENCE_S = 20.0


class Run:
    """Queues what is to be logged. The tracker may be lost and come back at any time.

    History, metrics and checkpoints are on disk before they come here, so a lost tracker loses
    nothing: what has not arrived by the end is named in one line, and stages.sync sends it.

    training_id: of the training, which keeps it through interruptions, with the `run_id` that it
    had; its points are not sent twice. history: the training's history.csv, for what finds no place
    in the queue or was never sent.
    """

    # Of create(), before anything else.
    _description: Description

    def __init__(
        self,
        training_id: str | None = None,
        run_id: str | None = None,
        history: Path | None = None,
        experiment_suffix: str = "",
    ) -> None:
        self.training_id = training_id or identity.new()
        self.run_id = run_id
        self._history = ResultFile(history, "`make sync` sends it later") if history else None
        self._suffix = experiment_suffix
        # Read now: in the sending thread, params.yaml may be half-edited.
        store.experiment_name()
        self._client: Any = None
        self._open = False
        # What the server has, once it had to be asked.
        self._stored: points.Stored | None = None
        self._catching_up = False
        self._left_out = 0
        self._lock = threading.Lock()
        self._sender = Sender()

    def create(
        self,
        name: str,
        params: dict[str, Any],
        tags: dict[str, str],
        datasets: list[dict[str, str]],
    ) -> None:
        """The run of this training: the one that it had before an interruption, or a new one."""
        self._description = Description(name, params, tags, datasets)
        self._put(self._close_vanished)
        self._put(self._describe)

    def record(self) -> dict[str, Any]:
        """For run.json: what finds the run, or makes it again elsewhere. run_id: None if MLflow has
        never answered."""
        return {
            "run_id": self.run_id,
            "training_id": self.training_id,
            "tracking": self._description.as_record(),
        }

    def rows(self, rows: list[dict[str, Any]]) -> None:
        """History rows, on disk already: every number of a row but step and epoch becomes a metric
        at that step."""
        self._points(points.of_rows(rows, int(time.time() * 1000)))

    def metrics(self, metrics: dict[str, float | None], step: int) -> None:
        """Single numbers at one step; None is left out."""
        now = int(time.time() * 1000)
        numbers = {name: value for name, value in metrics.items() if value is not None}
        self._queue([(name, value, now, step) for name, value in numbers.items()])

    def artifacts(self, files: list[Path], folder: str = "") -> None:
        """Files for the run's artifact `folder`, each stored once on disk where that is
        possible."""
        for file in files:
            self._put(partial(self._put_file, file, folder), files=1)

    def end(self, status: str | None = None) -> None:
        """Waits for the rest, but not for ever, and with a status (FINISHED, FAILED, KILLED) closes
        the run."""
        if status:
            self._put(lambda: self._close(status))
        patience_s = KILLED_PATIENCE_S if status == "KILLED" else None
        pending = self._sender.finish(patience_s)
        if self._left_out:
            pending = pending or Pending(reason="more than its queue holds")
            pending.points += self._left_out
        if pending is None:
            return
        if pending.refused and not (pending.points or pending.files):
            log.warning(
                "%s: MLflow refused a part (%s); it is complete on disk, and `make sync` sends "
                "what MLflow then takes",
                self._description.name,
                pending.refused[0],
            )
        else:
            log.warning(
                "%s: MLflow at %s lacks %s (%s); all of it is on disk, and `make sync` sends it",
                self._description.name,
                without_password(store.uri()),
                pending,
                pending.reason,
            )

    def _points(self, new_points: list[Point]) -> None:
        if self._sender.queued_points + len(new_points) > MOST_POINTS:
            self._leave_out(len(new_points))
        else:
            self._queue(new_points)

    def _queue(self, new_points: list[Point]) -> None:
        for batch in points.batches(new_points):
            self._put(partial(self._send, batch), points=len(batch))

    @property
    def _sent_run_id(self) -> str:
        """For what is sent: _with_run() has the run found or made before."""
        assert self.run_id is not None
        return self.run_id

    def _put_file(self, file: Path, folder: str) -> None:
        put(self._client, self._sent_run_id, file, folder)

    def _send(self, batch: list[Point]) -> None:
        if self._stored is None:
            points.send(self._client, self._sent_run_id, batch)
            return
        # Rows that were queued after their history was written and read are in both.
        batch = points.missing(self._stored, batch)
        points.send(self._client, self._sent_run_id, batch)
        for name, value, moment, step in batch:
            self._stored.setdefault(name, {})[step] = (moment, value)

    def _catch_up_soon(self) -> None:
        """Once the queue is through: what of the history has not arrived."""
        with self._lock:
            if self._history is None or self._catching_up:
                return
            self._catching_up = True
        self._put(self._catch_up)

    def _catch_up(self) -> None:
        self._stored = points.on_server(self._client, self._sent_run_id)
        with self._lock:
            # Before the history is read: rows that find no place from here on ask for another time.
            self._catching_up, self._left_out = False, 0
        lacking = []
        if self._history is not None and self._history.path.is_file():
            now = int(time.time() * 1000)
            history = points.of_rows(read_rows(self._history), 0)
            for name, value, _, step in points.missing(self._stored, history):
                lacking.append((name, value, now, step))
        room = max(points.BATCH, MOST_POINTS - self._sender.queued_points)
        self._queue(lacking[:room])
        if len(lacking) > room:
            self._leave_out(len(lacking) - room)

    def _leave_out(self, count: int) -> None:
        with self._lock:
            self._left_out += count
        self._catch_up_soon()

    def _describe(self) -> None:
        self._description.complete(self._client, self._sent_run_id)

    def _close_vanished(self) -> None:
        with store.turn():
            closed = owner.close_vanished(self._client, [self._experiment], but=self.training_id)
        if closed:
            log.info("MLflow: closed as KILLED, their processes are gone: %s", ", ".join(closed))

    def _close(self, status: str) -> None:
        self._client.set_terminated(self.run_id, status)
        identity.drop_doubles(self._client, self._experiment, self.training_id, self._sent_run_id)

    def _put(self, send: Callable[[], Any], **amount: int) -> None:
        self._sender.put(Job(lambda: self._with_run(send), **amount))

    def _with_run(self, send: Callable[[], Any]) -> None:
        from mlflow.exceptions import MlflowException

        if self._client is None:
            self._client, self._experiment = store.open_client(self._suffix)
        if not self._open:
            self._take_run()
        try:
            send()
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                # Another server answers at this address, or the store was emptied: the run is made
                # again.
                self._client, self._open = None, False
                self._put(self._describe)
                self._catch_up_soon()
            if "must be in the 'active' state" in str(error):
                # Says so where the whole experiment was deleted.
                store.open_client(self._suffix)
                restore = identity.restoring(self._sent_run_id)
                raise NeedsPerson(f"the run was deleted; {restore} brings it back") from error
            raise

    def _take_run(self) -> None:
        """Finds the run of this training or makes it, RUNNING and owned by this process."""
        from mlflow.entities import RunTag

        with store.turn():
            # A training that has just begun has no run yet, unless an answer was lost.
            run = identity.find(self._client, self._experiment, self.training_id, self.run_id)
            own = owner.tags()
            if run is None:
                self.run_id = identity.make(
                    self._client,
                    self._experiment,
                    self.training_id,
                    self._description.name,
                    {**self._description.cut_tags(), **own},
                )
            else:
                self.run_id, tags = run.info.run_id, run.data.tags
                if any(tags.get(key) != value for key, value in own.items()):
                    own["resumed"] = str(int(tags.get("resumed", 0)) + 1)
                own_tags = [RunTag(key, value) for key, value in own.items()]
                self._client.log_batch(self.run_id, tags=own_tags)
                self._client.update_run(self.run_id, "RUNNING")
                # Before anything is sent: steps that a training does again after an interruption
                # are there already.
                self._stored = points.on_server(self._client, self.run_id)
                self._catch_up_soon()
        self._open = True
