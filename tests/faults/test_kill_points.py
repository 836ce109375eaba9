"""Thirty random moments of one cell: the training is killed there, started again, and ends bit-equal."""

from __future__ import annotations

import random
import time

import pytest
from trainings import shared_trainings  # noqa: F401


@pytest.mark.slow
def test_thirty_random_kill_points(trainings):
    expected = trainings.fresh()
    start = time.monotonic()
    assert trainings.train("every") == 0
    whole = time.monotonic() - start
    trainings.result()
    chance = random.Random(6)
    killed = 0
    for number in range(30):
        trainings.forget()
        # From the first import to the last rename. A machine whose speed changes meanwhile may let one slip through.
        while trainings.train("every", f"seconds:{chance.uniform(0, whole):.3f}") == 0:
            trainings.result()
        killed += 1
        # Every third is killed twice.
        if number % 3 == 0:
            trainings.train("every", f"seconds:{chance.uniform(0, whole):.3f}")
        trainings.goes_on(expected)
    assert killed == 30
