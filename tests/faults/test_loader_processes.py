"""Loader processes that cannot hand over their images: too little shared memory, or a disk that has gone."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from trainings import R50, Trainings, shared_trainings  # noqa: F401

# Again and again: a training that frees an image while the disk is filled would find room for the next.
FILL = """
import contextlib
with open('/dev/shm/other', 'ab', buffering=0) as file:
    while True:
        with contextlib.suppress(OSError):
            file.write(bytes(4096))
"""


def in_shared_memory(trainings: Trainings, size: str, script: str) -> subprocess.CompletedProcess:
    """Runs a bash script in the clone while /dev/shm has `size`, for it alone. Skips where that cannot be made."""
    mount = [
        "unshare",
        "--mount",
        "bash",
        "-c",
        f'mount -t tmpfs -o size={size} tmpfs /dev/shm && exec "$@"',
        "bash",
    ]
    try:
        allowed = subprocess.run([*mount, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare, which gives /dev/shm another size")
    if allowed.returncode:
        pytest.skip(f"/dev/shm cannot be given another size here: {allowed.stderr.strip()}")
    return subprocess.run(
        [*mount, "bash", "-c", script],
        cwd=trainings.folder,
        env=trainings.env,
        text=True,
        timeout=300,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def test_too_little_shared_memory_is_said_before_anything_is_trained(trainings):
    trainings.forget()
    trainings.change(workers=2)
    # Six batches of four images of 64 x 64 pixels: 288 KiB.
    for program in ("plan", f"train {R50}"):
        done = in_shared_memory(trainings, "200k", f"python -m stages.{program}")
        assert done.returncode == 1
        assert done.stdout == (
            f"{program.split()[0]}: {R50}: its loader processes need up to 0.3 MiB of /dev/shm for images, and 0.2 MiB "
            "are free; start the container with --shm-size=2m, make room there, or set workers: 0 under "
            "scales.miniature, which loads images in the training's own process\n"
        )
    assert in_shared_memory(trainings, "300k", "python -m stages.plan").returncode == 0
    trainings.change(workers=0)
    assert in_shared_memory(trainings, "200k", "python -m stages.plan").returncode == 0


@pytest.mark.slow
def test_shared_memory_that_others_fill_ends_a_training_with_one_line(trainings):
    trainings.forget()
    trainings.change(workers=2, epochs=300)
    done = in_shared_memory(
        trainings,
        "1m",
        f"""
        python -m stages.train {R50} & training=$!
        until compgen -G '.work/*/state.json' >/dev/null; do sleep 0.1; done
        python -c "{FILL}" & filler=$!
        wait $training; status=$?
        kill $filler; exit $status""",
    )
    assert done.returncode == 1 and "Traceback" not in done.stdout, done.stdout
    assert f"train: {R50}: /dev/shm is full: " in done.stdout.splitlines()[-1], done.stdout
    assert "--shm-size=2048m" in done.stdout and "workers: 0 under scales.miniature" in done.stdout
    assert "the same command resumes from step" in done.stdout.splitlines()[-1]


def test_a_wait_for_loader_processes_has_an_end(trainings):
    expected = trainings.fresh(workers=2)
    assert trainings.train("loaders:2") == 1
    assert "Traceback" not in trainings.said
    assert trainings.said.splitlines()[-1].startswith(
        f"train: {R50}: no batch came from the loader processes within 2.0 s; see whether the disk with the images "
        "answers, or set workers: 0 under scales.miniature; the same command resumes from step 4"
    )
    trainings.goes_on(expected)


def test_a_signal_ends_the_wait_for_loader_processes(trainings):
    expected = trainings.fresh(workers=2)
    pid = trainings.start("loaders:300")
    trainings.reached()
    start = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    assert trainings.wait(pid) == 143
    # docker stop kills after ten seconds; a busy machine needs some to import what says good-bye.
    assert 4 < time.monotonic() - start < 30
    assert trainings.said.splitlines()[-1] == (
        f"train: {R50}: stopped by SIGTERM; the same command resumes from step 4, whose state is saved"
    )
    trainings.goes_on(expected)
