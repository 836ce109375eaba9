"""The fit of score against training images, put to studies of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from stages.verdict.learning_curve import fit

TRUTH = (0.62, 2.4, 0.42)


def truth(images):
    a, b, c = TRUTH
    return a - b * np.asarray(images, dtype=float) ** -c


def study(images, rng, own: float = 0.004, common: float = 0.02, replicates: int = 400) -> list[np.ndarray]:
    """Scores of a val split: an error that all cells share, one of each cell, and replicates of the same spread."""
    shape = (len(images), 1)
    measured = truth(images)[:, None] + rng.normal(0, common) + rng.normal(0, own, shape)
    errors = rng.normal(0, common, replicates) + rng.normal(0, own, (len(images), replicates))
    return list(np.hstack([measured, measured + errors]))


def test_an_exact_law_is_found_again():
    images = [500, 1000, 2000, 4000]
    scores = [np.full(50, score) for score in truth(images)]
    curve = fit(images[::-1], scores[::-1])
    assert curve.law == "power" and curve.images == tuple(images)
    assert curve.parameters == pytest.approx(TRUTH, rel=0.15)
    assert curve.doubled.images == 8000
    assert curve.doubled.value == pytest.approx(truth(8000) - truth(4000), abs=0.001)
    assert curve.at(1000) == pytest.approx(truth(1000), abs=0.001)


def test_two_shares_make_a_line_in_the_logarithm():
    curve = fit([1000, 4000], [np.full(50, 0.3), np.full(50, 0.5)])
    assert (curve.law, curve.parameters[2]) == ("line", None)
    assert curve.doubled.value == pytest.approx(0.1) and curve.at(2000) == pytest.approx(0.4)
    with pytest.raises(ValueError, match="needs two numbers of images"):
        fit([1000, 1000], [np.full(5, 0.3)] * 2)


@pytest.mark.parametrize("images", [[500, 1000, 2000, 4000], [250, 500, 1000, 2000, 4000]])
def test_the_interval_holds_the_true_gain_of_a_doubling(images):
    rng = np.random.default_rng(5)
    true = truth(2 * images[-1]) - truth(images[-1])
    curves = [fit(images, study(images, rng)) for _ in range(150)]
    covered = np.mean([curve.doubled.low <= true <= curve.doubled.high for curve in curves])
    assert covered >= 0.9, covered
    # The error that all cells share drops out: an interval is far narrower than it.
    assert np.median([curve.doubled.high - curve.doubled.low for curve in curves]) < 0.03
    assert np.mean([curve.doubled.useless for curve in curves]) < 0.05


def test_scores_that_say_nothing_are_not_extrapolated():
    rng = np.random.default_rng(6)
    images = [3000, 3500, 4000]
    curves = [fit(images, study(images, rng, own=0.02)) for _ in range(20)]
    assert np.mean([curve.doubled.useless for curve in curves]) > 0.8


def test_a_falling_score_promises_nothing():
    curve = fit([500, 1000, 2000], [np.full(50, score) for score in (0.5, 0.4, 0.3)])
    assert curve.doubled.value == 0
