"""The MLflow run of a training that is going on."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from stages.study.counts import count
from stages.tracking import store
from stages.tracking.contents import Contents, Description, now
from stages.tracking.runs import Runs, restoring
from stages.tracking.sending import NeedsPerson, Sender
from stages.tracking.upload import Upload, say_pending

log = logging.getLogger(__name__)

# After a signal to stop: the state is saved, and batch systems kill after 30 s.
KILLED_PATIENCE_S = 20.0


class TrainingRun:
    """The run of a training that is going on: it is sent what it lacks at its start, after every
    epoch and at its end, from a thread, so that the training never waits for the tracker.

    The tracker may be lost and come back at any time: history, metrics and checkpoints are on disk
    before, so that what has not arrived by the end is named in one line, and stages.sync sends it.

    training_id: of the training, which keeps it through interruptions, with the `run_id` that it
    had; its points are not sent twice.
    """

    def __init__(
        self, description: Description, training_id: str | None = None, run_id: str | None = None
    ) -> None:
        self._contents = Contents(training_id or uuid4().hex, description, run_id, status=None)
        self._sender = Sender()
        self._upload = Upload(self._contents, is_own=True, moved=self._sender.moved)
        self._is_first = True
        # Read now: in the sending thread, params.yaml may be half-edited.
        store.experiment_name()
        self._sender.put(self._send)

    @property
    def run_id(self) -> str | None:
        """None before MLflow has answered."""
        return self._contents.run_id

    @property
    def training_id(self) -> str:
        return self._contents.training_id

    def record(self) -> dict[str, Any]:
        """For run.json: what finds the run, or makes it again on another server."""
        tracking = asdict(self._contents.description)
        return {"run_id": self.run_id, "training_id": self.training_id, "tracking": tracking}

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """The whole history so far, which is on disk already."""
        contents = self._contents
        contents.rows = rows
        contents.moments += [now()] * (len(rows) - len(contents.moments))
        self._sender.put(self._send)

    def metrics(self, metrics: dict[str, float | None], step: int) -> None:
        """Single numbers at one step; None is left out."""
        for name, value in metrics.items():
            if value is not None:
                self._contents.numbers.append((name, value, now(), step))
        self._sender.put(self._send)

    def end(self, status: str) -> None:
        """Closes the run as FINISHED, FAILED or KILLED; waits for the rest, but not for ever."""
        self._contents.status = status
        self._sender.put(self._send)
        unsent = self._sender.finish(KILLED_PATIENCE_S if status == "KILLED" else None)
        lacking = self.lacking()
        say_pending(self._contents, unsent, count(lacking, "points") if lacking else "the rest")

    def lacking(self) -> int:
        """How many points have not arrived."""
        return self._upload.lacking()

    def _send(self) -> None:
        client, experiment = store.open_client()
        if self._is_first:
            with store.turn():
                closed = Runs(client, experiment).close_vanished(but=self.training_id)
            if closed:
                names = ", ".join(closed)
                log.info("MLflow: closed as KILLED, their processes are gone: %s", names)
            self._is_first = False
        sent = self._upload.send(client, experiment)
        if sent.deleted:
            restore = restoring(sent.deleted)
            raise NeedsPerson(f"the run was deleted; {restore} brings it back")
