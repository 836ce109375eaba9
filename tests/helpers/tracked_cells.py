"""Finished cells whose runs are in a real tracker, for the tests of the comparison and of the model registry."""

from __future__ import annotations

import atexit
import dataclasses
import functools
import hashlib
import os
import shutil
from pathlib import Path

import pytest
from conftest import empty_store
from report_cells import NAMES, load_all

from stages.comparison import run as comparison
from stages.study import params
from stages.tracking import sending, store
from tests.faults.mlflow_server import Server


@functools.cache
def _server(folder) -> Server:
    server = Server(folder)
    atexit.register(server.kill)
    return server


@functools.cache
def _folder(base) -> Path:
    (base / "tracker").mkdir()
    # MLflow's migrations take seconds, once for all workers.
    shutil.copy(empty_store(), base / "tracker" / "store.db")
    return base / "tracker"


@pytest.fixture
def folder(tmp_path_factory):
    """Of the sqlite store and the server; both take seconds to begin with, so that all tests share them."""
    return _folder(tmp_path_factory.getbasetemp())


@pytest.fixture
def server(folder):
    return _server(folder)


@pytest.fixture
def here(tmp_path, folder, monkeypatch):
    """A folder with a report and models, and an experiment of its own in one sqlite file."""
    (tmp_path / "reports/curves").mkdir(parents=True)
    for name, text in (
        ("index.html", "<p>report</p>"),
        ("summary.json", "{}"),
        ("curves/train_loss.csv", "step\n1\n"),
    ):
        (tmp_path / "reports" / name).write_text(text)
    for name in NAMES:
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "config.py").write_text(f"# {name}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store, "home", lambda root=None: tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'store.db'}")
    monkeypatch.setenv(
        "MLFLOW_EXPERIMENT_NAME", f"study-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}"
    )
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    monkeypatch.setattr(sending, "FIRST_PAUSE_S", 0.2)
    return tmp_path


@pytest.fixture(params=["sqlite", "server"])
def tracker(request, here, monkeypatch):
    """Either store."""
    if request.param == "server":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", request.getfixturevalue("server").uri)
    return here


@pytest.fixture(scope="module")
def study():
    return params.load_study()


class Matrix:
    """Four cells whose runs are in the tracker, as train and evaluate leave them."""

    def __init__(self, folder, checkpoints=NAMES, uri=None):
        if uri:
            os.environ["MLFLOW_TRACKING_URI"] = uri
        self.folder, self.uri, (self.client, self.experiment) = (
            folder,
            store.uri(),
            store.open_client(),
        )
        checkpoint = folder / "best.pth"
        checkpoint.write_bytes(b"weights")
        self.cells = []
        for cell in load_all(folder):
            run_id = self.client.create_run(
                self.experiment,
                run_name=cell.name,
                tags={key: str(value) for key, value in {"cell": cell.name, **cell.row}.items()},
            ).info.run_id
            (folder / "models" / cell.name / "best.pth").write_bytes(cell.name.encode())
            if cell.name in checkpoints:
                self.client.log_artifact(run_id, str(checkpoint), "checkpoint")
            self.client.set_terminated(run_id)
            self.cells.append(
                dataclasses.replace(cell, run={"run_id": run_id, "best": {"step": 12}})
            )

    def log(self, study, judgement, cells=None):
        comparison.log_comparison(judgement, cells or self.cells, study, self.folder / "reports")

    def run(self, name):
        return self.client.get_run(next(cell.run_id for cell in self.cells if cell.name == name))

    def tags(self, key):
        return [self.run(name).data.tags.get(key) for name in NAMES]

    def comparisons(self):
        """The newest first."""
        _, experiment = store.open_client(comparison.SUFFIX)
        return self.client.search_runs([experiment])

    def named(self, words):
        """The names that MLflow's table shows for a filter."""
        return {run.info.run_name for run in self.client.search_runs([self.experiment], words)}

    def read(self, run_id, path):
        from mlflow.artifacts import load_text

        return load_text(f"{self.client.get_run(run_id).info.artifact_uri}/{path}")
