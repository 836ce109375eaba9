"""One cell's MLflow run, written from a thread of its own: training never waits for the tracker."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.tracking import store
from stages.tracking.artifacts import put

log = logging.getLogger(__name__)

# MLflow takes at most 1000 metrics, 100 params or 100 tags in one batch.
BATCH = 1000
# How long the end of a training waits for what the tracker has not taken yet.
PATIENCE_S = 120


class Run:
    """Queues what is to be logged. After the first failure nothing more is sent, and `failure` says why.

    History, metrics and checkpoints are on disk before they come here, so a lost tracker loses nothing.
    """

    def __init__(self, run_id: str | None = None, experiment_suffix: str = "") -> None:
        self.run_id = run_id
        self._suffix = experiment_suffix
        self.failure: str | None = None
        self._client: Any = None
        self._work: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._serve, daemon=True, name="mlflow")
        self._thread.start()

    def create(self, name: str, params: dict[str, Any], tags: dict[str, str], datasets: list[dict[str, str]]) -> None:
        """A new run. datasets: name, digest, source (a path) and context, such as "training", of each input."""
        def send() -> None:
            from mlflow.entities import Dataset, DatasetInput, InputTag, Param, RunTag

            run = self._client.create_run(self._experiment, run_name=name)
            self.run_id = run.info.run_id
            self._client.log_batch(
                self.run_id,
                params=[Param(key, str(value)) for key, value in params.items()],
                tags=[RunTag(key, str(value)) for key, value in tags.items() if value])
            self._client.log_inputs(self.run_id, [
                DatasetInput(Dataset(name=entry["name"], digest=entry["digest"][:36], source_type="local",
                                     source=entry["source"]), [InputTag("mlflow.data.context", entry["context"])])
                for entry in datasets])
        self._work.put(send)

    def rows(self, rows: list[dict[str, Any]]) -> None:
        """History rows: every number of a row but step and epoch becomes a metric at that step."""
        now = int(time.time() * 1000)
        points = [(name, value, now, row["step"]) for row in rows for name, value in row.items()
                  if name not in ("step", "epoch")]
        self._points(points)

    def metrics(self, metrics: dict[str, float | None], step: int) -> None:
        """Single numbers at one step; None is left out."""
        now = int(time.time() * 1000)
        self._points([(name, value, now, step) for name, value in metrics.items() if value is not None])

    def artifacts(self, files: list[Path], folder: str = "") -> None:
        """Files for the run's artifact `folder`, each stored once on disk where that is possible."""
        def send() -> None:
            for file in files:
                put(self._client, self.run_id, file, folder)
        self._work.put(send)

    def end(self, status: str | None = None) -> None:
        """Waits for the rest and, with a status (FINISHED, FAILED, KILLED), closes the run."""
        if status:
            self._work.put(lambda: self._client.set_terminated(self.run_id, status))
        self._work.put(None)
        self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            self.failure = f"no answer from {store.uri()} within {PATIENCE_S} s"
        if self.failure:
            log.warning("MLflow did not take everything (%s); history and results are complete on disk", self.failure)

    def _points(self, points: list[tuple[str, float, int, int]]) -> None:
        def send() -> None:
            from mlflow.entities import Metric

            for start in range(0, len(points), BATCH):
                chunk = [Metric(*point) for point in points[start:start + BATCH]]
                self._client.log_batch(self.run_id, metrics=chunk)
        self._work.put(send)

    def _serve(self) -> None:
        try:
            self._client, self._experiment = store.open_client(self._suffix)
            while (send := self._work.get()) is not None:
                send()
        except Exception as error:  # whatever the tracker does, the training goes on
            self.failure = " ".join(f"{type(error).__name__}: {error}".split())[:300]
