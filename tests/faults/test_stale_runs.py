"""Runs that a vanished process left RUNNING are closed at the next start on that host; those of the living are not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from trainings import until

from stages.study.params import ROOT
from stages.tracking import runs, store
from stages.tracking.cells import TrainingRun
from stages.tracking.contents import Description

# A training that has logged a step and goes on for ever.
PROGRAM = """
import sys, time
from pathlib import Path
from stages.tracking import store
store.home = lambda root=None: Path(sys.argv[1])
from stages.tracking.contents import Description
from stages.tracking.cells import TrainingRun
run = TrainingRun(Description("left", {}, {"cell": "left"}))
run.rows([{"step": 1, "epoch": 1, "train/loss": 2.0}])
while run.run_id is None or run.lacking():
    time.sleep(0.05)
print(run.run_id, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """A database with the RUNNING run of a process that lives; gives folder, process and the run's id."""
    folder = tmp_path_factory.mktemp("left")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
    )
    run_id = process.stdout.readline().strip()
    yield folder, process, run_id
    process.kill()
    process.wait()


@pytest.fixture
def here(left, tmp_path, monkeypatch):
    """A copy of that database."""
    shutil.copy(left[0] / "mlflow.db", tmp_path)
    monkeypatch.setattr(store, "home", lambda root=None: tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def start_another() -> None:
    """The next start of a training."""
    TrainingRun(Description("next", {}, {"cell": "next"})).end("FINISHED")


def status(run_id: str) -> str:
    return store.open_client()[0].get_run(run_id).info.status


def tag(run_id: str, **tags: str) -> None:
    for name, value in tags.items():
        store.open_client()[0].set_tag(run_id, name.replace("_", "."), value)


def test_a_living_process_keeps_its_run(here, left):
    start_another()
    assert left[1].poll() is None and status(left[2]) == "RUNNING"


@pytest.mark.parametrize(
    "tags",
    [
        {"host": "elsewhere 00000000", "pid_started": "1"},
        # Another container on this machine: its processes have numbers of their own.
        {"pid_namespace": "pid:[1]", "pid_started": "1"},
        {"pid": "", "pid_started": ""},
    ],
)
def test_a_run_of_which_nobody_here_can_tell_stays(here, left, tags):
    tag(left[2], **tags)
    start_another()
    assert status(left[2]) == "RUNNING"


def test_a_process_number_that_was_given_again(here, left):
    tag(left[2], pid=str(os.getpid()))
    start_another()
    assert status(left[2]) == "KILLED"


def test_a_machine_that_was_started_again(here, left, monkeypatch):
    tag(left[2], pid_boot="an earlier one")
    monkeypatch.setattr(runs, "MACHINES_OWN", "another")
    start_another()
    assert status(left[2]) == "RUNNING"
    monkeypatch.setattr(runs, "MACHINES_OWN", str(Path("/proc/self/ns/pid").readlink()))
    start_another()
    assert status(left[2]) == "KILLED"


def test_a_killed_process(here, left):
    """Last: it ends the process of the other tests."""
    _, process, run_id = left
    start = time.monotonic()
    process.send_signal(signal.SIGKILL)
    process.wait()
    start_another()
    assert status(run_id) == "KILLED" and time.monotonic() - start < 60
    [point] = store.open_client()[0].get_metric_history(run_id, "train/loss")
    assert (point.step, point.value) == (1, 2.0)


def test_what_tells_a_process(tmp_path):
    found = runs.owner_tags()
    assert found["pid"] == str(os.getpid()) and found["pid.started"].isdigit()
    assert not runs.vanished(found) and runs.started(2**22 + 1) is None
    # proc(5): the command may hold spaces and brackets.
    shutil.copy(shutil.which("sleep"), tmp_path / "a) (b")
    named = subprocess.Popen([tmp_path / "a) (b", "60"])
    try:
        # Popen returns a moment before the kernel has set the name.
        until(
            lambda: Path(f"/proc/{named.pid}/comm").read_text(encoding="utf-8").strip() == "a) (b",
            10,
        )
        assert int(runs.started(named.pid)) >= int(found["pid.started"])
    finally:
        named.kill()
        named.wait()
    assert runs.started(named.pid) is None
