"""The plots of the report: what is shown of which cells, and what is said where nothing is."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pictured_cells as made
from pictured_cells import A, B, C, study
from report_cells import Page

from stages.report.page import HTML, pictures
from stages.report.pictures.errors import confusion_matrices, errors
from stages.report.pictures.groups import group_charts
from stages.report.pictures.scores import score_curves
from stages.report.shown_cells import page_cells


def page(root: Path, detect: dict[str, made.Detect], chosen: str | None = None, **changes) -> str:
    """The sections on a page of their own."""
    cells = made.write_cells(root, detect)
    judged = made.judgement(root, cells, chosen, **changes)
    view = pictures(page_cells(cells, judged), judged, root)
    return HTML.get_template("_pictures.html.j2").render(view)


def test_other_cells_wait_behind_a_list(tmp_path):
    made.write_data(tmp_path)
    html = page(tmp_path, {A: made.perfect, B: made.blind, C: made.shifted}, chosen=B)
    elements = Page(html).elements
    bars = [
        attributes
        for tag, attributes in elements
        if tag == "p" and "--v" in (attributes.get("style") or "")
    ]
    assert {attributes["data-value"] for attributes in bars if "hidden" in attributes} == {"2"}
    assert len([1 for attributes in bars if "hidden" not in attributes]) == 2 * len(
        [1 for attributes in bars if "hidden" in attributes]
    )
    lists = [attributes["data-picks"] for tag, attributes in elements if tag == "select"]
    assert lists == ["groups-chart", "groups-cell", "confusion", "scores-cell"]
    assert f"{B}</span> <b>chosen</b>" in html and f"{A}</span> <b>best</b>" in html


def test_scores_that_promise_too_much_or_too_little(tmp_path):
    def timid(image, _):
        return made.perfect(image, score=0.3)

    def boastful(image, _):
        ghosts = [made.found(image, [200, y, 20, 20], 1, 0.9) for y in (100, 130, 155)]
        return [*made.perfect(image, score=0.9), *ghosts]

    low, high = (
        score_curves(study(tmp_path / name, {A: how})[0])
        for name, how in (("low", timid), ("high", boastful))
    )
    assert low.table[0][-1] == "too low" and "on average 0.700 too low" in low.sentences[1]
    assert high.table[0][-1] == "too high" and "on average 0.400 too high" in high.sentences[1]
    assert (
        "with scores from 0.300 up (F1 1.000): 100 % of what it then shows is right"
        in low.sentences[0]
    )
    assert (
        "50 % of what it then shows is right, and it finds 100 % of the boxes" in high.sentences[0]
    )
    # The dot lies where recall and precision are, and calibration's where score and precision are.
    assert (low.recalls[0].points[0].x, low.recalls[0].points[0].y) == (430, 10)
    assert (high.recalls[0].points[0].x, high.recalls[0].points[0].y) == (430, 155)
    assert [(point.x, point.y, point.thin) for point in high.reliability[0].points] == [
        (391.8, 155, True)
    ]


def test_nothing_to_show_is_said_in_a_sentence(tmp_path):
    silent, _ = study(tmp_path / "silent", {A: made.nothing, B: made.nothing})
    assert score_curves(silent).recalls == () and score_curves(silent).sentences == [
        "No cell detects anything on the val split: there is no score to draw.",
    ]
    assert (
        "12 (100 %) it does not find. 0 detections take no box"
        in confusion_matrices(silent).matrices[0].sentences[0]
    )
    bare, judged = study(tmp_path / "bare", {A: made.perfect}, labelled=())
    assert (
        group_charts(bare, judged).charts == []
        and errors(bare).rows == []
        and confusion_matrices(bare).matrices == []
    )
    assert "The val split has no box" in errors(bare).sentences[0] + score_curves(bare).sentences[0]
    html = page(tmp_path / "bare", {A: made.perfect})
    assert "<table" not in html and html.count("no box") >= 4


def test_an_unlabelled_test_set_hides_its_charts_only(tmp_path):
    found = group_charts(*study(tmp_path, {A: made.perfect}, labelled=("val",)))
    assert [chart.key for chart in found.charts] == ["val-AP50", "val-AP"]
    other, _ = study(tmp_path / "test", {A: made.perfect}, labelled=("test",))
    assert other.split == "test" and errors(other).rows[0][1] == "1.000"


def test_cells_without_their_details_are_named_and_left_out(tmp_path):
    made.write_data(tmp_path)
    detect = {A: made.perfect, B: made.blind, C: made.shifted, "cell-d": made.misnamed}
    cells = made.write_cells(tmp_path, detect)
    judged = made.judgement(tmp_path, cells)
    made.details_path(tmp_path, A, cells[0].row).unlink()
    made.details_path(tmp_path, B, cells[1].row).write_text("{", encoding="utf-8")
    old = made.details_path(tmp_path, C, cells[2].row)
    known = json.loads(old.read_text(encoding="utf-8"))
    for split in known.values():
        del split["calibration"], split["errors"], split["worst"]
    old.write_text(json.dumps(known), encoding="utf-8")
    view = pictures(page_cells(cells, judged), judged, tmp_path)
    text = Page(HTML.get_template("_pictures.html.j2").render(view)).text
    assert (
        f"metrics/r50/fpn/{A}/details.json is missing; run `dvc repro stages/dvc.yaml:analyse@{A}`"
        in text
    )
    assert f"metrics/swin_l/fpn/{B}/details.json: not JSON" in text
    assert (
        f"{C} lacks errors." in text
        and f"{C} lacks calibration." in text
        and f"{C} lacks worst." in text
    )
    assert [cell.name for cell, *_ in view["errors"].rows] == ["cell-d"]
    assert {bar.cell.name for bar in view["groups"].charts[0].sizes[0].bars} == set(detect)


def test_a_repeat_of_a_cell_is_not_a_cell_of_its_own(tmp_path):
    made.write_data(tmp_path)
    cells = made.write_cells(tmp_path, dict.fromkeys((A, B, C), made.blind))
    whole = made.judgement(tmp_path, cells)
    judged = dataclasses.replace(
        whole, repeats={A: (A, B), C: (C,)}, groups={A: whole.groups[A], C: whole.groups[C]}
    )
    view = pictures(page_cells(cells, judged), judged, tmp_path)
    assert [cell.name for cell, *_ in view["errors"].rows] == [A, C] and view["groups"].absent == ""
    assert [cell.index for cell in view["groups"].first] == [0, 2]


HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)> 'q'",
    "종이팩 & 셀",
    "L" * 300,
)


def test_hostile_names_stay_text(tmp_path):
    made.write_data(tmp_path, classes=HOSTILE)
    html = page(
        tmp_path, {"<b>cell</b>'\"": made.misnamed, "셀 둘": made.blind, "X" * 120: made.shifted}
    )
    found = Page(html)
    assert not [tag for tag, _ in found.elements if tag in {"script", "img"}]
    assert not [attributes for _, attributes in found.elements if "onerror" in attributes]
    assert all(name in found.text for name in (*HOSTILE, "<b>cell</b>'\"", "셀 둘", "X" * 120))
    titles = [attributes.get("title") or "" for _, attributes in found.elements]
    assert any(title.startswith(f"{HOSTILE[0]}: val AP50 = ") for title in titles)


def test_every_bar_says_its_run_and_the_page_is_reproducible(tmp_path):
    made.write_data(tmp_path)
    html = page(tmp_path, {A: made.perfect, B: made.blind, C: made.shifted})
    assert html == page(tmp_path, {A: made.perfect, B: made.blind, C: made.shifted})
    bars = [
        attributes["title"]
        for tag, attributes in Page(html).elements
        if tag == "p" and "--v" in (attributes.get("style") or "")
    ]
    assert bars and all(
        re.search(r"95 % interval .* box.*\ncell-[abc]\nrun run[012]$", title, re.S)
        for title in bars
    )
    assert str(tmp_path) not in html
