"""Verdicts over pairs: their logic on replicates made by hand, their coverage and error rate by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_replicates import OF_400, made
from scipy import stats

from stages.errors import InputError
from stages.verdict.estimates import ALPHA, SCATTER, estimate
from stages.verdict.pairs import Pair, compare_cells, holm
from stages.verdict.replicates import Statistic

MAP = Statistic()


def noises(number: int, spread: float, seed: int = 0, replicates: int = 1000) -> np.ndarray:
    """(number, R), each with mean 0 and exactly this standard deviation."""
    noise = np.random.default_rng(seed).normal(size=(number, replicates))
    noise -= noise.mean(axis=1, keepdims=True)
    return noise / noise.std(axis=1, ddof=1, keepdims=True) * spread


def one(first: float, second: float, spread: float = 0.01, **changes) -> Pair:
    (pair,) = compare_cells(
        {
            "a": [made(first, noises(1, spread)[0], **changes)],
            "b": [made(second, np.zeros(1000), **changes)],
        },
        MAP,
    )
    return pair


def test_contrary_data_give_contrary_verdicts():
    better, worse, neither = one(0.5, 0.4), one(0.4, 0.5), one(0.5, 0.49)
    assert (better.outcome, worse.outcome, neither.outcome) == (
        "better",
        "worse",
        "not distinguishable",
    )
    assert (
        better.probability > 0.999 and worse.probability < 0.001 and 0.5 < neither.probability < 0.9
    )
    assert (
        better.images_needed is None
        and neither.images_needed > 400
        and neither.repeats_needed is None
    )


def test_interval_p_and_sample_size_are_the_formulas():
    pair = one(0.5, 0.49)
    reach = stats.t.ppf(0.975, 399 / SCATTER) * 0.01 * OF_400
    assert (pair.difference.low, pair.difference.high) == pytest.approx(
        (0.01 - reach, 0.01 + reach)
    )
    assert pair.difference.error == pytest.approx(0.01 * OF_400)
    assert pair.p == pytest.approx(2 * stats.t.sf(1 / OF_400, 399 / SCATTER))
    assert pair.images_needed == math.ceil(
        400 * (OF_400 * (stats.norm.ppf(0.975) + stats.norm.ppf(0.8))) ** 2
    )
    # Biased replicates move the interval the other way.
    (shifted,) = compare_cells(
        {"a": [made(0.5, noises(1, 0.01)[0] + 0.02)], "b": [made(0.49, np.zeros(1000))]}, MAP
    )
    assert shifted.difference.bias == pytest.approx(
        0.02
    ) and shifted.difference.value == pytest.approx(0.01)
    assert shifted.difference.low == pytest.approx(-0.01 - reach)


def test_swapping_the_cells_swaps_the_verdict():
    cells = {
        "a": [made(0.5, noises(3, 0.01)[0])],
        "b": [made(0.46, noises(3, 0.01)[1])],
        "c": [made(0.455, noises(3, 0.01)[2])],
    }
    forward = compare_cells(cells, MAP)
    # From the last to the first; so are the pairs.
    backward = compare_cells(dict(reversed(cells.items())), MAP)[::-1]
    assert [pair.outcome for pair in forward] == ["better", "better", "not distinguishable"]
    for there, back in zip(forward, backward):
        turned = there.swapped()
        assert (turned.outcome, turned.first, turned.images_needed) == (
            back.outcome,
            back.first,
            back.images_needed,
        )
        assert (
            turned.difference.low,
            turned.difference.high,
            turned.probability,
            turned.p_holm,
        ) == pytest.approx(
            (back.difference.low, back.difference.high, back.probability, back.p_holm)
        )


def test_shared_draws_are_paired():
    noise = noises(1, 0.05)[0]
    (pair,) = compare_cells(
        {"a": [made(0.51, noise)], "b": [made(0.5, noise + noises(1, 0.001, seed=1)[0])]}, MAP
    )
    assert pair.outcome == "better" and pair.difference.error == pytest.approx(0.001 * OF_400)


def test_holm():
    # Holm 1979: 4 x .01, 3 x .02 (not below 4 x .01), 2 x .022 raised to .06, 1 x .3.
    assert holm([0.3, 0.01, 0.022, 0.02]) == (pytest.approx([0.3, 0.04, 0.06, 0.06]), [1, 4, 2, 3])
    assert holm([0.9, 0.8]) == ([1.0, 1.0], [1, 2]) and holm([]) == ([], [])
    cells = {
        name: [made(0.5 + 0.0115 * (name == "a"), row)]
        for name, row in zip("abcde", noises(5, 0.0035))
    }
    alone = compare_cells({name: cells[name] for name in ("a", "b")}, MAP)[0]
    family = compare_cells(cells, MAP)
    assert (
        alone.outcome == "better"
        and family[0].p == alone.p
        and family[0].p_holm > ALPHA > alone.p_holm
    )
    assert family[0].outcome == "not distinguishable" and len(family) == 10
    assert family[0].images_needed > 400


def test_thin_statistics_decide_nothing():
    thin = one(0.9, 0.1, boxes=99)
    assert thin.difference.thin and thin.outcome == "not distinguishable" and thin.p_holm < 0.001
    assert thin.images_needed is None and not one(0.9, 0.1, boxes=100).difference.thin


def test_nothing_to_measure_and_nothing_that_varies():
    assert (
        compare_cells(
            {"a": [made(np.nan, np.zeros(9), boxes=0)], "b": [made(np.nan, np.zeros(9), boxes=0)]},
            MAP,
        )
        == ()
    )
    assert estimate([made(np.nan, np.zeros(9), boxes=0)], MAP) is None
    same = one(0.5, 0.5, spread=0)
    assert (same.p, same.probability, same.outcome) == (1.0, 0.5, "not distinguishable")
    single = one(0.9, 0.1, images=1)
    assert (single.outcome, single.difference.error, single.p) == ("not distinguishable", None, 1.0)
    assert (single.difference.low, single.difference.high) == (-1, 1)
    with pytest.raises(InputError, match="a and b were not evaluated on the same"):
        compare_cells(
            {"a": [made(0.5, np.zeros(9), split=1)], "b": [made(0.5, np.zeros(9), split=2)]}, MAP
        )
    with pytest.raises(InputError, match="no evaluated run"):
        compare_cells({"a": [], "b": [made(0.5, np.zeros(9))]}, MAP)


def test_seeds_enter_the_interval():
    noise = noises(1, 0.002)[0]
    cells = {
        "a": [made(value, noise) for value in (0.48, 0.50, 0.52)],
        "b": [made(0.47, np.zeros(1000))],
    }
    (pair,) = compare_cells(cells, MAP)
    (one_run,) = compare_cells({"a": [made(0.5, noise)], "b": cells["b"]}, MAP)
    assert one_run.outcome == "better" and pair.outcome == "not distinguishable"
    # Between seeds .02^2, over 3 runs of a and 1 of b; 2 degrees of freedom, a few more for the images' part.
    assert pair.difference.of_runs == pytest.approx(0.02**2 * (1 / 3 + 1))
    assert pair.difference.freedom == pytest.approx(2, abs=0.1) and pair.difference.runs == (3, 1)
    needed = (
        2
        * 0.02**2
        / ((0.03 / (stats.norm.ppf(0.975) + stats.norm.ppf(0.8))) ** 2 - (0.002 * OF_400) ** 2)
    )
    assert pair.repeats_needed == math.ceil(needed) and pair.images_needed is None


def test_folds_enter_the_interval():
    noise = noises(5, 0.002)
    folds = [
        made(0.5 + shift, row, split=number, boxes=30)
        for number, (shift, row) in enumerate(zip((-0.02, -0.01, 0, 0.01, 0.02), noise))
    ]
    other = [made(0.49, np.zeros(1000), split=number, boxes=30) for number in range(5)]
    (pair,) = compare_cells({"a": folds, "b": other}, MAP)
    error = math.sqrt(0.00025 * (1 / 5 + 1 / 4))
    assert pair.difference.error == pytest.approx(error) and pair.difference.freedom == 4
    assert (
        pair.difference.splits == 5 and not pair.difference.thin and pair.difference.images == 2000
    )
    assert (
        pair.outcome == "not distinguishable"
        and pair.repeats_needed > 5
        and pair.images_needed is None
    )
    assert compare_cells({"a": folds, "b": other[:1]}, MAP)[0].difference.splits == 1
    (equal,) = compare_cells(
        {"a": [made(0.5, row, split=number) for number, row in enumerate(noise)], "b": other}, MAP
    )
    assert (
        equal.difference.error == pytest.approx(0.002 * OF_400 / math.sqrt(5))
        and equal.outcome == "better"
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_adjusted_interval_holds_0_exactly_where_nothing_is_decided(seed):
    rng = np.random.default_rng(seed)
    cells = {}
    for name in "abcdefgh":
        noise = rng.normal(0, 0.01, 400)
        # A bias of its own carries some values across 0.
        cells[name] = [made(rng.normal(0.5, 0.03), noise - noise.mean() + rng.normal(0, 0.02))]
    found = compare_cells(cells, MAP)
    both = (*found, *(pair.swapped() for pair in found))
    assert {pair.outcome for pair in both} == {"better", "worse", "not distinguishable"}
    for pair in both:
        low, high = pair.adjusted
        assert (low <= 0 <= high) == (pair.outcome == "not distinguishable")
        assert low <= pair.difference.low and pair.difference.high <= high
    # The plain interval is what would contradict the word.
    assert any(
        not pair.difference.low <= 0 <= pair.difference.high
        for pair in found
        if pair.outcome == "not distinguishable"
    )


def test_a_thin_pair_has_no_interval_that_decided_it():
    assert (
        one(0.9, 0.1, boxes=99).adjusted is None
        and one(0.9, 0.1, boxes=99).swapped().adjusted is None
    )


def test_two_images_and_two_folds_have_an_interval():
    assert one(0.5, 0.4, images=2).difference.error is not None
    folds = {
        name: [
            made(value + shift, row, split=split)
            for split, (shift, row) in enumerate(zip((-0.001, 0.001), noises(2, 0.002)))
        ]
        for name, value in (("a", 0.5), ("b", 0.4))
    }
    difference = compare_cells(folds, MAP)[0].difference
    assert (
        difference.freedom == 1
        and math.isfinite(difference.low)
        and difference.low < difference.high
    )
    # Equal means on both folds, and equal means of two folds that differ: no number of repeats would tell them apart.
    crossed = [
        made(value, noise, split=split)
        for split, (value, noise) in enumerate(zip((0.5, 0.25), noises(2, 0.002)))
    ]
    mirrored = [
        made(value, noise, split=split)
        for split, (value, noise) in enumerate(zip((0.25, 0.5), noises(2, 0.002, seed=1)))
    ]
    for one_cell, other_cell in ((folds["a"], folds["a"]), (crossed, mirrored)):
        equal = compare_cells({"a": one_cell, "b": other_cell}, MAP)[0]
        assert equal.difference.value == 0 and (equal.images_needed, equal.repeats_needed) == (
            None,
            None,
        )
    assert equal.difference.error > 0.1
