"""The section on more images: its numbers are the judgement's, and no study without shares has it."""

from __future__ import annotations

import dataclasses
import re
from xml.etree import ElementTree

import pytest
from made_matrix import load, row, study_of, write_cell, write_truth
from report_cells import Page, load_all, report

from stages.report.looks import looks_of
from stages.report.verdicts.learning_curve import figures, law_text
from stages.verdict.learning_curve import Gain
from stages.verdict.matrix import conclude
from stages.verdict.wording import value

ROWS = {
    "row-quarter": row("r50", train_share=0.25),
    "row-half": row("r50", train_share=0.5),
    "row-whole": row("r50"),
    "row-bigger": row("r101"),
}
MADE = {
    "row-quarter": (60, 0.4),
    "row-half": (120, 0.6),
    "row-whole": (240, 0.75),
    "row-bigger": (240, 0.85),
}
NAMES = {
    "row-quarter": "1/4 of r50",
    "row-half": "1/2 of r50",
    "row-whole": "all of r50",
    "row-bigger": "r101",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The cells, and the judgement of them, which finds the four rows' curve."""
    root = tmp_path_factory.mktemp("made")
    for split in ("val", "test"):
        write_truth(root, split)
    for number, (name, (images, quality)) in enumerate(MADE.items()):
        run = {"train_images": images, "epochs": 30}
        write_cell(root, name, ROWS[name], quality, seed=number, run=run)
    cells = []
    for cell in load(root, ROWS):
        steps = {"iterations": 30 * MADE[cell.name][0] // 4}
        cells.append(dataclasses.replace(cell, run=cell.run | steps))
    judgement = conclude(study_of(ROWS), cells, root=root)
    return cells, dataclasses.replace(judgement, names=NAMES)


def changed(judgement, **changes):
    """The same judgement with another curve."""
    [share] = judgement.shares
    curve = dataclasses.replace(share.curve, **changes)
    return dataclasses.replace(judgement, shares=(dataclasses.replace(share, curve=curve),))


def drawn(made, judgement=None):
    cells, own = made
    [figure] = figures(judgement or own, cells, looks_of(cells))
    return figure


def test_points_and_table_are_the_judgements_numbers(made):
    _, judgement = made
    [share] = judgement.shares
    figure = drawn(made)
    assert [line.images for line in figure.rows] == ["60", "120", "240", "480"]
    for line, name, score in zip(figure.rows, share.cells, share.curve.scores):
        estimate = judgement.estimates[name][judgement.metric]
        assert (line.name, line.score) == (name, value(score)) and score == estimate.value
        assert line.interval == f"{value(estimate.low)} to {value(estimate.high)}"
    expected = figure.rows[-1]
    assert expected.name == "" and expected.score == value(share.curve.at(480))
    images, low, high = share.curve.band[-1]
    assert images == pytest.approx(480)
    assert expected.interval == f"{value(low)} to {value(high)}"
    assert figure.label == "all of r50"
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


def test_no_shares_no_section(tmp_path):
    files = report(load_all(tmp_path), tmp_path / "page")
    page = Page(files["index.html"])
    assert "More images" not in page.text and "More images" not in files["report.md"]
    assert not [attributes for _, attributes in page.elements if attributes.get("id") == "images"]


def test_a_gain_that_cannot_be_told_is_not_drawn(made, tmp_path):
    cells, judgement = made
    useless = changed(judgement, doubled=Gain(480, 0.1, -0.5, 0.5, True))
    figure = drawn(made, useless)
    assert len(figure.rows) == 3 and "expected" not in [line.name for line in figure.rows]
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
