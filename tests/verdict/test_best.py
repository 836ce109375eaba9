"""Multiple comparisons with the best: the formulas on differences made by hand, and the rates that they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.verdict_rules import simulate
from stages.verdict.best import standings
from stages.verdict.differences import Differences, joint_differences
from stages.verdict.estimates import POWER, SCATTER, WIDER, Estimate
from stages.verdict.pairs import compare_cells
from stages.verdict.replicates import Replicates, Statistic

FREEDOM = 30.0


def joint(
    scores: dict[str, float], error: float = 0.01, draws: int = 20_000, freedom: float = FREEDOM
) -> Differences:
    """Independent cells with these scores, each pair with this standard error."""
    number = len(scores)
    score = np.array(list(scores.values()))
    noise = np.random.default_rng(0).normal(size=(number, draws)) / np.sqrt(2)
    estimates = {}
    for first in scores:
        for second in scores:
            value = scores[first] - scores[second]
            estimates[first, second] = Estimate(
                value,
                value - 1,
                value + 1,
                error,
                0.0,
                error**2,
                0.0,
                freedom,
                999,
                100,
                1,
                (1, 1),
                False,
            )
    return Differences(
        tuple(scores),
        score[:, None] - score,
        np.full((number, number), error),
        np.full((number, number), freedom),
        noise[:, None] - noise,
        estimates,
    )


def test_two_cells_are_bounded_by_students_quantiles():
    found = standings(joint({"a": 0.50, "b": 0.49}), "a", 0.03)
    one_sided, two_sided = stats.t.ppf([0.95, 0.975], FREEDOM) * 0.01
    # Of a: what it may lose against b; of b: the two-sided lower end, which reaches further than its bound.
    assert found["a"].loss_high == pytest.approx(one_sided - 0.01, abs=5e-4)
    assert found["b"].interval == pytest.approx((-0.01 - two_sided, -0.01 + two_sided), abs=5e-4)
    assert found["b"].loss_high == -found["b"].interval[0] > 0.01 + one_sided
    assert (
        found["a"].interval == (0, 0)
        and found["a"].word == "best"
        and found["b"].word == "undecided"
    )
    assert found["a"].possible_best and found["b"].possible_best
    # Of a normal difference of one error: P(b better) and E max(0, b - a).
    better = stats.norm.cdf(-1)
    assert (found["a"].p_best, found["b"].p_best) == pytest.approx((1 - better, better), abs=0.01)
    gain = 0.01 * (stats.norm.pdf(1) - better)
    assert found["a"].expected_loss == pytest.approx(gain, abs=2e-4)
    assert found["b"].expected_loss == pytest.approx(0.01 + gain, abs=2e-4)


def test_more_cells_have_dunnetts_quantile():
    """Dunnett 1955, table 1a: 30 degrees of freedom, one-sided 95 %: 1.70, 1.99 and 2.25 for 1, 2 and 4 cells beside
    the control."""
    for others, quantile in ((1, 1.70), (2, 1.99), (4, 2.25)):
        scores = {"top": 0.5, **{f"c{number}": 0.5 for number in range(others)}}
        loss = standings(joint(scores), "top", 0.01)["top"].loss_high
        assert loss == pytest.approx(quantile * 0.01, abs=6e-4)


def test_the_word_follows_from_where_the_interval_lies():
    found = standings(joint({"top": 0.5, "near": 0.499, "far": 0.40, "some": 0.48}), "top", 0.04)
    assert {name: one.word for name, one in found.items()} == {
        "top": "best",
        "near": "as good",
        "far": "worse",
        "some": "undecided",
    }
    for one in found.values():
        low, high = one.interval
        assert -one.loss_high <= low <= high
    assert (found["far"].possible_best, found["some"].possible_best) == (False, True)
    # Worse by less than the margin is as good.
    assert (
        standings(joint({"top": 0.5, "low": 0.49}, error=0.001), "top", 0.02)["low"].word
        == "as good"
    )
    assert (
        standings(joint({"top": 0.5, "low": 0.49}, error=0.001), "top", 0.0)["low"].word == "worse"
    )
    thin = standings(joint({"top": 0.5, "far": 0.4}, error=0.001), "top", 0.02, thin=True)
    assert (
        thin["far"].word == "undecided" and thin["far"].thin and thin["far"].images_needed is None
    )


def test_a_clear_best_loses_nothing_and_is_alone_possible():
    found = standings(joint({"top": 0.9, "b": 0.5, "c": 0.5}), "top", 0.01)
    assert (
        found["top"].loss_high == 0 and found["top"].p_best == 1 and found["top"].expected_loss == 0
    )
    assert [one.possible_best for one in found.values()] == [True, False, False]


def test_equal_cells_share_and_one_cell_is_the_best():
    same = standings(joint({"a": 0.5, "b": 0.5, "c": 0.5}, error=0.0), "a", 0.01)
    assert [one.p_best for one in same.values()] == pytest.approx([1 / 3] * 3)
    assert [one.loss_high for one in same.values()] == [0, 0, 0] and same["b"].word == "as good"
    assert (
        standings(joint({"a": 0.5}), "a", 0.01)["a"].p_best == 1
        and standings(joint({}), "a", 0.01) == {}
    )
    assert standings(joint({"b": 0.5, "c": 0.4}), "a", 0.01) == {}


def test_how_many_images_would_show_it():
    found = standings(joint({"top": 0.5, "b": 0.49}), "top", 0.005)
    quantile, power = stats.t.ppf(0.95, FREEDOM), stats.norm.ppf(POWER)
    # The highest has a bound to one side, another cell also the two ends of its interval.
    both_sides = stats.t.ppf(0.975, FREEDOM)
    # top leads by .01 and may lose .005: a distance of .015; b loses .01, which is .005 more than it may.
    assert found["top"].images_needed == pytest.approx(
        100 * ((quantile + power) * 0.01 / 0.015) ** 2, rel=0.05
    )
    assert found["b"].images_needed == pytest.approx(
        100 * ((both_sides + power) * 0.01 / 0.005) ** 2, rel=0.05
    )
    within = standings(joint({"top": 0.5, "b": 0.49}), "top", 0.02)
    assert within["b"].images_needed == pytest.approx(
        100 * ((both_sides + power) * 0.01 / 0.01) ** 2, rel=0.05
    )
    # What is shown, or shown to lose more, needs no more.
    sure = standings(joint({"top": 0.5, "b": 0.4}), "top", 0.012)
    assert (sure["top"].images_needed, sure["b"].images_needed) == (None, None)
    assert found["top"].repeats_needed is None


def made(values: np.ndarray, images: int = 400, split: int = 1) -> Replicates:
    """A cell of one class: values (1 + R,)."""
    return Replicates(
        np.broadcast_to(values[:, None, None, None], (len(values), 1, 4, 3)),
        np.full((1, 4), 1000),
        images,
        split,
    )


def noisy(value: float, spread: float, seed: int, bias: float = 0.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, spread, 1000)
    return np.concatenate(([value], value + bias + noise - noise.mean()))


def test_differences_are_those_of_the_pairs_with_their_joint_replicates():
    cells = {
        "a": [made(noisy(0.50, 0.02, 1))],
        "b": [made(noisy(0.48, 0.02, 2, bias=0.01))],
        "c": [made(noisy(0.47, 0.02, 2))],
    }
    pairs = compare_cells(cells, Statistic())
    found = joint_differences(cells, pairs, Statistic())
    assert found.names == ("a", "b", "c") and np.allclose(
        found.noise, -found.noise.transpose(1, 0, 2)
    )
    assert (
        found.centre[0, 1] == pytest.approx(0.02 + 0.01)
        and found.centre[1, 0] == -found.centre[0, 1]
    )
    assert found.error[0, 1] == pairs[0].difference.error and found.freedom[0, 1] == pytest.approx(
        399 / SCATTER
    )
    assert found.error[0, 1] > np.hypot(0.02, 0.02) * (1 + WIDER / 20) * 0.95
    assert found.noise[0, 1].std() == pytest.approx(1, abs=1e-3)
    # b and c have the same replicates: only a bias tells them apart, and nothing varies.
    assert found.error[1, 2] == pytest.approx(0, abs=1e-12) and np.corrcoef(
        found.noise[0, 1], found.noise[0, 2]
    )[0, 1] == pytest.approx(1)


def test_repeats_widen_what_a_cell_may_lose_and_lower_how_sure_the_best_is():
    noise = [noisy(0.0, 0.002, seed) for seed in range(2)]
    single = {"a": [made(0.50 + noise[0])], "b": [made(0.48 + noise[1])]}
    several = {"a": [made(0.50 + shift + noise[0]) for shift in (-0.02, 0, 0.02)], "b": single["b"]}
    found = {}
    for name, cells in (("single", single), ("several", several)):
        found[name] = standings(
            joint_differences(cells, compare_cells(cells, Statistic()), Statistic()), "a", 0.01
        )
    assert found["single"]["a"].p_best == 1 and found["single"]["b"].word == "worse"
    assert 0.7 < found["several"]["a"].p_best < 0.9 and found["several"]["b"].word == "undecided"
    assert found["several"]["a"].loss_high > found["single"]["a"].loss_high == 0
    assert found["several"]["a"].repeats_needed > 3


def test_folds_are_averaged_over_the_splits_that_both_have():
    cells = {
        "a": [made(noisy(0.5, 0.01, 1), split=1), made(noisy(0.52, 0.01, 2), split=2)],
        "b": [made(noisy(0.48, 0.01, 3), split=1), made(noisy(0.49, 0.01, 4), split=2)],
        "c": [made(noisy(0.48, 0.01, 5), split=1)],
    }
    pairs = compare_cells(cells, Statistic())
    found = joint_differences(cells, pairs, Statistic())
    first = noisy(0.5, 0.01, 1)[1:] - noisy(0.48, 0.01, 5)[1:]
    assert np.corrcoef(found.noise[0, 2], first)[0, 1] == pytest.approx(1)
    assert found.estimates["a", "b"].splits == 2 and np.isfinite(found.noise).all()


def test_a_replicate_without_a_box_is_left_out():
    values = noisy(0.5, 0.01, 1), noisy(0.48, 0.01, 2)
    for array in values:
        array[5] = np.nan
    cells = {"a": [made(values[0])], "b": [made(values[1])]}
    found = joint_differences(cells, compare_cells(cells, Statistic()), Statistic())
    assert np.isfinite(found.noise).all() and found.noise[0, 1, 4] == 0


def test_one_image_compares_nothing():
    cells = {"a": [made(noisy(0.5, 0.01, 1), images=1)], "b": [made(noisy(0.4, 0.01, 2), images=1)]}
    found = joint_differences(cells, compare_cells(cells, Statistic()), Statistic())
    assert len(found.names) == 1 and "b" not in standings(found, "a", 0.01)


def test_a_cell_that_misses_a_pair_is_left_out():
    cells = {name: [made(noisy(0.5, 0.01, seed))] for seed, name in enumerate("abc")}
    pairs = compare_cells(cells, Statistic())
    found = joint_differences(
        cells, [pair for pair in pairs if (pair.first, pair.second) != ("b", "c")], Statistic()
    )
    assert found.names == ("a", "b")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "cells", "images", "runs"),
    [
        ("all equal", 13, 200, 1),
        ("others .022 below", 3, 200, 1),
        ("others .022 below", 13, 1000, 1),
        ("others .022 below", 3, 200, 3),
        ("each .01 below the next", 13, 200, 1),
    ],
)
def test_what_is_shown_is_within_the_margin_and_no_word_is_wrong(family, cells, images, runs):
    """At most 5 % of studies; of 200 that is 10 with a deviation of 3."""
    tally = simulate(family, cells, images, runs, 200, 300, 5)
    for number in (
        tally.wrongly_shown,
        tally.exceeded,
        tally.best_missed,
        tally.wrongly_worse,
        tally.wrongly_as_good,
    ):
        assert number <= 18
    assert tally.wrong["highest"] <= tally.wrong["not worse"]


@pytest.mark.slow
def test_the_probability_to_be_the_best_is_calibrated():
    tally = simulate("spread of .03, any costs", 5, 200, 1, 400, 300, 6)
    said, is_best = np.array(tally.certain).T
    for low, high in ((0, 0.2), (0.2, 0.6), (0.6, 1.01)):
        inside = (said >= low) & (said < high)
        spread = np.sqrt((said[inside] * (1 - said[inside])).sum()) / inside.sum()
        assert abs(said[inside].mean() - is_best[inside].mean()) < 3 * spread + 0.01
