"""Loader processes and signals to stop: they ignore them until their training lets them go."""

from __future__ import annotations

import os
import signal

import pytest

from stages.safety import loaders


def loader_process(report: int, question: int) -> None:
    """What a loader's process does, in a fork: it says that it is ready and waits for its training."""
    loaders.signal_ignoring_worker(0)
    os.write(report, b"r")
    os.read(question, 1)
    os._exit(7)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("released", [False, True])
def test_a_loader_process_hears_a_signal_only_when_it_is_released(number, released):
    loaders.bound_loader({}, 1, in_training=True)
    ready, report = os.pipe()
    question, answer = os.pipe()
    child = os.fork()
    if not child:
        try:
            loader_process(report, question)
        finally:
            os._exit(9)
    assert os.read(ready, 1) == b"r"
    if released:
        loaders.release_workers()
    os.kill(child, number)
    if not released:
        os.write(answer, b"a")
    _, status = os.waitpid(child, 0)
    for end in (ready, report, question, answer):
        os.close(end)
    assert os.waitstatus_to_exitcode(status) == (0 if released else 7)
