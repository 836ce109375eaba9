"""The Pareto front and the cheapest cell that is shown to be within the margin, on made-up and on random cells."""

from __future__ import annotations

import dataclasses
import math
import random

import pytest

from stages.verdict.best import Standing
from stages.verdict.choice import choose_cell, highest_cell
from stages.verdict.costs import COST_WORDS, Candidate, costs_less, front

METRIC = "val/bbox_mAP_50"


def cell(
    name: str,
    score: float | None,
    latency: float | None = None,
    parameters: float | None = None,
    **costs,
):
    return Candidate(name, score, {"latency_ms": latency, "parameters": parameters, **costs})


def standings(cells, half: float, margin: float) -> dict[str, Standing]:
    """Against the cell of highest score; every difference is known to +- half."""
    scores = {
        one.name: one.score for one in cells if one.score is not None and math.isfinite(one.score)
    }
    top = highest_cell(cells, "latency_ms")
    found = {}
    for name, score in scores.items():
        rivals = [value - score + half for rival, value in scores.items() if rival != name]
        low, high = score - scores[top] - half, score - scores[top] + half
        word = (
            "best"
            if name == top
            else "as good"
            if low >= -margin
            else "worse"
            if high < 0
            else "undecided"
        )
        found[name] = Standing(
            0.5,
            0.01,
            max(0.0, *rivals),
            (0.0, 0.0) if name == top else (low, high),
            word,
            high >= 0,
            images_needed=500,
        )
    return found


def decided(cells, half: float, margin: float = 0.02, cost: str = "latency_ms"):
    return choose_cell(cells, METRIC, standings(cells, half, margin), margin, cost)


CELLS = [
    cell("small", 0.50, 10, 1e6),
    cell("middle", 0.515, 30, 3e6),
    cell("large", 0.52, 90, 9e6),
    cell("silly", 0.49, 95, 9e6),
]


def test_the_front_names_who_dominates_whom():
    found = front(CELLS, METRIC)
    assert found.members == ("large", "middle", "small") and found.costs == (
        "latency_ms",
        "parameters",
    )
    assert found.dominated == {"silly": ("large", "middle", "small")}
    assert found.sentence == (
        f"On the Pareto front of {METRIC}, latency, number of parameters: large, middle, small. "
        "Dominated: silly by large, middle, small."
    )
    # Contrary data: what was dominated becomes the only member.
    other = front([*CELLS[:3], cell("silly", 0.6, 5, 1e5)], METRIC)
    assert other.members == ("silly",) and len(other.dominated) == 3
    assert (
        other.sentence.startswith("silly dominates every other cell in")
        and "large, middle, small" in other.sentence
    )
    assert front(CELLS[:3], METRIC).sentence.startswith("No cell is dominated in")


def test_ties_dominate_nobody():
    assert front([cell("a", 0.5, 10), cell("b", 0.5, 10)], METRIC).members == ("a", "b")
    found = front([cell("a", 0.5, 10), cell("b", 0.5, 10), cell("c", 0.5, 11)], METRIC)
    assert found.members == ("a", "b") and found.dominated["c"] == ("a", "b")


def test_costs_that_overlap_are_equal_on_the_front():
    """Half a MiB of memory, less than it varies from round to round, keeps no worse cell on the front."""
    spread = {"peak_memory_mib": (15.1, 18.8)}
    better = dataclasses.replace(cell("better", 0.5, 10, peak_memory_mib=15.56), spread=spread)
    worse = cell("worse", 0.4, 11, peak_memory_mib=15.5)
    found = front([better, worse], METRIC)
    assert found.members == ("better",) and found.dominated["worse"] == ("better",)
    apart = dataclasses.replace(worse, costs={**worse.costs, "peak_memory_mib": 15.0})
    assert front([better, apart], METRIC).members == ("better", "worse")


def test_an_unmeasured_cost_places_nobody():
    found = front(
        [
            cell("a", 0.5, 10, 1),
            cell("b", 0.4, None, 2),
            cell("c", 0.1, 20, 3),
            cell("d", math.nan, 1, 1),
        ],
        METRIC,
    )
    assert found.members == ("a",) and list(found.dominated) == ["c"]
    assert found.incomplete == {"b": ("latency_ms",), "d": ("score",)}
    assert found.sentence.endswith("Not placed: b lacks latency; d lacks score.")
    assert front([cell("a", 0.5), cell("b", 0.4)], METRIC).costs == ()
    assert front([cell("a", 0.5), cell("b", 0.4)], METRIC).members == ("a",)
    assert front([cell("a", 0.5, math.inf)], METRIC).costs == ()


def test_one_cell_and_none():
    assert front([cell("a", 0.5, 10)], METRIC).sentence.startswith("a is alone")
    assert (
        front([], METRIC).sentence == front([cell("a", None)], METRIC).sentence.split(". ")[0] + "."
    )
    assert (
        choose_cell([], METRIC, {}, 0.01, "latency_ms").sentence
        == f"Nothing to choose: no cell has a {METRIC}."
    )
    alone = {"a": Standing(1.0, 0.0, 0.0, (0.0, 0.0), "best", True)}
    only = choose_cell([cell("a", 0.5, 10)], METRIC, alone, 0.01, "latency_ms")
    assert (only.best, only.chosen, only.shown) == ("a", "a", True)
    assert "no other cell to weigh it against" in only.sentence


@pytest.mark.parametrize("seed", range(40))
def test_no_member_is_dominated_and_every_other_cell_is_by_a_member(seed):
    draw = random.Random(seed)
    # Few values, so that ties are common.
    cells = [
        Candidate(
            f"c{i}",
            draw.choice([None, *range(5)]) if draw.random() < 0.3 else draw.randrange(5),
            {
                key: draw.choice([1.0, 2.0, 3.0, math.nan if draw.random() < 0.1 else 4.0])
                for key in COST_WORDS
            },
        )
        for i in range(draw.randrange(1, 14))
    ]
    costs = draw.sample(sorted(COST_WORDS), draw.randrange(0, 4))
    found = front(cells, METRIC, costs)
    named = {one.name: one for one in cells}

    def dominates(a: Candidate, b: Candidate) -> bool:
        no_worse = a.score >= b.score and all(a.costs[key] <= b.costs[key] for key in found.costs)
        return no_worse and (
            a.score > b.score or any(a.costs[key] < b.costs[key] for key in found.costs)
        )

    placed = [*found.members, *found.dominated]
    assert sorted([*placed, *found.incomplete]) == sorted(named)
    for member in found.members:
        assert not any(dominates(named[other], named[member]) for other in placed)
    for name, by in found.dominated.items():
        assert by and set(by) <= set(found.members)
        assert set(by) == {
            member for member in found.members if dominates(named[member], named[name])
        }


def test_the_cheapest_that_is_shown_to_be_within_the_margin():
    found = decided(CELLS, 0.01)
    assert (found.best, found.chosen, found.cost, found.shown) == (
        "large",
        "middle",
        "latency_ms",
        True,
    )
    assert found.saved == pytest.approx(2 / 3)
    # small loses .01 to .03, of which .02 is accepted.
    assert found.cheaper == {"small": pytest.approx(2 / 3)}
    assert found.sentence == (
        "Ship middle: it is shown to lose at most 0.015 against the best of all, within the 0.02 that are accepted, "
        "and has the lowest latency of the cells of which that is shown, 30 ms, 67% less than large's 90. large has "
        f"the highest {METRIC}, 0.520; middle has 0.515. 1 cheaper cell remains possible; the cheapest, small, would "
        "save 67% of the latency and may lose up to 0.030."
    )
    # The more loss is accepted, the cheaper the choice; the more is known, the fewer cells remain possible.
    assert decided(CELLS, 0.01, margin=0.031).chosen == "small"
    sure = decided(CELLS, 0.001, margin=0.002)
    assert (sure.chosen, sure.cheaper) == ("large", {})
    assert sure.sentence == (
        f"Ship large: it has the highest {METRIC}, 0.520, and it is shown to lose at most 0.000 "
        "against the best of all, within the 0.002 that are accepted; its latency is 90 ms."
    )


def test_where_nothing_is_shown_the_highest_is_most_probable():
    found = decided(CELLS, 0.05)
    assert (found.chosen, found.shown, found.saved) == ("large", False, 0.0)
    # silly costs more than large, so that nobody asks whether it is possible.
    assert list(found.cheaper) == ["small", "middle"]
    assert found.sentence == (
        f"large is the most probable choice, not a shown one: it has the highest {METRIC}, 0.520, and may lose "
        "up to 0.045 against the best of all, where 0.02 is accepted. 2 cheaper cells remain possible; the cheapest, "
        "small, would save 89% of the latency and may lose up to 0.070."
    )


def test_a_thin_metric_shows_nothing():
    thin = {
        name: dataclasses.replace(one, thin=True)
        for name, one in standings(CELLS, 0.001, 0.02).items()
    }
    found = choose_cell(CELLS, METRIC, thin, 0.02, "latency_ms")
    assert (found.chosen, found.shown) == ("large", False) and decided(
        CELLS, 0.001
    ).chosen == "middle"


def test_the_best_may_be_the_cheapest():
    cells = [cell("a", 0.52, 5, 9), cell("b", 0.515, 6, 1)]
    found = decided(cells, 0.01)
    assert found.chosen == "a" and found.saved == 0 and found.cheaper == {}
    assert decided(cells, 0.01, cost="parameters").chosen == "b"


def test_ties_of_score_and_cost():
    # Of equal scores the cheaper is the best; of equal latency the smaller; then the name.
    assert highest_cell([cell("b", 0.5, 9), cell("a", 0.5, 10)], "latency_ms") == "b"
    cells = [cell("best", 0.52, 10, 9e6), cell("b", 0.515, 10, 3e6), cell("a", 0.515, 10, 3e6)]
    found = decided(cells, 0.01)
    assert found.chosen == "a" and found.saved == 0
    cells = [cell("best", 0.52, 20, 3), cell("a", 0.51, 10, 3), cell("b", 0.515, 10, 3)]
    assert decided(cells, 0.05, margin=0.1).chosen == "b"


def test_what_is_unknown_is_not_called_as_good_or_cheap():
    found = choose_cell(CELLS, METRIC, {}, 0.02, "latency_ms")
    assert (found.chosen, found.unknown) == ("large", ("small", "middle", "silly"))
    assert not found.shown and "Left aside" in found.sentence
    cells = [
        cell("best", 0.52, 90),
        cell("fast", 0.519, None),
        cell("nan", math.nan, 1),
        cell("none", None, 1),
    ]
    found = decided(cells, 0.01)
    assert found.chosen == "best" and found.unknown == ("fast", "nan", "none")
    # The best's own cost unknown: nobody is known to be cheaper.
    cells = [cell("best", 0.52, None), cell("fast", 0.519, 1)]
    found = decided(cells, 0.01)
    assert (
        found.chosen == "best"
        and found.saved is None
        and "Its latency was not measured" in found.sentence
    )
    # No latency anywhere: nothing decides, not even where parameters are known.
    cells = [cell("best", 0.52, None, 9), cell("light", 0.519, None, 3)]
    found = decided(cells, 0.01)
    assert found.chosen == "best" and "Its latency was not measured" in found.sentence
    assert decided(cells, 0.01, cost="parameters").chosen == "light"


def test_two_members_of_a_front_are_named_and_a_thousand_is_written_out():
    two = front([cell("a", 0.5, 10), cell("b", 0.4, 5)], METRIC)
    assert two.sentence == f"No cell is dominated in {METRIC}, latency: a, b."
    cells = [cell("a", 0.5, 1000), cell("b", 0.4, 2000)]
    assert decided(cells, 0.01).sentence.endswith("its latency is 1,000 ms.")


def measured(name: str, score: float, low: float, high: float, parameters: float) -> Candidate:
    return Candidate(
        name,
        score,
        {"latency_ms": (low + high) / 2, "parameters": parameters},
        spread={"latency_ms": (low, high)},
    )


def test_a_cost_whose_spread_overlaps_decides_nothing():
    # All are shown to be within the margin; the latency of fast is lowest, and only that of slow is told from it.
    cells = [
        measured("slow", 0.53, 30, 34, 10),
        measured("fast", 0.50, 20, 24, 9),
        measured("lean", 0.51, 23, 27, 5),
    ]
    within = {one.name: Standing(0.3, 0.0, 0.01, (-0.01, 0.01), "as good", True) for one in cells}
    found = choose_cell(cells, METRIC, within, 0.02, "latency_ms")
    # Fewer parameters decide between the two, whose 22 and 25 ms say nothing.
    assert (found.best, found.chosen, found.level) == (
        "slow",
        "lean",
        ("fast",),
    ) and found.cheaper == {}
    assert found.saved == pytest.approx(1 - 25 / 32)
    assert (
        "which does not tell it from that of fast: of these it has the fewest parameters"
        in found.sentence
    )
    # Told apart, the lowest latency decides; and what overlaps with the best saves nothing.
    apart = [cells[0], measured("fast", 0.50, 20, 22, 9), cells[2]]
    assert (
        choose_cell(apart, METRIC, within, 0.02, "latency_ms").chosen,
        choose_cell(apart, METRIC, within, 0.02, "latency_ms").level,
    ) == ("fast", ())
    wide = [measured("slow", 0.53, 20, 40, 10), *cells[1:]]
    assert choose_cell(wide, METRIC, within, 0.02, "latency_ms").saved is None


def test_costs_without_a_spread_are_exact():
    a, b, unknown = cell("a", 0.5, 10, 1), cell("b", 0.5, 11, 1), cell("c", 0.5, None, 1)
    assert costs_less(a, b, "latency_ms") and not costs_less(b, a, "latency_ms")
    assert not costs_less(a, b, "parameters")
    assert not costs_less(a, unknown, "latency_ms") and not costs_less(unknown, a, "latency_ms")
