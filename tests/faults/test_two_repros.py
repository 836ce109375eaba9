"""DVC beside itself, DVC killed between two moves, and what its locks look like afterwards."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

import psutil
import pytest
import zc.lockfile
from conftest import Project, trained
from finished import FPN, IDLE, only_line, stage_process

pytest_plugins = "finished"

COMPARE = ("dvc", "repro", "--single-item", "--force", "compare")
ANALYSE = ("dvc", "repro", "--single-item", "--force", f"stages/dvc.yaml:analyse@{FPN}")


def start(study: Project, *command: str) -> subprocess.Popen:
    return subprocess.Popen(
        command,
        cwd=study.folder,
        env=study.env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def idle(study: Project) -> bool:
    """Nothing is left to do, and every result is whole: DVC compares them with its lock files."""
    return IDLE in study.run("dvc", "repro").stdout


@contextmanager
def locked(study: Project, seconds: float):
    """DVC's lock of the folder is taken, for so long."""
    (study.folder / ".dvc/tmp").mkdir(exist_ok=True)
    lock = zc.lockfile.LockFile(str(study.folder / ".dvc/tmp/lock"))
    timer = threading.Timer(seconds, lock.close)
    timer.start()
    yield
    timer.join()


def test_make_waits_for_another_dvc(study: Project, make: Callable):
    """DVC gives up after three seconds, and on many cores so many cells come and go that some would."""
    with locked(study, 5):
        assert "Unable to acquire lock" in study.run("dvc", "repro", "plan", check=False).stdout
    with locked(study, 5):
        make("cells")
    assert idle(study)


def test_a_stage_waits_for_another_dvc(study: Project):
    program = (
        "from stages import dvc_command, program; program.run(dvc_command.dvc_status, 'status', '')"
    )
    with locked(study, 5):
        done = study.run(sys.executable, "-c", program)
    assert "status: waiting for another DVC process that works in this folder" in done.stdout


def test_two_repros_at_once(study: Project):
    both = [start(study, *COMPARE) for _ in range(2)]
    said = [process.communicate(timeout=300)[0] for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes, said
    for code, output in zip(codes, said):
        assert "Traceback" not in output
        # Or it came when the first had ended, and did the same again.
        assert code == 0 or "busy" in output or "Unable to acquire lock" in output, output
    assert idle(study)


@pytest.mark.slow
def test_a_repro_beside_a_running_stage(study: Project):
    """A second `dvc repro` of the same stage, started while it runs, does not write into its results."""
    first = start(study, *COMPARE)
    stage_process(psutil.Process(first.pid), "compare")
    second = study.run(*COMPARE, check=False)
    output = first.communicate(timeout=300)[0]
    assert first.returncode == 0 and "Traceback" not in output + second.stdout
    assert second.returncode == 0 or "is busy" in second.stdout, second.stdout
    assert idle(study)


def test_truncated_rwlock(study: Project):
    """DVC's own line names the file. Removing it is all there is to do; make repro and check-cache do that."""
    rwlock = study.folder / ".dvc/tmp/rwlock"
    for text in ("", '{"models/', '{"models/x": {"write": {"pid": 1'):
        rwlock.write_text(text, encoding="utf-8")
        done = study.run(*COMPARE, check=False)
        assert done.returncode and ".dvc/tmp/rwlock'. JSON structure is corrupted" in only_line(
            done.stdout, "ERROR: "
        )
        assert (
            ".dvc/tmp/rwlock: was cut short"
            in study.run("python", "-m", "stages.check_cache", "missing").stdout
        )
    study.run(*COMPARE)
    assert idle(study)


def test_stale_lock(study: Project):
    """The lock file of a DVC that is no more, with its process's number in it, holds nobody up."""
    (study.folder / ".dvc/tmp/lock").write_text("  999999\n", encoding="utf-8")
    assert idle(study)


@pytest.mark.parametrize(
    "name", ["dvc.lock", pytest.param("stages/dvc.lock", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    "cut",
    [
        "empty",
        *(pytest.param(cut, marks=pytest.mark.slow) for cut in ("half", "in a word", "gone")),
    ],
)
def test_truncated_lock_file(cut, name, study: Project):
    """No cell is trained again: what is not in the lock file is in DVC's run cache."""
    path = study.folder / name
    content = path.read_text(encoding="utf-8")
    path.unlink()
    if cut != "gone":
        path.write_text(
            {
                "half": content[: len(content) // 2],
                "in a word": content[: content.index("cmd") + 2],
                "empty": "",
            }[cut],
            encoding="utf-8",
        )
    done = study.run("dvc", "repro", check=False)
    assert trained(done.stdout) == [] and "Traceback" not in done.stdout
    if done.returncode:
        assert "dvc.lock" in done.stdout
        assert (
            f"{name}: was cut short"
            in study.run("python", "-m", "stages.check_cache", "missing").stdout
        )
        done = study.run("dvc", "repro")
        assert trained(done.stdout) == []
    assert idle(study) and path.read_text(encoding="utf-8").count("md5:") == content.count("md5:")


@pytest.mark.parametrize("stage", ["compare", pytest.param("analyse", marks=pytest.mark.slow)])
def test_kill_of_a_stage(stage, study: Project):
    """SIGKILL of the stage's own process, somewhere in its work: DVC says so, and the next repro does it again."""
    command = COMPARE if stage == "compare" else ANALYSE
    first = start(study, *command)
    child = stage_process(psutil.Process(first.pid), stage)
    time.sleep(random.Random(stage).uniform(0.5, 3))
    child.kill()
    output = first.communicate(timeout=120)[0]
    assert first.returncode and "Traceback" not in output and "failed to reproduce" in output
    after = study.run("dvc", "repro")
    assert trained(after.stdout) == [] and idle(study)


@pytest.mark.parametrize(
    ("stage", "when"),
    [
        ("compare", "in the stage"),
        ("compare", "after the stage"),
        pytest.param("analyse", "after the stage", marks=pytest.mark.slow),
    ],
)
def test_kill_of_dvc(stage, when, study: Project):
    """SIGKILL of DVC alone while a stage runs, and while DVC moves its results into the cache."""
    command = COMPARE if stage == "compare" else ANALYSE
    first = start(study, *command)
    child = stage_process(psutil.Process(first.pid), stage)
    if when == "after the stage":
        child.wait(300)
        time.sleep(random.Random(stage).uniform(0, 0.3))
    else:
        time.sleep(1)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=120)
    gone = psutil.wait_procs([child], timeout=60)[0]
    assert gone, "the stage outlived DVC and would write beside the next one"
    after = study.run("dvc", "repro")
    assert trained(after.stdout) == [] and idle(study)


@pytest.mark.slow
def test_interrupted_moves(study: Project):
    """DVC is killed six times, each a little later after the stage's end; each time the next repro completes."""
    for delay in (0.0, 0.05, 0.1, 0.2, 0.4, 0.8):
        first = start(study, "dvc", "repro", "--single-item", "--force", "plan")
        stage_process(psutil.Process(first.pid), "plan").wait(60)
        time.sleep(delay)
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=60)
        # A kill while DVC writes dvc.lock leaves an empty one.
        study.run("python", "-m", "stages.check_cache", "missing")
        assert trained(study.run("dvc", "repro").stdout) == []
    assert idle(study)
