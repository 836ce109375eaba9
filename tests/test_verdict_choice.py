"""The Pareto front and the cheapest cell that is as good as the best, on made-up and on random cells."""

from __future__ import annotations

import math
import random

import pytest

from stages.verdict.choice import COSTS, Candidate, choose, front
from stages.verdict.hypotheses import Verdict

METRIC = "val/bbox_mAP_50"


def cell(name: str, score: float | None, latency: float | None = None, parameters: float | None = None, **costs):
    return Candidate(name, score, {"latency_ms": latency, "parameters": parameters, **costs}, f"run-{name}")


def verdicts(cells, half: float):
    """Worse or better beyond `half`; the interval is the difference +- half."""
    scores = {one.name: one.score for one in cells}

    def verdict(a: str, b: str, metric: str) -> Verdict:
        assert metric == METRIC
        difference = scores[a] - scores[b]
        outcome = "better" if difference > half else "worse" if difference < -half else "not distinguishable"
        return Verdict(outcome, difference, difference - half, difference + half, 0.5)
    return verdict


CELLS = [cell("small", 0.50, 10, 1e6), cell("middle", 0.515, 30, 3e6), cell("large", 0.52, 90, 9e6),
         cell("silly", 0.49, 95, 9e6)]


def test_the_front_names_who_dominates_whom():
    found = front(CELLS, METRIC)
    assert found.members == ("large", "middle", "small") and found.costs == ("latency_ms", "parameters")
    assert [(one.name, one.by) for one in found.dominated] == [("silly", ("large", "middle", "small"))]
    assert found.sentence == (f"On the Pareto front of {METRIC}, latency, number of parameters: large, middle, small. "
                              "Dominated: silly by large, middle, small.")
    # Contrary data: what was dominated becomes the only member.
    other = front([*CELLS[:3], cell("silly", 0.6, 5, 1e5)], METRIC)
    assert other.members == ("silly",) and len(other.dominated) == 3
    assert other.sentence.startswith("silly dominates every other cell in") and "large, middle, small" in other.sentence
    assert front(CELLS[:3], METRIC).sentence.startswith("No cell is dominated in")


def test_a_cell_whose_interval_lies_below_0_is_not_as_good_though_the_correction_spares_it():
    def spared(a: str, b: str, metric: str) -> Verdict:
        one = verdicts(CELLS, 0.01)(a, b, metric)
        return Verdict("not distinguishable", one.difference, one.low, one.high, 0.9)

    found = choose(CELLS, METRIC, spared)
    assert found.chosen == "middle" and set(found.worse) == {"small", "silly"}
    assert choose(CELLS, METRIC, verdicts(CELLS, 0.025)).chosen == "small"


def test_ties_dominate_nobody():
    assert front([cell("a", 0.5, 10), cell("b", 0.5, 10)], METRIC).members == ("a", "b")
    found = front([cell("a", 0.5, 10), cell("b", 0.5, 10), cell("c", 0.5, 11)], METRIC)
    assert found.members == ("a", "b") and found.dominated[0].by == ("a", "b")


def test_an_unmeasured_cost_places_nobody():
    found = front([cell("a", 0.5, 10, 1), cell("b", 0.4, None, 2), cell("c", 0.1, 20, 3), cell("d", math.nan, 1, 1)],
                  METRIC)
    assert found.members == ("a",) and [one.name for one in found.dominated] == ["c"]
    assert [(one.name, one.lacks) for one in found.incomplete] == [("b", ("latency_ms",)), ("d", ("score",))]
    assert found.sentence.endswith("Not placed: b lacks latency; d lacks score.")
    assert front([cell("a", 0.5), cell("b", 0.4)], METRIC).costs == ()
    assert front([cell("a", 0.5), cell("b", 0.4)], METRIC).members == ("a",)
    assert front([cell("a", 0.5, math.inf)], METRIC).costs == ()


def test_one_cell_and_none():
    assert front([cell("a", 0.5, 10)], METRIC).sentence.startswith("a is alone")
    assert front([], METRIC).sentence == front([cell("a", None)], METRIC).sentence.split(". ")[0] + "."
    assert choose([], METRIC).sentence == f"Nothing to choose: no cell has a {METRIC}."
    only = choose([cell("a", 0.5, 10)], METRIC)
    assert (only.best, only.chosen) == ("a", "a") and "no other cell to weigh it against" in only.sentence


@pytest.mark.parametrize("seed", range(40))
def test_no_member_is_dominated_and_every_other_cell_is_by_a_member(seed):
    draw = random.Random(seed)
    # Few values, so that ties are common.
    cells = [Candidate(f"c{i}", draw.choice([None, *range(5)]) if draw.random() < 0.3 else draw.randrange(5),
                       {key: draw.choice([1.0, 2.0, 3.0, math.nan if draw.random() < 0.1 else 4.0]) for key in COSTS})
             for i in range(draw.randrange(1, 14))]
    costs = draw.sample(sorted(COSTS), draw.randrange(0, 4))
    found = front(cells, METRIC, costs)
    named = {one.name: one for one in cells}

    def dominates(a: Candidate, b: Candidate) -> bool:
        no_worse = a.score >= b.score and all(a.costs[key] <= b.costs[key] for key in found.costs)
        return no_worse and (a.score > b.score or any(a.costs[key] < b.costs[key] for key in found.costs))

    placed = [*found.members, *(one.name for one in found.dominated)]
    assert sorted([*placed, *(one.name for one in found.incomplete)]) == sorted(named)
    for member in found.members:
        assert not any(dominates(named[other], named[member]) for other in placed)
    for one in found.dominated:
        assert one.by and set(one.by) <= set(found.members)
        assert set(one.by) == {name for name in found.members if dominates(named[name], named[one.name])}


def test_the_cheapest_that_is_not_significantly_worse():
    found = choose(CELLS, METRIC, verdicts(CELLS, 0.01))
    assert (found.best, found.chosen, found.cost) == ("large", "middle", "latency_ms")
    assert found.as_good == ("middle", "large") and found.worse == ("small", "silly")
    assert found.saved == pytest.approx(2 / 3)
    assert found.sentence == (
        "Ship middle: of the 2 cells that are not significantly worse than the best it has the lowest latency, 30 ms, "
        f"67% less than large's 90. large has the highest {METRIC}, 0.520; middle has 0.515.")
    # The less is known, the cheaper the choice; the more is known, the nearer to the best.
    assert choose(CELLS, METRIC, verdicts(CELLS, 0.05)).chosen == "small"
    sure = choose(CELLS, METRIC, verdicts(CELLS, 0.001))
    assert (sure.chosen, sure.as_good) == ("large", ("large",))
    assert sure.sentence == (f"Ship large: it has the highest {METRIC}, 0.520, and all 3 others are significantly "
                             "worse; its latency is 90 ms.")


def test_the_best_may_be_the_cheapest():
    cells = [cell("a", 0.52, 5, 9), cell("b", 0.515, 6, 1)]
    found = choose(cells, METRIC, verdicts(cells, 0.01))
    assert found.chosen == "a" and "none of the 2 cells that are not significantly worse has a lower latency" \
        in found.sentence
    assert choose(cells, METRIC, verdicts(cells, 0.01), cost="parameters").chosen == "b"


def test_ties_of_score_and_cost():
    # Of equal scores the cheaper is the best; of equal latency the smaller; then the name.
    assert choose([cell("b", 0.5, 9), cell("a", 0.5, 10)], METRIC).best == "b"
    cells = [cell("best", 0.52, 10, 9e6), cell("b", 0.515, 10, 3e6), cell("a", 0.515, 10, 3e6)]
    found = choose(cells, METRIC, verdicts(cells, 0.01))
    assert found.as_good == ("a", "b", "best") and found.chosen == "a" and found.saved == 0
    cells = [cell("best", 0.52, 20, 3), cell("a", 0.51, 10, 3), cell("b", 0.515, 10, 3)]
    assert choose(cells, METRIC, verdicts(cells, 0.05)).as_good == ("b", "a", "best")
    assert "10 ms, against best's 10, with fewer parameters" in found.sentence


def test_what_is_unknown_is_not_called_as_good_or_cheap():
    found = choose(CELLS, METRIC)
    assert (found.chosen, found.as_good, found.unknown) == ("large", ("large",), ("small", "middle", "silly"))
    assert "Left aside" in found.sentence and "significantly" not in found.sentence
    cells = [cell("best", 0.52, 90), cell("fast", 0.519, None), cell("nan", math.nan, 1), cell("none", None, 1)]
    found = choose(cells, METRIC, verdicts(cells, 0.01))
    assert found.chosen == "best" and found.unknown == ("fast", "nan", "none")
    # The best's own cost unknown: nobody is known to be cheaper.
    cells = [cell("best", 0.52, None), cell("fast", 0.519, 1)]
    found = choose(cells, METRIC, verdicts(cells, 0.01))
    assert found.chosen == "best" and found.saved is None and "no cell is known to be cheaper" in found.sentence
    # No latency anywhere: parameters decide; no cost at all: nothing does.
    cells = [cell("best", 0.52, None, 9), cell("light", 0.519, None, 3)]
    assert choose(cells, METRIC, verdicts(cells, 0.01)).chosen == "light"
    cells = [cell("best", 0.52), cell("other", 0.519)]
    found = choose(cells, METRIC, verdicts(cells, 0.01))
    assert (found.chosen, found.cost) == ("best", None) and "its cost was not measured" in found.sentence


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match=r"cost 'price' is unknown; known costs: latency_ms"):
        front(CELLS, METRIC, ["price"])
    with pytest.raises(ValueError, match="two candidates are called 'small'"):
        choose([CELLS[0], CELLS[0]], METRIC)
