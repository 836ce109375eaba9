"""The report's verdict: the choice, how sure it is, test, holes, and the verdict on each cell, from contrary data."""

from __future__ import annotations

import csv
import dataclasses
import re

import pytest
from report_cells import NAMES, Page, load_all, report
from report_judgements import METRIC, judged

from stages.report.shown_cells import page_cells, ranked_cells
from stages.report.verdicts import standing
from stages.report.verdicts.card import choice_card
from stages.report.verdicts.pairs import deciding_numbers, matrices, rival
from stages.results.cell import MeasuredCosts
from stages.verdict.holding import contradictions

R50, SWIN, PAFPN, CASCADE = NAMES
KEY = METRIC.partition("/")[2]


@pytest.fixture
def cells(tmp_path):
    return load_all(tmp_path)


def swapped(cells, split: str = "", first: str = R50, second: str = CASCADE):
    """The same cells with the numbers of two of them exchanged, on one split or on both."""
    scores = {cell.name: cell.scores for cell in cells}
    other = {first: second, second: first}
    return [
        dataclasses.replace(
            cell,
            scores={
                one: scores[
                    other.get(cell.name, cell.name) if one == split or not split else cell.name
                ][one]
                for one in cell.scores
            },
        )
        for cell in cells
    ]


def told(files: dict[str, str]) -> list[str]:
    """The words of the page and of the Markdown, the latter without its escapes."""
    return [Page(files["index.html"]).text, " ".join(files["report.md"].replace("\\", "").split())]


def places(judgement, cells) -> dict[str, standing.CellPlace]:
    return standing.places(judgement, page_cells(cells, judgement))


def forest(judgement, cells) -> standing.Forest:
    return standing.forest(judgement, places(judgement, cells))


def test_swapped_numbers_swap_the_verdict(cells, tmp_path):
    one, other = report(cells, tmp_path / "one"), report(swapped(cells), tmp_path / "two")
    for first, second in zip(told(one), told(other), strict=True):
        assert f"Ship {CASCADE}" in first and f"Ship {R50}" in second
        assert "It has the highest val mAP50, 0.261, and is shown to lose at most " in first
        assert f"{CASCADE} against {PAFPN} in val mAP50: +0.050" in first
        assert f"{R50} against {PAFPN} in val mAP50: +0.050" in second
    rows = [list(csv.DictReader(files["compare.csv"].splitlines())) for files in (one, other)]
    assert [row["against_best"] for row in rows[0]] == ["worse", "worse", "worse", "best"]
    assert [row["against_best"] for row in rows[1]] == ["best", "worse", "worse", "worse"]
    assert float(rows[0][0]["difference"]) == pytest.approx(-0.15)
    assert float(rows[0][0]["p_best"]) < 0.001 < float(rows[0][0]["expected_loss"])
    assert float(rows[0][0]["difference_low"]) < -0.15 < float(rows[0][0]["difference_high"]) < 0
    assert rows[0][0]["possible_best"] == "False" and rows[0][3]["possible_best"] == "True"
    assert re.search(
        rf"^\| {R50} \| ▼ worse -0\.150 \\\[-0\.\d+, -0\.\d+\\\] \| under 1 % \|",
        one["report.md"],
        re.M,
    )
    assert f"| {R50} (chosen) | ★ best |" in other["report.md"]
    assert re.search(
        rf"^\| {CASCADE} \| {R50} \| \+0\.150 .* \| p &lt; 0\.001 \| - \|", one["report.md"], re.M
    )
    assert f"\n| {R50} | {CASCADE} | +0.150 \\[" in other["report.md"]
    assert f"\n| {CASCADE} | {R50} |" not in other["report.md"]


def test_a_wide_interval_decides_nothing(cells, tmp_path):
    found = judged(cells, error=0.2)
    files = report(cells, tmp_path, judgement=found)
    for text in told(files):
        assert "not distinguishable. It would be decided by about 400 images instead of 48" in text
        assert (
            "0 of 6 pairs are decided in val mAP50." in text
            and "▼" not in text.split("Who beats whom")[0]
        )
    # Nobody is shown to be as good: the highest is chosen, and the cheaper ones remain possible.
    assert (
        found.choice.chosen == CASCADE and not found.choice.shown and rival(found).second == PAFPN
    )
    assert list(found.choice.cheaper) == [R50, SWIN, PAFPN]
    assert f"\n| {R50} | ? undecided -0.150" in files["report.md"]
    assert f"\n| {CASCADE} (chosen) | ★ best |" in files["report.md"]
    rows = places(found, cells)
    assert rows[CASCADE].chosen and rows[CASCADE].outcome == "best"
    assert rows[R50].outcome == "undecided" and found.standings[R50].possible_best


def test_a_difference_of_nothing_asks_for_no_number_of_images(cells):
    pair = judged(cells, error=0.2).pairs[METRIC][0]
    far = dataclasses.replace(pair, images_needed=48_001)
    assert (
        deciding_numbers(far)
        == "would not be decided by 1,000 times as many images, if the difference is what it seems"
    )
    assert deciding_numbers(dataclasses.replace(pair, images_needed=48_000)).startswith(
        "would be decided by about 48,000 images"
    )
    both = dataclasses.replace(pair, images_needed=60, repeats_needed=4)
    assert (
        "about 60 images instead of 48 or by 4 runs of each instead of 1 and 1"
        in deciding_numbers(both)
    )
    assert deciding_numbers(dataclasses.replace(pair, images_needed=None)) == ""


def test_whether_it_holds_is_said(cells, tmp_path):
    yes = report(cells, tmp_path / "yes")
    no = report(
        cells, tmp_path / "no", judgement=judged(cells, holds=False, why="Two images are too few.")
    )
    wide = judged(cells, error=0.2, holds=False, why="It may lose more.")
    probable = report(cells, tmp_path / "probable", judgement=wide)
    for name in (0, 1):
        assert (
            "the choice holds" in told(yes)[name].lower() and "does not hold" not in told(yes)[name]
        )
        assert (
            "the choice does not hold" in told(no)[name].lower()
            and "Two images are too few." in told(no)[name]
        )
        assert f"{CASCADE} is ahead, but do not ship it yet" in told(no)[name]
        assert (
            "most probable, not shown" in told(probable)[name].lower()
            and f"Ship {CASCADE}" in told(probable)[name]
        )
        assert (
            "against whichever cell is really the best; 0.01 is accepted." in told(probable)[name]
        )
    states = [
        re.search(r'id="verdict" class="(\w+)"', files["index.html"])[1]
        for files in (yes, probable, no)
    ]
    assert states == ["holds", "probable", "fails"]
    # What speaks against a choice comes before that it is not shown.
    assert (
        choice_card(dataclasses.replace(wide, obstructed=True)).ship
        == f"{CASCADE} is ahead, but do not ship it yet"
    )


def test_the_card_is_short_and_its_numbers_are_the_standings(cells):
    found = judged(cells, error=0.2)
    made = choice_card(found)
    standing = found.standings[CASCADE]
    assert list(made.points) == ["How sure", "Cost", "Test"]
    assert f"{100 * standing.p_best:.0f} % probability to be the best" in made.points["How sure"]
    assert f"expected loss {standing.expected_loss:.3f}" in made.points["How sure"]
    assert f"Also possible as the best: {PAFPN}, {SWIN} and {R50}." in made.points["How sure"]
    assert "3 cheaper cells may be good enough" in made.points["Cost"]
    least = min(found.choice.cheaper, key=lambda name: found.standings[name].loss_high)
    assert f"could lose up to {found.standings[least].loss_high:.3f}" in made.points["Cost"]
    words = sum(len(text.split()) for text in (made.ship, made.because, *made.points.values()))
    assert words < 100
    sure = choice_card(judged(cells)).points["How sure"]
    assert sure.endswith("Every other cell is ruled out as the best.")


def test_a_cheaper_cell_that_is_shown_to_be_as_good_is_chosen(cells):
    close = [
        dataclasses.replace(
            cell,
            scores=cell.scores | {"val": cell.scores["val"] | {KEY: 0.3 + place / 1000}},
            measured=MeasuredCosts({"latency_ms": 10.0 * (place + 1)}),
        )
        for place, cell in enumerate(cells)
    ]
    found = judged(close, error=0.001)
    made = choice_card(found)
    assert found.choice.chosen == R50 and made.state == "holds" and made.ship == f"Ship {R50}"
    assert made.because.startswith(
        "It is the cheapest cell that is shown to be good enough: it loses at most 0.00"
    )
    assert (
        f"Latency 10 ms, 75 % less than {CASCADE} with 40 ms; no cheaper cell may be as good."
        == made.points["Cost"]
    )


def test_costs_that_are_not_told_apart_are_not_called_higher(cells):
    """The one with the highest score is chosen; another may be as good, and its lower latency may be chance."""
    close = [
        dataclasses.replace(
            cell,
            scores=cell.scores | {"val": cell.scores["val"] | {KEY: 0.3 + place / 1000}},
            measured=MeasuredCosts({"latency_ms": 10.0 + place}),
        )
        for place, cell in enumerate(cells)
    ]
    found = judged(close, error=0.2)
    alone = dataclasses.replace(found.choice, cost="latency_ms", cheaper={})
    cost = choice_card(dataclasses.replace(found, choice=alone)).points["Cost"]
    assert "is not shown to be lower" in cost and f"{R50} (10)" in cost
    assert "no cheaper cell" not in cost


def test_holes_are_named_with_their_reason(cells, tmp_path):
    holes = {"faster_rcnn-x101-fpn-sgd-512": "it ended with an error; run `dvc repro`"}
    with_hole = told(report(cells, tmp_path / "hole", judgement=judged(cells, holes=holes)))
    whole = told(report(cells, tmp_path / "whole"))
    for one, other in zip(with_hole, whole, strict=True):
        assert (
            "Without results" in one
            and "faster_rcnn-x101-fpn-sgd-512" in one
            and "ended with an error" in one
        )
        assert "Without results" not in other and "x101" not in other


def what_test_says(judgement) -> str:
    return choice_card(judgement).points.get("Test", "")


def test_what_test_says(cells):
    agrees = what_test_says(judged(cells, error=0.01))
    assert agrees == "Agrees: test mAP50 0.087 [0.067, 0.107], the highest of 4 cells."
    contrary = what_test_says(judged(swapped(cells, "test"), error=0.01))
    assert contrary == (
        f"Contradicts it: test mAP50 0.037 [0.017, 0.057]; {R50} has 0.087, more by over the accepted "
        "0.01."
    )
    # A loss that is significant, and within what is accepted for a lower cost, is no contradiction.
    accepted = judged(swapped(cells, "test"), error=0.01, margin=0.05)
    assert (
        what_test_says(accepted).startswith("Does not contradict it: ")
        and contradictions(accepted) == []
    )
    assert what_test_says(accepted).endswith(
        "significantly more, but not shown to be so by over the accepted 0.05."
    )
    unsure = what_test_says(judged(swapped(cells, "test"), error=0.03))
    assert unsure.startswith("Does not contradict it: ") and unsure.endswith(
        "which is not significantly more."
    )
    without = [
        dataclasses.replace(cell, scores=cell.scores | {"test": dict.fromkeys(cell.scores["test"])})
        for cell in cells
    ]
    assert what_test_says(judged(without)) == f"Cannot confirm it: {CASCADE} has no test mAP50."


def test_the_best_on_the_page_is_the_one_of_the_deciding_metric(cells):
    by_map = forest(judged(swapped(cells, "val"), metric="val/bbox_mAP"), cells)
    assert by_map.metric == "val mAP" and by_map.rows[0][0] == R50


def test_one_cell_and_no_score(cells, tmp_path):
    single = judged(cells[:1])
    assert (
        choice_card(single).because
        == "It is the only cell with results: there is nothing to compare it with."
    )
    assert places(single, cells[:1])[R50].outcome == "best"
    assert [name for name, *_ in forest(single, cells[:1]).rows] == [R50]
    assert matrices(single, page_cells(cells[:1], single)) == []
    blank = [
        dataclasses.replace(
            cell, scores={split: dict.fromkeys(found) for split, found in cell.scores.items()}
        )
        for cell in cells
    ]
    nothing = judged(blank, holds=False)
    assert (
        choice_card(nothing).ship == "Nothing to ship yet"
        and choice_card(nothing).because == "No cell has a val mAP50."
    )
    assert {mark for _, mark, _ in forest(nothing, blank).rows} == {None}
    assert choice_card(nothing).points == {}
    text = Page(report(blank, tmp_path)["index.html"]).text
    assert (
        "No two cells were compared." in text
        and "No cost was measured of a cell with a val mAP50." in text
    )


def test_a_repeat_stands_with_its_cell(cells, tmp_path):
    again = dataclasses.replace(
        cells[0], name="again", run=cells[0].run | {"run_id": "r-again", "seed": 0, "fold": 2}
    )
    found = judged(cells)
    found = dataclasses.replace(found, repeats=dict(found.repeats) | {R50: (R50, "again")})
    shown = places(found, [*cells, again])
    assert (
        shown["again"].words == f"repeats {R50} with seed 0 and fold 2"
        and shown["again"].rank == shown[R50].rank
    )
    files = report([*cells, again], tmp_path, judgement=found, listed=[*NAMES, "again"])
    assert re.search(
        rf"^\| again \| repeats {R50} with seed 0 and fold 2 \|", files["report.md"], re.MULTILINE
    )
    row = list(csv.DictReader(files["compare.csv"].splitlines()))[-1]
    assert (
        row["cell"] == "again"
        and row["against_best"] == row["pareto"] == ""
        and row["val_bbox_mAP_50"]
    )


def test_cells_without_a_value_come_last(cells):
    blank = dataclasses.replace(
        cells[3], scores=cells[3].scores | {"val": dict.fromkeys(cells[3].scores["val"])}
    )
    found = judged([blank, *cells[:3]])
    assert ranked_cells(found) == [PAFPN, SWIN, R50, CASCADE]
    assert ranked_cells(found, "test/bbox_mAP_50") == [CASCADE, PAFPN, SWIN, R50]


def test_a_shown_choice_has_no_caution(cells, tmp_path):
    """Each caution stands where it belongs, and so can be missed where it does not."""
    unsure = told(report(cells, tmp_path / "unsure", judgement=judged(cells, error=0.2)))
    for caution in ("may still lose up to", "chance may do that", "not distinguishable"):
        assert all(caution in text for text in unsure)
    for text in told(report(cells, tmp_path / "sure", judgement=judged(cells, error=0.002))):
        for caution in ("may still lose up to", "chance may do that", "not distinguishable"):
            assert caution not in text.split("Definitions")[0]
