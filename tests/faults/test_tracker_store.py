"""MLflow's own database and folder: made by several at once, and moved."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys

from mlflow_server import empty  # noqa: F401  fixture
from tracked import Training, client, here  # noqa: F401
from trainings import shared_trainings  # noqa: F401

from stages.study.params import ROOT
from stages.tracking import store, upload
from stages.tracking.contents import Contents, Description


def test_four_first_starts_at_once(tmp_path):
    program = (
        "import sys; from pathlib import Path; from stages.tracking import sending, store; "
        f"store.home = lambda root=None: Path({str(tmp_path)!r}); sending.SENDING_PATIENCE_S = 600; "
        "from stages.tracking.contents import Description; from stages.tracking.cells import TrainingRun; "
        "run = TrainingRun(Description('cell', {'a': 1}, {'cell': sys.argv[1]})); "
        "run.rows([{'step': 1, 'epoch': 1, 'train/loss': 2.0}]); run.end('FINISHED'); print(run.run_id)"
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(number)],
            cwd=ROOT,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for number in range(4)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 4 and "lacks" not in "".join(
        outputs
    ), outputs
    found = client(f"sqlite:///{tmp_path / 'mlflow.db'}").search_runs(["1"])
    assert {run.data.tags["cell"] for run in found} == {"0", "1", "2", "3"}
    assert all(
        run.info.status == "FINISHED" and run.data.metrics["train/loss"] == 2.0 for run in found
    )


def test_loader_processes_that_start_while_the_database_is_made(trainings, tmp_path):
    """They inherit the lock under which it is made, and keep it unless it is let go in words."""
    trainings.fresh(workers=2)
    empty_store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    trainings.forget()
    assert trainings.train(MLFLOW_TRACKING_URI=empty_store) == 0, trainings.said
    assert "lacks" not in trainings.said and "make sync" not in trainings.said
    trainings.result()
    [run] = client(empty_store).search_runs(["1"])
    assert run.info.status == "FINISHED" and "val/bbox_mAP_50" in run.data.metrics


def test_a_fork_does_not_keep_the_turn(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "home", lambda root=None: tmp_path)
    read, write = os.pipe()
    with store.turn():
        child = os.fork()
        if not child:
            os.close(write)
            os.read(read, 1)
            os._exit(0)
    with (tmp_path / ".work/mlflow.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(write)
    os.waitpid(child, 0)


def test_a_checkout_that_was_moved(here, monkeypatch, caplog):  # noqa: F811
    (here / "old").mkdir()
    (here / "mlflow.db").rename(here / "old" / "mlflow.db")
    monkeypatch.setattr(store, "home", lambda root=None: here / "old")
    training = Training(here)
    training.epoch()
    training.run.end("FINISHED")
    files = {"history.csv": training.history}
    upload.send_contents(
        Contents(training.run.training_id, Description("cell", {}, {}), files=files)
    )
    (here / "old").rename(here / "new")
    monkeypatch.setattr(store, "home", lambda root=None: here / "new")
    with caplog.at_level(logging.INFO):
        asked, _ = store.open_client()
    assert "its artifacts are now looked for in" in caplog.text
    run = training.arrived()
    assert run.info.artifact_uri.startswith((here / "new").as_uri())
    assert [entry.path for entry in asked.list_artifacts(run.info.run_id)] == ["history.csv"]
    caplog.clear()
    store.open_client()
    assert not caplog.text
