"""A training as its TrainingRun sees it, without a model: for tests of the tracker alone."""

from __future__ import annotations

import csv
import os
import shutil
import time
from pathlib import Path

import pytest
from mlflow_server import Relay

from stages.tracking import sending, store
from stages.tracking.cells import TrainingRun
from stages.tracking.contents import Description

NAMES = ("lr", "train/loss", "train/loss_cls", "train/loss_bbox")


@pytest.fixture
def relay(server, here, monkeypatch):
    relay = Relay(server)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", relay.uri)
    yield relay
    relay.down()


@pytest.fixture
def here(empty, tmp_path, monkeypatch):
    """A checkout of its own for locks and mlflow.db, and a tracker that is given up on soon."""
    shutil.copy(empty, tmp_path)
    monkeypatch.setattr(store, "home", lambda root=None: tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", tmp_path.name)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    for name, value in (
        ("FIRST_PAUSE_S", 0.1),
        ("LONGEST_PAUSE_S", 0.4),
        ("SENDING_PATIENCE_S", 90),
        ("QUIET_S", 30),
        ("NEVER_S", 20),
    ):
        monkeypatch.setattr(sending, name, value)
    return tmp_path


class Training:
    """What a training does to its run: history.csv first, then the rows. waited: what that cost it, in seconds."""

    def __init__(
        self, folder: Path, training_id: str | None = None, run_id: str | None = None, **params
    ) -> None:
        self.history, self.rows, self.waited = folder / "history.csv", [], 0.0
        dataset = {
            "name": "demo-train",
            "digest": "0" * 64,
            "source": "/train.json",
            "context": "training",
        }
        start = time.perf_counter()
        description = Description(
            "cell", {"backbone": "r50", **params}, {"cell": "cell"}, [dataset]
        )
        self.run = TrainingRun(description, training_id, run_id)
        self.waited += time.perf_counter() - start

    def epoch(self, steps: int = 10, first: int | None = None) -> None:
        first = first or len(self.rows) + 1
        rows = [
            {"step": step, "epoch": 1, **dict.fromkeys(NAMES, 1 / step)}
            for step in range(first, first + steps)
        ]
        self.rows = self.rows[: first - 1] + rows
        beside = self.history.with_suffix(".new")
        with beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["step", "epoch", *NAMES], restval="")
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(beside, self.history)
        start = time.perf_counter()
        self.run.rows(self.rows)
        self.waited += time.perf_counter() - start

    def arrived(self, uri: str | None = None):
        """The only run of this training, with every step of every metric once; asked past the relay."""
        found = runs(uri)
        assert [run.info.run_id for run in found] == [self.run.run_id]
        for name in NAMES:
            points = client(uri).get_metric_history(self.run.run_id, name)
            assert sorted(point.step for point in points) == [row["step"] for row in self.rows], (
                name
            )
        return found[0]


def client(uri: str | None = None):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri or store.uri())


def runs(uri: str | None = None) -> list:
    asked = client(uri)
    experiment = asked.get_experiment_by_name(store.experiment_name())
    return asked.search_runs([experiment.experiment_id]) if experiment else []


def until(true, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
