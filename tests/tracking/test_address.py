"""Where the runs go: a relative address means the main checkout, wherever a stage stands."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from conftest import empty_store, make_project

from stages.tracking import store


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("sqlite:///mlflow.db", "sqlite:////study/mlflow.db"),
        ("sqlite:///./mlflow.db", "sqlite:////study/mlflow.db"),
        ("sqlite:///sub/dir.db", "sqlite:////study/sub/dir.db"),
        ("sqlite:///../runs.db?timeout=60", "sqlite:////runs.db?timeout=60"),
        ("sqlite+pysqlite:///mlflow.db", "sqlite+pysqlite:////study/mlflow.db"),
        ("sqlite:////abs/mlflow.db", "sqlite:////abs/mlflow.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("./mlruns", "/study/mlruns"),
        ("mlruns", "/study/mlruns"),
        ("/abs/mlruns", "/abs/mlruns"),
        ("file:./mlruns", "file:/study/mlruns"),
        ("file:///abs/mlruns", "file:///abs/mlruns"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("postgresql://user:word@host/runs", "postgresql://user:word@host/runs"),
        ("databricks", "databricks"),
    ],
)
def test_a_relative_path_starts_from_the_main_checkout(written, expected, monkeypatch):
    assert store.absolute(written, Path("/study")) == expected
    monkeypatch.setattr(store, "home", lambda root=None: Path("/study"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", written)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", written)
    assert (store.uri(), store.registry_uri()) == (expected, expected)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", "`mlflow ui`"),
        ("sqlite:///mlflow.db", "`mlflow ui`"),
        ("sqlite:///a b.db", "`MLFLOW_TRACKING_URI='sqlite:////study/a b.db' mlflow ui`"),
        ("http://host:5000", "`MLFLOW_TRACKING_URI=http://host:5000 mlflow ui`"),
        ("http://user:word@host:5000", "`mlflow ui`, with your MLFLOW_TRACKING_URI,"),
    ],
)
def test_a_command_reaches_the_same_store(written, expected, monkeypatch):
    monkeypatch.setattr(store, "home", lambda root=None: Path("/study"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", written)
    assert store.command("mlflow ui") == expected


def test_a_temporary_folder_of_dvc_keeps_no_runs(tmp_path):
    """The stages of `dvc exp run --temp` and of the queue stand in a folder that vanishes."""
    project = make_project(tmp_path / "clone", database=False)
    shutil.copy(empty_store(), project.folder / "runs.db")
    project.run(
        "dvc",
        "exp",
        "run",
        "--temp",
        "-S",
        "seed=1",
        "prepare",
        MLFLOW_TRACKING_URI="sqlite:///runs.db",
    )
    assert not list((project.folder / ".dvc/tmp/exps").rglob("*.db"))
    assert not (project.folder / "mlflow.db").exists()
    with closing(sqlite3.connect(project.folder / "runs.db")) as base:
        [[status, artifacts]] = base.execute("SELECT status, artifact_uri FROM runs").fetchall()
    folder = Path(unquote(urlparse(artifacts).path))
    assert status == "FINISHED" and folder.is_relative_to(project.folder / "mlruns")
    assert (folder / "report.html").is_file(), list(folder.iterdir())


def test_the_own_store_by_its_relative_address_stays_the_own_store(tmp_path, monkeypatch):
    """It is followed when the project is moved."""
    shutil.copy(empty_store(), tmp_path)
    monkeypatch.setattr(store, "home", lambda root=None: tmp_path)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    places = []
    for written in ("sqlite:///mlflow.db", ""):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", written)
        client, number = store.open_client()
        places.append(client.get_experiment(number).artifact_location)
    assert places == [(tmp_path / "mlruns/detection-matrix").as_uri()] * 2
