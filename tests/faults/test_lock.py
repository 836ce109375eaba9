"""One training of a cell at a time, and a lock that nothing leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from conftest import ROOT
from disks import small_disk_  # noqa: F401
from trainings import R50, shared_trainings, until  # noqa: F401

from stages.errors import InputError
from stages.safety import lock

# Holds the lock of `cell` in the folder it runs in and says so.
HOLDER = "import time; from stages.safety import lock\nwith lock.held('cell'):\n print(flush=True); time.sleep(600)"


@pytest.fixture
def holder(tmp_path, monkeypatch):
    """A process that holds the lock of a cell in a folder where this one asks for it too."""
    monkeypatch.chdir(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def refusal() -> str:
    with pytest.raises(InputError) as refused, lock.held("cell"):
        pass
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_second_training_of_a_cell_is_refused_and_told_by_whom(trainings):
    trainings.fresh()
    first = trainings.start("pause:3")
    trainings.reached()
    assert trainings.train() == 1
    found = re.search(
        rf"^train: {R50}: is being trained by pid (\d+) on {socket.gethostname()}, since \d{{4}}-\S+ \S+ "
        rf"\(.*\), last heartbeat \d s ago; wait for it, or end it with kill \1",
        trainings.said,
        re.M,
    )
    assert found and int(found[1]) == first
    # Refused at once, and what the first one writes is untouched.
    assert "loading" not in trainings.said
    os.kill(first, signal.SIGTERM)
    assert trainings.wait(first) == 143


def test_the_lock_of_a_killed_training_is_taken_over(holder, caplog):
    holder.kill()
    holder.wait()
    with caplog.at_level("INFO"), lock.held("cell"):
        assert f"takes over from a training that vanished (pid {holder.pid} on" in caplog.text
    caplog.clear()
    # And one that was let go is nobody's.
    with caplog.at_level("INFO"), lock.held("cell"):
        assert not caplog.text


def test_a_fork_of_a_training_does_not_keep_its_lock(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    fork = "import os; pid = os.fork() or time.sleep(60); print(pid, flush=True)"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER.replace("print(flush=True)", fork)],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(holder.stdout.readline())
    try:
        holder.kill()
        holder.wait()
        os.kill(child, 0)
        done = subprocess.run(
            [sys.executable, "-c", HOLDER.replace("600", "0")],
            cwd=tmp_path,
            env=env,
            timeout=60,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_clock_that_jumps_moves_no_lock(holder, monkeypatch):
    for jump in (-10 * 86400, 10 * 86400):
        monkeypatch.setattr(time, "time", lambda jump=jump: time.monotonic() + jump)
        os.utime(lock.LOCK_FOLDER / "cell.json", (1e9 + jump, 1e9 + jump))
        assert re.search(rf"pid {holder.pid} on \S+, since .* last heartbeat \d s ago", refusal())


def test_a_holder_that_hangs_is_told_from_one_that_works(holder, monkeypatch):
    os.kill(holder.pid, signal.SIGSTOP)
    monkeypatch.setattr(lock, "SILENT_S", 0.5)
    time.sleep(1)
    assert "it may hang: no heartbeat for 0 minutes" in refusal()
    # Silent is not gone: it may go on at any time.
    os.kill(holder.pid, signal.SIGCONT)
    monkeypatch.undo()


def test_a_holder_on_another_machine_is_known_by_its_beat(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lock, "BEAT_S", 0.2)
    path = lock.LOCK_FOLDER / "cell.json"
    path.parent.mkdir(parents=True)
    owner = {
        "pid": 1,
        "host": "elsewhere",
        "started": "then",
        "command": "python",
        "beat": 3,
        "uptime": 1e9,
    }
    path.write_text(json.dumps(owner), encoding="utf-8")
    # As a shared disk without locks would show it: the file changes, and the lock is free.
    beating = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "import json, time, sys; owner = json.loads(sys.argv[2])\n"
                "for beat in range(10000): open(sys.argv[1], 'r+').write("
                "json.dumps({**owner, 'beat': beat}) + ' ' * 9); "
                "time.sleep(.05)"
            ),
            str(path),
            json.dumps(owner),
        ]
    )
    try:
        until(lambda: '"beat": 5' in path.read_text(encoding="utf-8"))
        assert (
            "is being trained by pid 1 on elsewhere, since then (python); wait for it, or end it there"
            in refusal()
        )
    finally:
        beating.kill()
        beating.wait()
    path.write_text(json.dumps(owner), encoding="utf-8")
    with lock.held("cell"):
        assert json.loads(path.read_text(encoding="utf-8"))["pid"] == os.getpid()


def test_a_full_disk_or_a_damaged_file_stops_no_lock(tmp_path, monkeypatch, small_disk):
    monkeypatch.chdir(small_disk)
    lock.LOCK_FOLDER.mkdir(parents=True)
    (lock.LOCK_FOLDER / "cell.json").write_text('{"pid": 1, "ho', encoding="utf-8")
    with (small_disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(1 << 12))
    with lock.held("cell"):
        pass
