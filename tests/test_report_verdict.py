"""The report's verdict: the choice, how sure it is, test, holes, and the verdict on each cell, from contrary data."""

from __future__ import annotations

import csv
import dataclasses
import re

import pytest
from report_cells import NAMES, Page, load_all, report
from report_judgements import METRIC, judged

from stages.report.verdicts.decision import decision, rival
from stages.report.verdicts.pairs_plot import matrices
from stages.report.verdicts.standing import needed, standings

R50, SWIN, PAFPN, CASCADE = NAMES
KEY = METRIC.partition("/")[2]


@pytest.fixture
def cells(tmp_path):
    return load_all(tmp_path)


def swapped(cells, split: str = "", first: str = R50, second: str = CASCADE):
    """The same cells with the numbers of two of them exchanged, on one split or on both."""
    scores = {cell.name: cell.scores for cell in cells}
    other = {first: second, second: first}
    return [dataclasses.replace(cell, scores={
        one: scores[other.get(cell.name, cell.name) if one == split or not split else cell.name][one]
        for one in cell.scores}) for cell in cells]


def told(files: dict[str, str]) -> list[str]:
    """The words of the page and of the Markdown, the latter without its escapes."""
    return [Page(files["index.html"]).text, " ".join(files["report.md"].replace("\\", "").split())]


def runs_of(cells) -> dict[str, str]:
    return {cell.name: cell.run_id for cell in cells}


def test_swapped_numbers_swap_the_verdict(cells, tmp_path):
    one, other = report(cells, tmp_path / "one"), report(swapped(cells), tmp_path / "two")
    for first, second in zip(told(one), told(other), strict=True):
        assert f"Ship {CASCADE}: it has the highest {METRIC}, 0.261" in first
        assert f"Ship {R50}: it has the highest {METRIC}, 0.261" in second
        assert f"{CASCADE} against {PAFPN} in val mAP50: +0.050" in first
        assert f"{R50} against {PAFPN} in val mAP50: +0.050" in second
    rows = [list(csv.DictReader(files["compare.csv"].splitlines())) for files in (one, other)]
    assert [row["against_best"] for row in rows[0]] == ["worse", "worse", "worse", "best"]
    assert [row["against_best"] for row in rows[1]] == ["best", "worse", "worse", "worse"]
    assert float(rows[0][0]["difference"]) == pytest.approx(-0.15) and float(rows[0][0]["p_holm"]) < 0.001
    assert float(rows[0][0]["difference_low"]) < -0.15 < float(rows[0][0]["difference_high"])
    assert f"| {R50} | ▼ worse -0.150 \\[-0.189, -0.111\\] |" in one["report.md"]
    assert f"| {R50} (chosen) | ★ best |" in other["report.md"]
    assert f"\n| {CASCADE} | {R50} | +0.150 \\[+0.111, +0.189\\] | p &lt; 0.001 | - |" in one["report.md"]
    assert f"\n| {R50} | {CASCADE} | +0.150 \\[" in other["report.md"]
    assert f"\n| {CASCADE} | {R50} |" not in other["report.md"]


def test_a_wide_interval_decides_nothing(cells, tmp_path):
    found = judged(cells, error=0.2)
    files = report(cells, tmp_path, judgement=found)
    for text in told(files):
        assert "not distinguishable. It would be decided by about 400 images instead of 48" in text
        assert "0 of 6 pairs are decided in val mAP50." in text and "▼" not in text.split("Who beats whom")[0]
    # Nobody is shown to be as good: the highest is chosen, and the cheaper ones remain possible.
    assert found.choice.chosen == CASCADE and not found.choice.shown and rival(found) == PAFPN
    assert [possible.name for possible in found.choice.cheaper] == [R50, SWIN, PAFPN]
    assert f"\n| {R50} | ≈ not distinguishable -0.150" in files["report.md"]
    assert f"\n| {CASCADE} (chosen) | ★ best |" in files["report.md"]
    rows = {row.name: row for row in decision(found, runs_of(cells)).rows}
    assert rows[CASCADE].chosen and rows[R50].outcome == "not distinguishable" and rows[CASCADE].outcome == "best"


def test_a_difference_of_nothing_asks_for_no_number_of_images(cells):
    pair = judged(cells, error=0.2).pairs[METRIC][0]
    far = dataclasses.replace(pair, images_needed=48_001)
    assert needed(far) == "would not be decided by 1,000 times as many images, if the difference is what it seems"
    assert needed(dataclasses.replace(pair, images_needed=48_000)).startswith("would be decided by about 48,000 images")
    both = dataclasses.replace(pair, images_needed=60, repeats_needed=4)
    assert "about 60 images instead of 48 or by 4 runs of each instead of 1 and 1" in needed(both)
    assert needed(dataclasses.replace(pair, images_needed=None)) == ""


def test_whether_it_holds_is_said(cells, tmp_path):
    yes = report(cells, tmp_path / "yes")
    no = report(cells, tmp_path / "no", judgement=judged(cells, holds=False, why="Two images are too few."))
    for name in (0, 1):
        assert "The choice holds" in told(yes)[name] and "does not hold" not in told(yes)[name]
        assert "The choice does not hold" in told(no)[name] and "Two images are too few." in told(no)[name]
        assert "The choice holds" not in told(no)[name]
    assert 'class="holds"' in yes["index.html"] and 'class="fails"' in no["index.html"]


def test_holes_are_named_with_their_reason(cells, tmp_path):
    holes = {"faster_rcnn-x101-fpn-sgd-512": "it ended with an error; run `dvc repro`"}
    with_hole = told(report(cells, tmp_path / "hole", judgement=judged(cells, holes=holes)))
    whole = told(report(cells, tmp_path / "whole"))
    for one, other in zip(with_hole, whole, strict=True):
        assert "Without results" in one and "faster_rcnn-x101-fpn-sgd-512" in one and "ended with an error" in one
        assert "Without results" not in other and "x101" not in other


def test_what_test_says(cells):
    agrees = decision(judged(cells, error=0.01), {}).test
    assert agrees == (f"Test agrees: {CASCADE} has a test mAP50 of 0.087, 95 % interval 0.067 to 0.107 (240 boxes, "
                      "48 images), the highest of 4 cells; 2 of the 3 others are significantly worse there.",)
    two = decision(judged(cells[2:], error=0.01), {}).test[0]
    assert two.endswith("the highest of 2 cells; the other one is not significantly worse there.")
    contrary = decision(judged(swapped(cells, "test"), error=0.01), {}).test
    assert contrary[0].startswith(f"Test contradicts it: there {R50} has the highest test mAP50, 0.087. {CASCADE} "
                                  f"against {R50} in test mAP50: -0.050, 95 % interval -0.070 to -0.030")
    unsure = decision(judged(swapped(cells, "test"), error=0.03), {}).test
    assert unsure[0].startswith(f"Test does not contradict it: there {R50} has the highest")
    without = [dataclasses.replace(cell, scores=cell.scores | {"test": dict.fromkeys(cell.scores["test"])})
               for cell in cells]
    assert decision(judged(without), {}).test == (f"Test cannot confirm it: {CASCADE} has no test mAP50.",)


def test_the_best_on_the_page_is_the_one_of_the_deciding_metric(cells):
    by_map = judged(swapped(cells, "val"), metric="val/bbox_mAP")
    assert decision(by_map, {}).metric == "val mAP" and decision(by_map, {}).rows[0].name == R50


def test_one_cell_and_no_score(cells, tmp_path):
    alone = decision(judged(cells[:1]), {})
    assert "there is no other cell to weigh it against" in alone.sentence and alone.sure == ()
    assert [row.outcome for row in alone.rows] == ["best"] and matrices(judged(cells[:1]), {}) == ()
    blank = [dataclasses.replace(cell, scores={split: dict.fromkeys(found) for split, found in cell.scores.items()})
             for cell in cells]
    nothing = decision(judged(blank), {})
    assert nothing.sentence == f"Nothing to choose: no cell has a {METRIC}." and nothing.test == ()
    assert {row.mark for row in nothing.rows} == {None} and nothing.sure == ("No pair of cells could be compared.",)
    text = Page(report(blank, tmp_path)["index.html"]).text
    assert "No two cells were compared." in text and "No cost was measured of a cell with a val mAP50." in text


def test_a_repeat_stands_with_its_cell(cells, tmp_path):
    again = dataclasses.replace(cells[0], name="again", run=cells[0].run | {"run_id": "r-again", "seed": 0, "fold": 2})
    found = judged(cells)
    found = dataclasses.replace(found, repeats=dict(found.repeats) | {R50: (R50, "again")})
    shown = standings(found, [*cells, again])
    assert shown["again"].words == f"repeats {R50} with seed 0 and fold 2" and shown["again"].rank == shown[R50].rank
    files = report([*cells, again], tmp_path, judgement=found, listed=[*NAMES, "again"])
    assert re.search(rf"^\| again \| repeats {R50} with seed 0 and fold 2 \|", files["report.md"], re.MULTILINE)
    row = list(csv.DictReader(files["compare.csv"].splitlines()))[-1]
    assert row["cell"] == "again" and row["against_best"] == row["pareto"] == "" and row["val_bbox_mAP_50"]


def test_the_square_of_pairs_is_antisymmetric_and_says_all(cells):
    found = judged(cells)
    square, *others = matrices(found, runs_of(cells))
    assert [one.label for one in (square, *others)] == ["val mAP50", "test mAP50"]
    assert square.names == tuple(reversed(NAMES)) and others[0].names == square.names
    contrary = {"better": "worse", "worse": "better", "not distinguishable": "not distinguishable"}
    for i, row in enumerate(square.rows):
        assert row[i] is None
        for j, one in enumerate(row):
            if i != j:
                assert one.outcome == contrary[square.rows[j][i].outcome] and one.shade == square.rows[j][i].shade
                assert float(one.text) == -float(square.rows[j][i].text)
    top = square.rows[0][3]
    assert top.shade == 100 and top.outcome == "better" and top.symbol == "▲" and top.confounded is False
    assert top.title.splitlines()[:2] == [f"{CASCADE} against {R50}: better",
                                          "val/bbox_mAP_50: +0.150, 95 % interval +0.111 to +0.189 (240 boxes, "
                                          "48 images)"]
    assert "after Holm's correction over 6 pairs" in top.title and "runs run3abcdef and run0abcdef" in top.title
    assert "would be decided by about 400 images instead of 48" in matrices(judged(cells, 0.2), {})[0].rows[0][1].title


def test_published_coco_numbers_stand_at_any_scale_and_say_what_they_are(cells, tmp_path):
    for scale in ("miniature", "full"):
        for text in told(report(cells, tmp_path / scale, scale=scale)):
            assert "Published, on COCO, not comparable" in text
            for number in ("37.4", "21.4", "37.5", "17.2", "41.2"):
                assert number in text


def test_no_false_caution_is_left(cells, tmp_path):
    for text in told(report(cells, tmp_path)):
        assert "no confidence interval yet" not in text and "may be chance" not in text
