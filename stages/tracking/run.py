"""The MLflow run of a training that is going on, written from a thread: training never waits for
the tracker."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from stages.tracking import identity, owner, store
from stages.tracking.description import Description
from stages.tracking.sending import NeedsPerson, Sender, without_password
from stages.tracking.upload import Contents, Upload, counted

log = logging.getLogger(__name__)

# How long a program that was told to stop waits for the tracker: its state is saved, and batch
# systems kill after 30 s.
KILLED_PATIENCE_S = 20.0


class Run:
    """Sends what the run lacks at its start, after every epoch and at its end.

    The tracker may be lost and come back at any time: history, metrics and checkpoints are on disk
    before, so that what has not arrived by the end is named in one line, and stages.sync sends it.

    training_id: of the training, which keeps it through interruptions, with the `run_id` that it
    had; its points are not sent twice.
    """

    def __init__(
        self, description: Description, training_id: str | None = None, run_id: str | None = None
    ) -> None:
        training_id = training_id or identity.new()
        self._contents = Contents(training_id, description, run_id, status=None)
        self._upload = Upload(self._contents, is_own=True)
        self._is_first = True
        # Read now: in the sending thread, params.yaml may be half-edited.
        store.experiment_name()
        self._sender = Sender()
        self._sender.put(self._send)

    @property
    def run_id(self) -> str | None:
        return self._contents.run_id

    @property
    def training_id(self) -> str:
        return self._contents.training_id

    def record(self) -> dict[str, Any]:
        """For run.json: what finds the run, or makes it again elsewhere. run_id: None if MLflow has
        never answered."""
        return {
            "run_id": self.run_id,
            "training_id": self.training_id,
            "tracking": self._contents.description.as_record(),
        }

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """The whole history so far, on disk already: every number of a row but step and epoch
        becomes a metric at that step."""
        now, contents = _now(), self._contents
        contents.rows = rows
        contents.moments += [now] * (len(rows) - len(contents.moments))
        self._sender.put(self._send)

    def metrics(self, metrics: dict[str, float | None], step: int) -> None:
        """Single numbers at one step; None is left out."""
        now = _now()
        for name, value in metrics.items():
            if value is not None:
                self._contents.numbers.append((name, value, now, step))
        self._sender.put(self._send)

    def end(self, status: str) -> None:
        """Closes the run as FINISHED, FAILED or KILLED; waits for the rest, but not for ever."""
        self._contents.status = status
        self._sender.put(self._send)
        unsent = self._sender.finish(KILLED_PATIENCE_S if status == "KILLED" else None)
        name = self._contents.description.name
        if unsent and unsent.is_refused:
            log.warning(
                "%s: MLflow refused a part (%s); it is complete on disk, and `make sync` sends "
                "what MLflow then takes",
                name,
                unsent.reason,
            )
        elif unsent:
            lacking = self.lacking()
            log.warning(
                "%s: MLflow at %s lacks %s (%s); all of it is on disk, and `make sync` sends it",
                name,
                without_password(store.uri()),
                counted(lacking, "point") if lacking else "the rest",
                unsent.reason,
            )

    def lacking(self) -> int:
        """How many points have not arrived."""
        return self._upload.lacking()

    def _send(self) -> None:
        client, experiment = store.open_client()
        if self._is_first:
            with store.turn():
                closed = owner.close_vanished(client, [experiment], but=self.training_id)
            if closed:
                names = ", ".join(closed)
                log.info("MLflow: closed as KILLED, their processes are gone: %s", names)
            self._is_first = False
        sent = self._upload.send(client, experiment, moved=self._sender.moved)
        if sent.deleted:
            restore = identity.restoring(sent.deleted)
            raise NeedsPerson(f"the run was deleted; {restore} brings it back")


def _now() -> int:
    return int(time.time() * 1000)
