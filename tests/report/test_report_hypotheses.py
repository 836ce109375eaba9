"""Hypotheses on the report: outcome, sentence and intervals of each claim, from fitting and contrary numbers."""

from __future__ import annotations

import dataclasses

import pytest
from report_cells import NAMES, Page, load_all, report
from report_judgements import judged

from stages.report.drawing import axis_of
from stages.report.verdicts import hypotheses
from stages.study.params import Hypothesis

R50, SWIN, PAFPN, CASCADE = NAMES
LARGER = Hypothesis("A larger backbone raises mAP", "r50 < swin_l", {"detector": "faster_rcnn"})
SMALLER = Hypothesis("A smaller backbone raises mAP", "swin_l < r50", {"detector": "faster_rcnn"})
BEYOND = Hypothesis("It gains over .02", "swin_l - r50 > 0.02", {"detector": "faster_rcnn"})
LOSS = Hypothesis("It fits better", "swin_l < r50", {"detector": "faster_rcnn"}, "train/loss")
ABSENT = Hypothesis("ResNet-101 is better", "r50 < r101", {"detector": "faster_rcnn"})


@pytest.fixture
def cells(tmp_path):
    return load_all(tmp_path)


def card(cells, claim: Hypothesis, error: float = 0.02):
    judgement = judged(cells, error, stated=(claim,))
    return hypotheses.hypothesis_card(judgement.findings[0], judgement)


def test_the_same_numbers_support_a_claim_and_reject_its_contrary(cells, tmp_path):
    for claim, outcome, symbol in ((LARGER, "supported", "✓"), (SMALLER, "rejected", "✗")):
        files = report(cells, tmp_path / outcome, judgement=judged(cells, stated=(claim,)))
        text = Page(files["index.html"]).text
        assert f"{symbol} {outcome} {claim.claim}" in text and f"1 hypothesis: 1 {outcome}." in text
        assert (
            "The only comparison is for it."
            if claim is LARGER
            else "The only comparison is against it."
        ) in text
        assert (
            f"val mAP50, {'swin_l less r50' if claim is LARGER else 'r50 less swin_l'}: "
            in files["report.md"]
        )
        assert f"| {claim.claim} | {symbol} **{outcome}** |" in files["report.md"]
        runs = "run0abcdef, run1abcdef" if claim is LARGER else "run1abcdef, run0abcdef"
        assert f"| {runs} |" in files["report.md"] and "run1abcdef" in text


def test_a_card_says_which_cells_may_be_undertrained(cells):
    """r50 is made the larger model; it scores lower than swin_l."""
    sized = []
    for cell in cells:
        parameters = {R50: 200, SWIN: 100}.get(cell.name, cell.parameters)
        loss = {R50: 1.5, SWIN: 1.25}.get(cell.name, cell.train_loss)
        sized.append(dataclasses.replace(cell, parameters=parameters, train_loss=loss))
    said = card(sized, LARGER).sentence
    assert "its train loss is no lower (1.500 with r50 against 1.250 with swin_l). " in said
    assert said.endswith("more epochs or another learning rate may turn that around.")
    assert "undertrained" not in card(cells, LARGER).sentence


def test_the_claimed_side_is_the_right_one(cells):
    """r50 has .111, swin_l .161: what is drawn has the sign of the claim."""
    for claim, sign, levels in ((LARGER, 1, ("swin_l", "r50")), (SMALLER, -1, ("r50", "swin_l"))):
        plot = card(cells, claim).plots[0]
        row = plot.rows[0]
        assert row.evidence.levels == levels and plot.wants == "right of 0" and plot.bound is None
        assert sign * (row.mark.at - plot.axis.at(0)) > 0
        assert row.mark.low < row.mark.at < row.mark.high
        assert (row.text, row.p) == (
            ("+0.050 [+0.010, +0.090]", "p = 0.016")
            if sign > 0
            else ("-0.050 [-0.090, -0.010]", "p = 0.016")
        )
        names = (SWIN, R50) if sign > 0 else (R50, SWIN)
        assert row.title.startswith(f"val mAP50: {names[0]} less {names[1]}\n")
        assert f"{R50}: run run0abcdef" in row.title and f"{SWIN}: run run1abcdef" in row.title


def test_all_undecided_is_said(cells, tmp_path):
    found = judged(cells, error=0.2, stated=(LARGER, SMALLER, BEYOND))
    text = Page(report(cells, tmp_path, judgement=found)["index.html"]).text
    assert (
        "3 hypotheses: 3 undecided." in text
        and "✓ supported" not in text
        and "✗ rejected" not in text
    )
    assert (
        text.count("the two cannot be distinguished") >= 2
        and "the interval holds the bound 0.02" in text
    )


def test_a_bound_is_drawn_and_decides(cells):
    above = card(cells, BEYOND, error=0.01)
    assert above.outcome == "supported" and above.plots[0].wants == "above 0.02"
    row, plot = above.plots[0].rows[0], above.plots[0]
    assert plot.axis.at(0) < plot.bound < row.mark.low
    assert (
        card(cells, dataclasses.replace(BEYOND, holds="swin_l - r50 > 0.1"), error=0.01).outcome
        == "rejected"
    )
    below = card(cells, dataclasses.replace(BEYOND, holds="swin_l - r50 < 0.02"), error=0.01)
    assert below.outcome == "rejected" and below.plots[0].wants == "below 0.02"


def test_one_loss_each_is_a_point_without_interval(cells):
    row = card(cells, LOSS).plots[0].rows[0]
    assert (
        row.evidence.outcome == "undecided"
        and row.mark.low is None
        and "one training each" in row.evidence.reason
        and row.p == ""
    )
    assert row.text == "-0.096"


def test_missing_cells_and_values(cells):
    absent = card(cells, ABSENT)
    assert absent.outcome == "undecided" and absent.plots == () and absent.cells == ()
    assert "No cell is trained for faster_rcnn, r101, fpn, sgd, 512" in absent.sentence
    blank = [
        dataclasses.replace(
            cells[0],
            scores={split: dict.fromkeys(known) for split, known in cells[0].scores.items()},
        ),
        *cells[1:],
    ]
    row = card(blank, LARGER).plots[0].rows[0]
    assert row.mark is None and row.text == "nothing to measure"


def test_confounders_stand_beside_the_pair(cells, tmp_path):
    longer = [
        dataclasses.replace(cell, run=cell.run | {"epochs": 3 + (cell.name == SWIN)})
        for cell in cells
    ]
    row = card(longer, LARGER).plots[0].rows[0]
    assert (
        row.evidence.confounders == ("length of training",)
        and "confounded by length of training" in row.title
    )
    text = Page(
        report(longer, tmp_path / "one", judgement=judged(longer, stated=(LARGER,)))["index.html"]
    ).text
    assert "confounded by length of training" in text and "1 rests on confounded pairs." in text
    fair = Page(
        report(cells, tmp_path / "two", judgement=judged(cells, stated=(LARGER,)))["index.html"]
    ).text
    assert "confounded by length" not in fair and "rests on confounded" not in fair


def test_no_hypothesis():
    assert hypotheses.hypotheses_tally(()) == "params.yaml states no hypothesis."


@pytest.mark.parametrize("values", [[], [0.0], [0.3], [-0.4, -0.1], [-1e-4, 2e-4], [-0.3, 0.9]])
def test_an_axis_holds_zero_its_values_and_some_ticks(values):
    axis = axis_of(values)
    assert axis.low < 0 < axis.high and all(0 < axis.at(value) < 100 for value in values)
    assert "0" in [text for _, text in axis.ticks] and 2 <= len(axis.ticks) <= 7
    assert [at for at, _ in axis.ticks] == sorted({at for at, _ in axis.ticks})
    assert axis.mark(0.0).low is None and axis.mark(5.0).at == 100
