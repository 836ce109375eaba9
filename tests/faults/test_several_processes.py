"""A cell that several processes train together: they save together, end together, and go on bit-equal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from trainings import R50, Trainings, assert_equal, children, shared_trainings, until  # noqa: F401

pytestmark = pytest.mark.slow


def start(trainings: Trainings) -> subprocess.Popen:
    with (trainings.folder / "several.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "stages.train", R50],
            cwd=trainings.folder,
            env=trainings.env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def said(trainings: Trainings) -> str:
    return (trainings.folder / "several.log").read_text(encoding="utf-8")


def first_state(trainings: Trainings) -> None:
    until(lambda: list((trainings.folder / ".work").glob("*/state.json")), 300)


@pytest.fixture(scope="module")
def straight(trainings):
    trainings.change(processes=2)
    trainings.forget()
    assert start(trainings).wait(600) == 0, said(trainings)
    return trainings.result()


def finished(trainings: Trainings) -> dict:
    assert start(trainings).wait(600) == 0, said(trainings)
    found = trainings.result()
    trainings.forget()
    return found


def test_two_processes_save_together_at_a_signal(trainings, straight):
    trainings.change(processes=2)
    trainings.forget()
    launcher = start(trainings)
    first_state(trainings)
    os.kill(launcher.pid, signal.SIGTERM)
    assert launcher.wait(120) == 143, said(trainings)
    assert "Traceback" not in said(trainings)
    assert said(trainings).count("the same command resumes from step") == 1
    assert_equal(finished(trainings), straight)


def test_sigkill_of_one_of_two_processes_ends_both(trainings, straight):
    trainings.change(processes=2)
    trainings.forget()
    launcher = start(trainings)
    first_state(trainings)
    both = children(launcher.pid)
    os.kill(both[-1], signal.SIGKILL)
    assert launcher.wait(120) == 1, said(trainings)
    assert f"{R50}: one of its 2 processes was killed by SIGKILL; the same command resumes" in said(
        trainings
    )
    assert "Traceback" not in said(trainings)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in both), 30)
    assert_equal(finished(trainings), straight)


def test_sigkill_of_the_launcher_ends_its_processes(trainings, straight):
    trainings.change(processes=2)
    trainings.forget()
    launcher = start(trainings)
    first_state(trainings)
    both = children(launcher.pid)
    launcher.kill()
    launcher.wait()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in both), 60)
    assert_equal(finished(trainings), straight)
