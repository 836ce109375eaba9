"""A real cell whose results are on disk and not in MLflow, for the tests of `make sync`."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import CELLS, Project, make_project
from mlflow_server import empty, free_port  # noqa: F401  a fixture

import stages.sync
from stages.study import params
from stages.tracking import store

R50 = next(iter(CELLS))
RECORD = Path("metrics/r50/fpn") / R50


@pytest.fixture(scope="session")
def untracked(tmp_path_factory) -> tuple[Project, str]:
    """A cell trained and evaluated by DVC while nobody answers at MLFLOW_TRACKING_URI, and what that printed."""
    project = make_project(tmp_path_factory.mktemp("sync") / "clone")
    project.set_params(lambda values: values.update(cells={R50: CELLS[R50]}))
    # Whoever waits for a dead tracker here waits for a second.
    sending = project.folder / "stages/tracking/sending.py"
    sending.write_text(
        sending.read_text(encoding="utf-8").replace("NEVER_S = 15.0", "NEVER_S = 1.0"),
        encoding="utf-8",
    )
    done = project.run(
        "dvc",
        "repro",
        f"stages/dvc.yaml:analyse@{R50}",
        MLFLOW_TRACKING_URI=f"http://somebody:secret@127.0.0.1:{free_port()}",
    )
    return project, done.stdout


@pytest.fixture
def here(untracked, empty, tmp_path, monkeypatch) -> Path:  # noqa: F811
    """A copy of that clone to work in, in this process, and MLflow's database with nothing in it."""
    folder = tmp_path / "clone"
    subprocess.run(["cp", "-a", untracked[0].folder, folder], check=True)
    shutil.copy(empty, folder)
    enter(folder, monkeypatch)
    return folder


@pytest.fixture(scope="session")
def complete(untracked, empty, tmp_path_factory) -> Path:  # noqa: F811
    """Another copy, after one sync."""
    folder = tmp_path_factory.mktemp("complete") / "clone"
    subprocess.run(["cp", "-a", untracked[0].folder, folder], check=True)
    shutil.copy(empty, folder)
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        stages.sync.main()
    return folder


@pytest.fixture
def synced(complete, tmp_path, monkeypatch) -> Path:
    """A copy of that one, which was therefore moved."""
    folder = tmp_path / "synced"
    subprocess.run(["cp", "-a", complete, folder], check=True)
    enter(folder, monkeypatch)
    return folder


def enter(folder: Path, monkeypatch) -> None:
    load = params.load_study
    monkeypatch.chdir(folder)
    monkeypatch.setattr(params, "load_study", lambda path=None: load(folder / "params.yaml"))
    monkeypatch.setattr(store, "home", lambda root=None: folder)
    monkeypatch.setattr(stages.sync, "PAUSES_S", (0.1, 0.1))
    for name in [name for name in os.environ if name.startswith("MLFLOW_TRACKING")]:
        monkeypatch.delenv(name)


def sync(caplog) -> list[str]:
    """The lines that a call prints."""
    caplog.clear()
    with caplog.at_level("INFO"):
        stages.sync.main()
    return [record.getMessage() for record in caplog.records if record.name == "stages.sync"]


def found():
    """Client and the runs of cells on the tracker that is set."""
    client, experiment = store.open_client()
    return client, client.search_runs([experiment])


def history(folder: Path) -> list[dict]:
    with (folder / RECORD / "history.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check_complete(folder: Path) -> str:
    """That there is one run, and all in it is what the files say; gives its id."""
    client, [run] = found()
    record = json.loads((folder / RECORD / "run.json").read_text(encoding="utf-8"))
    assert run.info.run_name == R50 and run.info.status == "FINISHED"
    assert run.data.tags["training_id"] == record["training_id"]
    assert run.data.params["backbone"] == "r50" and run.data.params["lr"] == str(record["lr"])
    assert (run.info.end_time - run.info.start_time) % 1000 == 0
    assert {entry.dataset.name for entry in run.inputs.dataset_inputs} == {"demo-train", "demo-val"}
    rows = history(folder)
    for name in set(rows[0]) - {"step", "epoch"}:
        expected = [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        assert (
            sorted(
                (point.step, point.value)
                for point in client.get_metric_history(run.info.run_id, name)
            )
            == expected
        ), name
    scores = json.loads((folder / f"metrics/r50/fpn/{R50}.json").read_text(encoding="utf-8"))
    assert run.data.metrics["test/bbox_mAP_50"] == scores["test"]["bbox_mAP_50"]
    assert run.data.metrics["train_loss"] == record["train_loss"] == scores["train"]["loss"]
    for path, file in (
        ("checkpoint/best.pth", f"models/{R50}/best.pth"),
        ("run.json", RECORD / "run.json"),
        ("predictions/test.json", f"predictions/r50/fpn/{R50}/test.json"),
        ("metrics/details.json", RECORD / "details.json"),
    ):
        assert (
            Path(client.download_artifacts(run.info.run_id, path)).read_bytes()
            == (folder / file).read_bytes()
        )
    return run.info.run_id
