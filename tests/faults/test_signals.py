"""A training that is told to end finishes its step, saves, says how to go on, and leaves with the signal's status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run
from trainings import R50, Trainings, assert_equal, children, shared_trainings, until  # noqa: F401


def run_of(trainings: Trainings, settings: dict) -> Run:
    """The one MLflow run of a training."""
    client = mlflow.MlflowClient(trainings.env["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("detection-matrix")
    [found] = client.search_runs(
        [experiment.experiment_id], f"tags.training_id = '{settings['training_id']}'"
    )
    return found


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("SIGTERM", 143),
        pytest.param("SIGINT", 130, marks=pytest.mark.slow),
        pytest.param("SIGHUP", 129, marks=pytest.mark.slow),
    ],
)
def test_a_signal_saves_and_leaves(trainings, name, status):
    expected = trainings.fresh()
    pid = trainings.start("pause:6")
    trainings.reached()
    os.kill(pid, getattr(signal, name))
    assert trainings.wait(pid) == status
    # The step that was going on is done, and nothing has to be repeated.
    assert trainings.said.splitlines()[-1] == (
        f"train: {R50}: stopped by {name}; the same command resumes from step 6, whose state is saved"
    )
    assert "Traceback" not in trainings.said
    settings = trainings.settings()
    assert run_of(trainings, settings).info.status == "KILLED"
    trainings.goes_on(expected)
    # The same run goes on, and has every step once.
    finished = run_of(trainings, settings)
    assert finished.info.status == "FINISHED" and finished.data.tags["resumed"] == "1"
    losses = mlflow.MlflowClient(trainings.env["MLFLOW_TRACKING_URI"]).get_metric_history(
        finished.info.run_id, "train/loss"
    )
    assert [point.step for point in losses] == list(range(1, 13))


@pytest.mark.slow
def test_a_signal_in_a_validation_leaves_at_once(trainings):
    expected = trainings.fresh()
    pid = trainings.start("pause-score:3")
    trainings.reached()
    os.kill(pid, signal.SIGTERM)
    assert trainings.wait(pid) == 143
    assert "resumes from step 8, whose state is saved" in trainings.said
    trainings.goes_on(expected)


def test_a_signal_to_the_group_spares_the_loaders_until_the_step_is_done(trainings):
    # As a batch system, `timeout` or Ctrl-C in a terminal do it: every process gets it.
    expected = trainings.fresh(workers=2)
    pid = trainings.start("pause:6")
    trainings.reached()
    os.killpg(pid, signal.SIGINT)
    os.killpg(pid, signal.SIGTERM)
    # The kernel may give two signals of the same moment to two threads: either comes first.
    status = trainings.wait(pid)
    name = {130: "SIGINT", 143: "SIGTERM"}[status]
    assert f"stopped by {name}; the same command resumes from step 6" in trainings.said
    until(lambda: not alive_in_group(pid), 20)
    trainings.goes_on(expected)


def test_a_second_signal_leaves_at_once_and_keeps_the_last_state(trainings):
    expected = trainings.fresh()
    pid = trainings.start("stuck:6")
    trainings.reached()
    os.kill(pid, signal.SIGTERM)
    time.sleep(1)
    # It is in a step that does not end.
    os.kill(pid, 0)
    os.kill(pid, signal.SIGTERM)
    assert trainings.wait(pid) == 143
    assert trainings.states()[0]["step"] == 4
    trainings.goes_on(expected)


@pytest.mark.slow
def test_sigkill_of_the_whole_group(trainings):
    expected = trainings.fresh(workers=2)
    pid = trainings.start("every", "pause:7")
    trainings.reached()
    os.killpg(pid, signal.SIGKILL)
    assert trainings.wait(pid) == 137
    trainings.goes_on(expected)


@pytest.mark.slow
def test_sigkill_of_a_loader_process_ends_with_one_line(trainings):
    expected = trainings.fresh(workers=2)
    pid = trainings.start("slow:0.5")
    until(lambda: list((trainings.folder / ".work").glob("*/state.json")))
    os.kill(children(pid)[0], signal.SIGKILL)
    assert trainings.wait(pid) == 1
    assert "Traceback" not in trainings.said
    assert "a loader process was killed" in trainings.said.splitlines()[-1]
    trainings.goes_on(expected)


@pytest.mark.slow
def test_a_loss_that_is_no_number_fails_and_keeps_the_state_before_it(trainings):
    trainings.fresh()
    assert trainings.train("every", "fail:loss") == 1
    assert (
        f"train: {R50}: the loss is nan at step 9; lower the learning rate"
        in trainings.said.splitlines()[-1]
    )
    assert run_of(trainings, trainings.settings()).info.status == "FAILED"
    # No state holds the broken step or one after it.
    assert trainings.states()[0]["step"] == 8
    assert trainings.train() == 0, trainings.said


@pytest.mark.slow
def test_too_little_memory_fails_and_keeps_the_state_before_it(trainings):
    expected = trainings.fresh()
    assert trainings.train("every", "fail:memory") == 1
    assert (
        "out of memory" in trainings.said.splitlines()[-1] and "device_batch to 2" in trainings.said
    )
    assert (
        run_of(trainings, trainings.settings()).info.status == "FAILED"
        and trainings.states()[0]["step"] == 8
    )
    trainings.goes_on(expected)


@pytest.mark.slow
def test_a_clock_that_jumps_changes_no_training(trainings):
    expected = trainings.fresh()
    pid = trainings.start("clock:3", "pause:6")
    trainings.reached()
    os.kill(pid, signal.SIGTERM)
    assert trainings.wait(pid) == 143
    # The state is of a day ago or of tomorrow, and it goes on all the same.
    assert trainings.train("clock:-2") == 0
    assert_equal(trainings.result(), expected)


def alive_in_group(pid: int) -> bool:
    return (
        subprocess.run(["pgrep", "-g", str(pid)], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.parametrize("shell", ["/bin/sh", pytest.param("/bin/bash", marks=pytest.mark.slow)])
def test_sigkill_of_dvc_ends_its_training_which_saves_first(trainings, shell):
    """dash stays between DVC and the training, bash does not."""
    trainings.forget()
    trainings.change(epochs=200)
    log = trainings.folder / "dvc.log"
    with log.open("w") as file:
        dvc = subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro", f"stages/dvc.yaml:train@{R50}"],
            cwd=trainings.folder,
            env={**trainings.env, "SHELL": shell},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    lock = trainings.folder / ".work/locks" / f"{R50}.json"
    try:
        until(lambda: list((trainings.folder / ".work").glob("*/state.json")), 300)
        training = json.loads(lock.read_text(encoding="utf-8"))["pid"]
    finally:
        dvc.kill()
        dvc.wait()
    before = trainings.states()[0]["step"]
    until(lambda: not Path(f"/proc/{training}").exists(), 60)
    assert "stopped by the end of its parent; the same command resumes from step" in log.read_text(
        encoding="utf-8"
    )
    assert trainings.states()[0]["step"] >= before
    assert run_of(trainings, trainings.settings()).info.status == "KILLED"
