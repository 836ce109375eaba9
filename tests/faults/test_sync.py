"""`make sync` sends exactly what a tracker lacks, once: a real cell, real stores, a real server that comes and goes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Project
from mlflow_server import Relay, free_port, server  # noqa: F401  a fixture
from synced import R50, RECORD, check_complete, found, history, sync

from stages.errors import InputError
from stages.study import params
from stages.tracking import cells, store

pytest_plugins = "synced"


def test_trained_and_evaluated_without_a_tracker(untracked, here, caplog):
    output = untracked[1]
    lines = [line for line in output.splitlines() if "make sync" in line]
    begins = (
        "prepare: demo ",
        f"train: {R50}: MLflow at http://127",
        f"analyse: {R50}: MLflow at http://127",
    )
    assert len(lines) == 3 and all(line.startswith(begin) for line, begin in zip(lines, begins)), (
        output
    )
    values = [
        value
        for row in history(here)
        for name, value in row.items()
        if name not in ("step", "epoch")
    ]
    points = sum(1 for value in values if value)
    assert points > 30 and "secret" not in output
    record = json.loads((here / RECORD / "run.json").read_text(encoding="utf-8"))
    points += sum(1 for value in cells.training_summary(record).values() if value is not None)
    assert f" lacks {points} points (connection refused); " in lines[1]
    assert record["run_id"] is None
    lines = sync(caplog)
    assert lines[-2].startswith(f"{R50}: created, ") and lines[-1].endswith(
        f"sent to sqlite:///{here}/mlflow.db"
    )
    run_id = check_complete(here)
    assert sync(caplog)[-2:] == [
        f"{R50}: complete",
        f"0 points, 0 files sent to sqlite:///{here}/mlflow.db",
    ]
    assert check_complete(here) == run_id
    # The checkpoint is on disk once, as if training had sent it.
    assert (here / f"mlruns/detection-matrix/{run_id}/artifacts/checkpoint/best.pth").samefile(
        here / f"models/{R50}/best.pth"
    )


def test_a_new_tracker_gets_the_runs_once(synced, empty, caplog, monkeypatch):
    first = check_complete(synced)
    shutil.copy(empty, synced / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{synced}/other.db")
    assert sync(caplog)[-2].startswith(f"{R50}: created, ")
    assert check_complete(synced) != first
    assert sync(caplog)[-2] == f"{R50}: complete"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert sync(caplog)[-2] == f"{R50}: complete" and check_complete(synced) == first


def test_a_fresh_clone_with_the_results_of_dvc(synced, caplog, monkeypatch):
    folder = synced
    for name in ("models", "metrics", "predictions", "data", "mlruns", ".work"):
        shutil.rmtree(folder / name)
    (folder / "mlflow.db").unlink()
    lines = sync(caplog)
    assert lines[-2] == f"1 of 1 cell is not trained here: {R50}" and not found()[1]
    Project(folder).run("dvc", "checkout", check=False)
    assert sync(caplog)[-2].startswith(f"{R50}: created, ")
    check_complete(folder)


def test_exactly_what_is_missing(synced, caplog):
    run_id = check_complete(synced)
    with contextlib.closing(sqlite3.connect("mlflow.db")) as base, base:
        assert (
            base.execute("DELETE FROM metrics WHERE key = 'train/loss' AND step IN (2, 3)").rowcount
            == 2
        )
        base.execute("DELETE FROM metrics WHERE key = 'test/bbox_mAP'")
        base.execute("DELETE FROM latest_metrics WHERE key = 'test/bbox_mAP'")
        base.execute("DELETE FROM params WHERE key = 'seed'")
        base.execute("UPDATE runs SET status = 'RUNNING'")
    artifacts = synced / f"mlruns/detection-matrix/{run_id}/artifacts"
    (artifacts / "predictions/val.json").unlink()
    (artifacts / "config.py").unlink()
    (artifacts / "config.py").write_text("half of it", encoding="utf-8")
    assert sync(caplog)[-2] == f"{R50}: 3 points, 2 files, 1 entry of params and tags sent"
    assert check_complete(synced) == run_id and sync(caplog)[-2] == f"{R50}: complete"


def test_a_run_that_was_left_running_is_closed(synced, caplog):
    store.open_client()[0].update_run(check_complete(synced), "RUNNING")
    assert sync(caplog)[-2] == f"{R50}: closed"
    check_complete(synced)


def test_a_deleted_run_stays_deleted(synced, caplog):
    run_id = check_complete(synced)
    store.open_client()[0].delete_run(run_id)
    assert (
        f"`mlflow runs restore --run-id {run_id}` undoes that" in sync(caplog)[-2]
        and not found()[1]
    )
    store.open_client()[0].restore_run(run_id)
    assert sync(caplog)[-2] == f"{R50}: complete"


def test_a_later_evaluation_is_what_mlflow_shows(synced, caplog):
    for path, change in (
        (f"metrics/r50/fpn/{R50}.json", lambda values: values["test"].update(bbox_mAP_50=0.75)),
        (
            RECORD / "details.json",
            lambda values: values["test"]["metrics"].update(bbox_mAP_50=0.75),
        ),
    ):
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        change(values)
        # A new file: the old one is DVC's too.
        Path(path).unlink()
        Path(path).write_text(
            json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    assert sync(caplog)[-2] == f"{R50}: 1 point, 2 files sent"
    check_complete(synced)
    assert sync(caplog)[-2] == f"{R50}: complete"


def test_two_syncs_at_once_make_one_run(here):
    store.open_client()
    both = [start(here) for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sorted("created" in output for output in outputs) == [False, True], outputs
    check_complete(here)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "not JSON"),
        ("{}", "not a record of a training"),
        ('{"training_id": "../../up"}', "not a record of a training"),
        ("[1]", "not a JSON object"),
    ],
)
def test_a_damaged_record_is_named_and_left_out(here, caplog, content, fault):
    (here / RECORD / "run.json").unlink()
    (here / RECORD / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(
        InputError, match=rf"^{R50}: not sent; dvc checkout --force restores the files"
    ):
        sync(caplog)
    assert f"{RECORD}/run.json: {fault}" in caplog.text and not found()[1]


def test_a_history_of_which_half_is_there(here, caplog):
    path = here / RECORD / "history.csv"
    half = path.read_text(encoding="utf-8")[:-20]
    path.unlink()
    path.write_text(half, encoding="utf-8")
    with pytest.raises(InputError, match=f"^{R50}: not sent"):
        sync(caplog)


def test_a_tracker_that_is_down_is_one_line(here, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(
        InputError, match=r"^MLflow at http://127.0.0.1:\d+ fails \(.*run make sync again"
    ):
        sync(caplog)


@pytest.fixture
def relay(server, here, monkeypatch):  # noqa: F811
    relay = Relay(server)
    relay.up()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", relay.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", here.parent.name)
    yield relay
    relay.down()


def start(folder: Path, **env: str) -> subprocess.Popen:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING")
    }
    return subprocess.Popen(
        [sys.executable, "-m", "stages.sync"],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        env={**environment, **env},
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def test_a_sync_that_is_killed_while_it_uploads(here, relay, caplog):
    relay.delay = 0.15
    uploads = relay.server.folder / "artifacts"
    earlier = set(uploads.rglob("config.py"))
    process = start(here, MLFLOW_TRACKING_URI=relay.uri)
    end = time.monotonic() + 120
    while set(uploads.rglob("config.py")) == earlier:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    relay.delay = 0
    [line] = [line for line in sync(caplog) if line.startswith(R50)]
    assert line.endswith("files sent") and "created" not in line
    check_complete(here)
    assert f"{R50}: complete" in sync(caplog)


def test_two_machines_sync_to_one_server_at_once(here, relay, tmp_path):
    """Two checkouts, so no lock that both know."""
    other = tmp_path / "other"
    subprocess.run(["cp", "-a", here, other], check=True)
    store.open_client()
    relay.delay = 0.1
    both = [start(folder, MLFLOW_TRACKING_URI=relay.uri) for folder in (here, other)]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    check_complete(here)


def test_evaluate_sends_what_training_could_not(here, relay, caplog):
    """The tracker is lost through training and there for evaluation: nothing is left for make sync."""
    cells.send_cell(R50, params.load_study().cell(R50))
    check_complete(here)
    assert f"{R50}: complete" in sync(caplog)
