"""The section on more images: its numbers are the judgement's, and no study without shares has it."""

from __future__ import annotations

import dataclasses
import json
import re
from xml.etree import ElementTree

import pytest
from made_matrix import study_of
from report_cells import Page, load_all, report
from share_matrix import ROWS, concluded

from stages.comparison import outcomes
from stages.report.shown_cells import page_cells
from stages.report.summary import summary_json
from stages.report.verdicts.learning_curve import ShareFigure, law_text
from stages.verdict.learning_curve import Gain
from stages.verdict.wording import value


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return concluded(tmp_path_factory.mktemp("made"))


def changed(judgement, **changes):
    """The same judgement with another curve."""
    [share] = judgement.shares
    curve = dataclasses.replace(share.curve, **changes)
    return dataclasses.replace(judgement, shares=(dataclasses.replace(share, curve=curve),))


def drawn(made, judgement=None):
    cells, own = made
    judgement = judgement or own
    [share] = judgement.shares
    return ShareFigure(judgement, share, page_cells(cells, judgement))


def test_points_and_table_are_the_judgements_numbers(made):
    _, judgement = made
    [share] = judgement.shares
    figure = drawn(made)
    assert [images for _, images, *_ in figure.rows] == ["60", "120", "240", "480"]
    for line, name, score in zip(figure.rows, share.cells, share.curve.scores):
        estimate = judgement.estimates[name][judgement.metric]
        assert (line[0], line[-2]) == (name, value(score)) and score == estimate.value
        assert line[-1] == f"{value(estimate.low)} to {value(estimate.high)}"
    expected = figure.rows[-1]
    assert expected[0] == "" and expected[-2] == value(share.curve.at(480))
    images, low, high = share.curve.band[-1]
    assert images == pytest.approx(480)
    assert expected[-1] == f"{value(low)} to {value(high)}"
    assert figure.cell.short == "all of r50"
    assert figure.sentence.startswith("Twice its 240 training images are expected to give +0.")
    sentence = share.sentence.replace(judgement.metric, "val mAP50")
    assert f"row-whole: t{figure.sentence[1:]}" == sentence


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_places_follow_the_scores_and_the_logarithm_of_the_images(made, size):
    _, judgement = made
    [share] = judgement.shares
    plot = getattr(drawn(made), size)
    places = [dot.x for dot in plot.dots] + [plot.doubled.x]
    assert places[2] - places[1] == pytest.approx(places[1] - places[0], abs=0.2)
    assert places[3] - places[2] == pytest.approx(places[1] - places[0], abs=0.2)
    # The axis is linear: two scores say where all others lie.
    first, last = plot.dots[0], plot.dots[-1]
    scores = share.curve.scores
    slope = (last.y - first.y) / (scores[-1] - scores[0])

    def y(score: float) -> float:
        return first.y + slope * (score - scores[0])

    for dot in plot.dots:
        estimate = judgement.estimates[dot.name][judgement.metric]
        assert (dot.low, dot.high) == pytest.approx((y(estimate.low), y(estimate.high)), abs=0.5)
        assert plot.frame.left < dot.x < plot.frame.right and dot.low > dot.y > dot.high
    assert plot.doubled.y == pytest.approx(y(share.curve.at(480)), abs=0.5)
    rival = judgement.estimates["row-bigger"][judgement.metric].value
    assert plot.rival.y == pytest.approx(y(rival), abs=0.5)
    # The law meets where it begins to be an extrapolation, and ends in the expected point.
    meets = plot.law.rpartition("L")[2]
    assert plot.beyond.startswith(f"M{meets}L") and meets.startswith(f"{last.x:g} ")
    assert plot.beyond.endswith(f"L{plot.doubled.x:g} {plot.doubled.y:g}")


def test_the_page_and_the_text_show_the_sentence_and_the_table(made, tmp_path):
    cells, judgement = made
    files = report(cells, tmp_path / "page", judgement, listed=list(ROWS))
    page = Page(files["index.html"])
    sentence = drawn(made).sentence
    for text in (page.text, " ".join(files["report.md"].replace("\\", "").split())):
        assert "More images, or a bigger model?" in text
        assert sentence in text
        assert f"expected {'| ' * (text is not page.text)}480" in text
    assert ("section", {"id": "images"}) in page.elements
    assert ("a", {"href": "#images"}) in page.elements
    assert "| 1/4 of r50 | 60 | 30 | 450 |" in files["report.md"]
    assert "a smaller share has fewer steps" in page.text
    section = re.search(r'<section id="images">.*?</section>', files["index.html"], re.DOTALL)[0]
    whole = ElementTree.fromstring(section)
    assert len(whole.findall(".//svg[@role='img']")) == 2
    assert len(whole.findall(".//g[@data-cell]")) == 2 * 4


def test_the_summary_and_mlflow_have_the_gain_of_twice_the_images(made):
    cells, judgement = made
    [share] = judgement.shares
    gain = share.curve.doubled
    summary = json.loads(summary_json(cells, judgement))
    assert list(summary)[-4:] == [
        "more_images_cell",
        "more_images_gain",
        "more_images_low",
        "more_images_high",
    ]
    assert [summary[f"more_images_{key}"] for key in ("gain", "low", "high")] == [
        gain.value,
        gain.low,
        gain.high,
    ]
    assert summary["more_images_cell"] == share.cells[-1] == "row-whole"
    assert not any(isinstance(value, dict | list) for value in summary.values())
    metrics = outcomes.comparison_metrics(judgement)
    assert [metrics[f"more_images_{key}/row-whole"] for key in ("gain", "low", "high")] == [
        gain.value,
        gain.low,
        gain.high,
    ]
    assert (
        "by a power law through 3 shares"
        in outcomes.comparison_tags(judgement, study_of(ROWS))["more_images.1"]
    )
    assert (
        "all of r50: twice its 240 training images are expected to give +"
        in outcomes.comparison_note(judgement)
    )
    # A gain that cannot be told has its interval alone.
    useless = changed(judgement, doubled=Gain(480, 0.1, -0.5, 0.5, True))
    summary, metrics = (
        json.loads(summary_json(cells, useless)),
        outcomes.comparison_metrics(useless),
    )
    assert (summary["more_images_gain"], summary["more_images_low"]) == (None, -0.5)
    assert (
        "more_images_gain/row-whole" not in metrics and metrics["more_images_high/row-whole"] == 0.5
    )


def test_of_several_curves_the_summary_has_that_of_the_chosen_cell(made):
    cells, judgement = made
    [share] = judgement.shares
    another = dataclasses.replace(share, cells=("row-bigger",) * 3)
    both = dataclasses.replace(judgement, shares=(share, another))
    assert judgement.choice.chosen == "row-bigger"
    assert json.loads(summary_json(cells, both))["more_images_cell"] == "row-bigger"
    assert json.loads(summary_json(cells, judgement))["more_images_cell"] == "row-whole"


def test_no_shares_no_section(tmp_path):
    files = report(load_all(tmp_path), tmp_path / "page")
    page = Page(files["index.html"])
    assert "More images" not in page.text and "More images" not in files["report.md"]
    assert not [attributes for _, attributes in page.elements if attributes.get("id") == "images"]
    assert "more_images" not in files["summary.json"]


def test_a_gain_that_cannot_be_told_is_not_drawn(made, tmp_path):
    cells, judgement = made
    useless = changed(judgement, doubled=Gain(480, 0.1, -0.5, 0.5, True))
    figure = drawn(made, useless)
    assert len(figure.rows) == 3 and "" not in [name for name, *_ in figure.rows]
    for plot in (figure.wide, figure.narrow):
        assert plot.doubled is None and plot.beyond == ""
        assert [text for _, text in plot.x_ticks] == ["60", "120", "240"]
        last = max(dot.x for dot in plot.dots)
        corners = [float(point.split()[0]) for point in plot.band.strip("MZ").split("L")]
        assert max(corners) <= last + 0.1
    text = Page(report(cells, tmp_path / "page", useless, listed=list(ROWS))["index.html"]).text
    assert "expected 480" not in text


def test_labels_of_near_shares_do_not_meet(made):
    _, judgement = made
    plot = drawn(made, changed(judgement, images=(230, 235, 240))).narrow
    texts = [text for _, text in plot.x_ticks]
    assert texts[-2:] == ["240", "480"] and len(texts) < 4


def test_the_law_is_written_out(made):
    _, judgement = made
    curve = judgement.shares[0].curve
    a, b, c = curve.parameters
    assert law_text(curve) == f"score = {a:.3g} - {b:.3g} n^-{c:.2g}"
    line = dataclasses.replace(curve, parameters=(0.1, -0.02, None))
    assert law_text(line) == "score = 0.1 - 0.02 log2(n)"
