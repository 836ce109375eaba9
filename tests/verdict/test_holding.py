"""Whether a choice may be acted on: each obstacle, and each sentence on what it rests, with its contrary."""

from __future__ import annotations

import dataclasses

import pytest
from report_cells import NAMES, load_all
from report_judgements import METRIC, judged

from stages.verdict import holding
from stages.verdict.fairness import compare_settings
from stages.verdict.settings import Settings

R50, SWIN, PAFPN, CASCADE = NAMES
NOTHING = ({"val": (), "test": ()}, {"cpu"}, {}, {})


def holds(judgement, elsewhere, machines, busy, uneven):
    against = holding.obstacles(judgement, elsewhere, busy)
    return holding.holds(judgement, against, machines, busy, uneven)


@pytest.fixture
def cells(tmp_path):
    return load_all(tmp_path)


def sure(cells, **changes):
    """CASCADE is the highest by far, R50 the lowest."""
    return judged(cells, error=0.002, **changes)


def of_middle(cells):
    """PAFPN is chosen: the cheapest that is shown to be within .06 of CASCADE."""
    return judged(cells, error=0.002, margin=0.06)


def test_what_is_shown_holds_and_says_on_what_it_rests(cells):
    yes, why = holds(sure(cells), *NOTHING)
    assert yes and why.startswith(
        f"{CASCADE} is shown to lose at most 0.000 against the best of all, where 0.01 is accepted. The choice rests "
        f"on 240 boxes of 48 images of val and on 3 verdicts against {CASCADE}. "
    )
    yes, why = holds(of_middle(cells), *NOTHING)
    assert (
        yes
        and f"3 verdicts against {CASCADE}; {PAFPN} differs from it by -0.050 (simultaneous 95 %"
        in why
    )
    assert (
        f"On the test split {PAFPN} is significantly worse than {CASCADE}, by -0.017 (95 % interval"
        in why
    )


def test_what_is_not_shown_is_most_probable(cells):
    found = judged(cells, error=0.05)
    yes, why = holds(found, *NOTHING)
    assert not yes and why == (
        f"Most probable, not shown: {CASCADE} may lose up to {found.standings[CASCADE].loss_high:.3f} of {METRIC} "
        f"against the best of all, where 0.01 is accepted; about {found.standings[CASCADE].images_needed} images would "
        "decide it."
    )
    standing = dataclasses.replace(found.standings[CASCADE], images_needed=None, repeats_needed=5)
    repeats = dataclasses.replace(found, standings={**found.standings, CASCADE: standing})
    assert holds(repeats, *NOTHING)[1].endswith(
        "where 0.01 is accepted; about 5 repeats would decide it."
    )
    neither = dataclasses.replace(
        found,
        standings={**found.standings, CASCADE: dataclasses.replace(standing, repeats_needed=None)},
    )
    assert holds(neither, *NOTHING)[1].endswith("where 0.01 is accepted.")


def test_a_margin_that_a_blind_detector_would_pass_does_not_hold(cells):
    found = sure(cells)
    highest = found.estimates[CASCADE][METRIC].value
    yes, why = holds(dataclasses.replace(found, margin=highest), *NOTHING)
    assert not yes and "a detector that finds nothing would pass" in why
    assert holds(dataclasses.replace(found, margin=highest - 0.001), *NOTHING)[0]


def test_obstacles_are_all_named(cells):
    thin = dataclasses.replace(sure(cells).estimates[CASCADE][METRIC], boxes=99, thin=True)
    estimates = {**sure(cells).estimates, CASCADE: {**sure(cells).estimates[CASCADE], METRIC: thin}}
    pairs = {
        **sure(cells).pairs,
        METRIC: tuple(
            pair for pair in sure(cells).pairs[METRIC] if R50 not in (pair.first, pair.second)
        ),
    }
    yes, why = holds(
        sure(cells, estimates=estimates, pairs=pairs),
        {"val": (R50,), "test": (R50, SWIN)},
        {"cpu"},
        {},
        {},
    )
    assert not yes and why == (
        f"The choice does not hold: {R50} was evaluated on other val annotations than the others; {R50} and {SWIN} "
        f"were evaluated on other test annotations than the others; there is no verdict on {R50} against {CASCADE} in "
        f"{METRIC}; {METRIC} rests on 99 boxes, which are too few to decide."
    )


def test_test_contradicts(cells):
    def with_test(error: float, boxes: int = 240):
        found = of_middle(cells)
        turned = judged(cells, error=error).pairs["test/" + METRIC.partition("/")[2]]
        pairs = [
            dataclasses.replace(
                pair, difference=dataclasses.replace(pair.difference, boxes=boxes, thin=boxes < 100)
            )
            for pair in turned
        ]
        return holds(
            dataclasses.replace(found, pairs={**found.pairs, "test/bbox_mAP_50": tuple(pairs)}),
            *NOTHING,
        )

    # .017 lower there: of the .06 that were accepted.
    within, why = with_test(0.001)
    assert (
        within
        and f"On the test split {PAFPN} is significantly worse than {CASCADE}, by -0.017" in why
    )
    small = dataclasses.replace(of_middle(cells), margin=0.01)
    contrary, why = holds(small, *NOTHING)
    assert (
        not contrary
        and f"on the test split {PAFPN} loses more than 0.01 against {CASCADE}, -0.017 (95 %" in why
    )
    # Also where the best is chosen: another cell is better by more than the margin on test.
    beaten = sure(cells)
    turned = tuple(
        pair.swapped() if pair.second == CASCADE else pair
        for pair in beaten.pairs["test/bbox_mAP_50"]
    )
    flipped = [dataclasses.replace(pair, first=pair.second, second=pair.first) for pair in turned]
    contrary, why = holds(
        dataclasses.replace(beaten, pairs={**beaten.pairs, "test/bbox_mAP_50": tuple(flipped)}),
        *NOTHING,
    )
    assert not contrary and why.count(f"{CASCADE} loses more than 0.01 against") == 3
    silent, why = with_test(0.02)
    assert (
        silent
        and f"On the test split {PAFPN} is not distinguishable from {CASCADE}, by -0.0" in why
    )
    assert (
        "too few to decide" not in why
        and ", on 50 boxes, too few to decide." in with_test(0.02, 50)[1]
    )


def test_one_cell_and_no_score(cells):
    assert holds(judged(cells[:1]), *NOTHING) == (
        False,
        f"The choice does not hold: {NAMES[0]} is the only cell with results.",
    )
    blank = [
        dataclasses.replace(
            cell, scores={split: dict.fromkeys(found) for split, found in cell.scores.items()}
        )
        for cell in cells
    ]
    assert holds(judged(blank), *NOTHING) == (
        False,
        f"The choice does not hold: no cell has a {METRIC}.",
    )


def test_confounding_is_told_of_the_choice_or_of_the_best(cells):
    fair = {
        pair: compare_settings(
            Settings(pair[0], {"batch_size": 4}), Settings(pair[1], {"batch_size": 4}), []
        )
        for pair in sure(cells).fairness
    }
    unfair = {
        pair: compare_settings(
            Settings(pair[0], {"batch_size": 4, "lr_per_sample": 1.0}),
            Settings(pair[1], {"batch_size": 8, "lr_per_sample": 1.0}),
            [],
        )
        for pair in fair
    }
    assert "confounded" not in holds(sure(cells, fairness=fair), *NOTHING)[1]
    two = {
        **fair,
        (CASCADE, R50): unfair[CASCADE, R50],
        (CASCADE, SWIN): unfair[CASCADE, SWIN],
        (R50, SWIN): unfair[R50, SWIN],
    }
    assert (
        "Of its 3 comparisons 2 are confounded, by batch size."
        in holds(sure(cells, fairness=two), *NOTHING)[1]
    )
    single = {**fair, (CASCADE, R50): unfair[CASCADE, R50]}
    assert (
        "Of its 3 comparisons 1 is confounded, by batch size."
        in holds(sure(cells, fairness=single), *NOTHING)[1]
    )
    # Another cell is chosen: only its comparison with the best counts.
    middle = dataclasses.replace(of_middle(cells), fairness=two)
    assert "confounded" not in holds(middle, *NOTHING)[1]
    middle = dataclasses.replace(
        middle, fairness={**fair, (PAFPN, CASCADE): unfair[PAFPN, CASCADE]}
    )
    assert (
        f"{PAFPN} against {CASCADE} is confounded: they also differ in batch size."
        in holds(middle, *NOTHING)[1]
    )


def test_a_single_training_is_told(cells):
    assert (
        f"{CASCADE} was trained once: another seed may say otherwise."
        in holds(sure(cells), *NOTHING)[1]
    )
    middle = of_middle(cells)
    assert (
        f"{PAFPN} and {CASCADE} were trained once: another seed may say otherwise."
        in holds(middle, *NOTHING)[1]
    )
    repeated = dataclasses.replace(
        middle, repeats={**middle.repeats, PAFPN: (PAFPN, "again"), CASCADE: (CASCADE, "too")}
    )
    assert "trained once" not in holds(repeated, *NOTHING)[1]
    uneven = holds(repeated, {}, {"cpu"}, {}, {PAFPN: ("code", "data")})[1]
    assert f"The repeats of {PAFPN} also differ in code, data." in uneven


def with_cost(found, cost: str):
    return dataclasses.replace(found, choice=dataclasses.replace(found.choice, cost=cost))


@pytest.mark.parametrize(
    ("cost", "told"),
    [
        ("latency_ms", True),
        ("peak_memory_mib", True),
        ("train_minutes", True),
        ("parameters", False),
        ("size_mib", False),
    ],
)
def test_other_machines_matter_to_what_a_machine_changes(cells, cost, told):
    found = with_cost(sure(cells), cost)
    two = holds(found, {}, {"b with 1 threads", "a with 2 threads"}, {}, {})[1]
    assert (
        "was measured on different machines: a with 2 threads; b with 1 threads." in two
    ) == told
    assert "different machines" not in holds(found, {}, {"a with 2 threads"}, {}, {})[1]


def test_a_busy_machine_and_holes_are_told(cells):
    found = with_cost(sure(cells, holes={"a": "x"}), "latency_ms")
    shares = {R50: 0.3, SWIN: 0.35, PAFPN: 0.28}
    why = holds(found, {}, {"cpu"}, shares, {})[1]
    assert (
        f"The latency of {R50}, {SWIN} and {PAFPN} was measured while other processes used up to 35% of the"
        in why
        and "1 selected row has no results: a." in why
    )
    assert "other processes" not in holds(with_cost(found, "size_mib"), {}, {"cpu"}, shares, {})[1]
    names = list("abcdef")
    for number, listed in (
        (2, "a and b"),
        (4, "a, b, c and d"),
        (5, "a, b, c, d and 1 more"),
        (6, "a, b, c, d and 2 more"),
    ):
        holes = dict.fromkeys(names[:number], "x")
        assert (
            f"{number} selected rows have no results: {listed}."
            in holds(sure(cells, holes=holes), *NOTHING)[1]
        )


def test_latencies_under_unequal_load_decide_nothing(cells):
    found = with_cost(sure(cells), "latency_ms")
    held, why = holds(found, {}, {"cpu"}, {R50: 0.05, SWIN: 0.7, PAFPN: 0.05}, {})
    assert not held and f"5% of the machine beside {R50} and 70% beside {SWIN}; `make costs`" in why
    # What a load changes is no matter to a cost that it does not change.
    assert holds(with_cost(sure(cells), "parameters"), {}, {"cpu"}, {R50: 0.05, SWIN: 0.7}, {})[0]
