"""The plots of the report: bars, errors, confusion and scores follow the data, and contrary data contradict them."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pictured_cells as made
import pytest
from report_cells import Page

from stages.report.page import _html, pictures
from stages.report.pictures.confusion import confusion
from stages.report.pictures.errors import errors
from stages.report.pictures.groups import groups
from stages.report.pictures.scores import scores
from stages.report.pictures.shown_cells import ShownCells, shown_cells
from stages.report.verdicts.card import card
from stages.verdict.judgement import Judgement

A, B, C = "cell-a", "cell-b", "cell-c"


def study(
    root: Path, detect: dict[str, made.Detect], chosen: str | None = None, images: int = 4, **data
) -> tuple[ShownCells, Judgement]:
    made.write_data(root, images, **data)
    cells = [
        made.write_cell(root, name, how, index) for index, (name, how) in enumerate(detect.items())
    ]
    judged = made.judgement(root, cells, chosen)
    return shown_cells(cells, judged), judged


def page(root: Path, detect: dict[str, made.Detect], chosen: str | None = None, **changes) -> str:
    """The sections on a page of their own."""
    cells = [
        made.write_cell(root, name, how, index) for index, (name, how) in enumerate(detect.items())
    ]
    view = pictures(cells, made.judgement(root, cells, chosen, **changes), root)
    return _html().get_template("_pictures.html.j2").render(view)


def test_bars_are_as_long_as_the_values_and_mirror_them(tmp_path):
    for first, second in ((A, B), (B, A)):
        found = groups(*study(tmp_path / first, {first: made.perfect, second: made.blind}))
        chart = found.charts[0]
        assert chart.key == "val-AP50" and chart.top == 1.0
        assert [cell.name for cell in found.first] == [first, second]
        paper = next(row for row in chart.classes if row.name == "Paper")
        lengths = {bar.cell.name: bar.width for bar in paper.bars}
        assert lengths[first] == 100 and 45 < lengths[second] < 56
        assert all(bar.left <= bar.width <= bar.right for bar in paper.bars)
        assert [chart.key for chart in found.charts] == [
            "val-AP50",
            "val-AP",
            "test-AP50",
            "test-AP",
        ]


def test_a_class_without_boxes_is_not_applicable_and_the_mean_leaves_it_out(tmp_path):
    found = groups(*study(tmp_path, {A: made.perfect}))
    battery = next(row for row in found.charts[0].classes if row.name == "Battery")
    assert battery.bars == () and battery.note == "0 boxes" and not battery.thin
    assert found.charts[0].sizes[0].note == "mean over 2 of 3 classes, 12 boxes"
    assert any(
        "over 2 of 3 classes; without a box, and so n/a: Battery." in text
        for text in found.charts[0].sentences
    )


def test_groups_under_a_hundred_boxes_are_thin(tmp_path):
    few = groups(*study(tmp_path / "few", {A: made.perfect})).charts[0]
    many = groups(*study(tmp_path / "many", {A: made.perfect}, images=60)).charts[0]
    thin = {
        name: {row.name: row.thin for row in chart.classes}
        for name, chart in (("few", few), ("many", many))
    }
    assert thin == {
        "few": {"Paper": True, "Glass": True, "Battery": False},
        "many": {"Paper": False, "Glass": True, "Battery": False},
    }
    assert (
        "Thin, with fewer than 100 boxes: 2 of 3 classes and the size medium. They decide nothing."
        in few.sentences
    )
    assert "Thin, with fewer than 100 boxes: 1 of 3 classes. They decide nothing." in many.sentences


def test_the_strongest_and_the_weakest_class_follow_the_numbers(tmp_path):
    def without_glass(image, classes):
        return made.perfect(image)[:2]

    solid = [
        groups(*study(tmp_path / name, {A: detect}, images=101)).charts[0].sentences
        for name, detect in (("blind", made.blind), ("glass", without_glass))
    ]
    assert any(
        "highest val AP50 in Glass, 1.000, and its lowest in Paper" in text for text in solid[0]
    )
    assert any(
        "highest val AP50 in Paper, 1.000, and its lowest in Glass, 0.000" in text
        for text in solid[1]
    )


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


def test_the_axis_holds_the_highest_bar(tmp_path):
    shown, judged = study(tmp_path, {A: made.perfect})
    low = {
        A: {
            "val": (made.Group("class", "Paper", 200, *[made.estimate(0.03, 200, 0.01)] * 2),),
            "test": (),
        }
    }
    none = {A: {key: made.estimate(0.03, 200, 0.01) for key in judged.estimates[A]}}
    chart = groups(shown, dataclasses.replace(judged, groups=low, estimates=none)).charts[0]
    assert (
        chart.top == 0.05
        and chart.classes[0].bars[0].width == 60
        and chart.step == pytest.approx(20)
    )


def test_the_costliest_kind_follows_the_errors(tmp_path):
    for kind, detect in (
        ("classification", made.misnamed),
        ("missed", made.blind),
        ("localisation", made.shifted),
        ("background", made.dreaming),
    ):
        found = errors(study(tmp_path / kind, {A: detect})[0])
        assert found.sentences[0].startswith(f"{A} loses most by {kind} (")
        assert [bar.kind for bar in found.rows[0].bars if bar.most] == [kind]
        assert max(found.rows[0].bars, key=lambda bar: bar.width).kind == kind
        right = "The boxes are right and the class is wrong, more than anything else" in " ".join(
            found.sentences
        )
        assert right == (kind == "classification")
    none = errors(study(tmp_path / "none", {A: made.perfect})[0])
    assert "without any one kind of error its mAP50 would be the same" in none.sentences[0]


def test_classes_at_zero_are_named_with_what_they_take_from_the_mean(tmp_path):
    def no_glass(image, classes):
        return [*made.perfect(image)[:2], made.found(image, [200, 140, 30, 30], 2, 0.3)]

    shown, judged = study(tmp_path, {A: no_glass})
    found = errors(shown)
    told = next(text for text in found.sentences if "hardly finds Glass" in text)
    assert "1 of 2 classes. Found perfectly, they would add 0.500." in told
    # TIDE hardly shows it: with a wrong detection of the class left, less to find is worth nothing.
    assert "missed (0.000)" in told and found.rows[0].never_found.text == "0.500"
    one = dataclasses.replace(
        judged, standings={}, choice=dataclasses.replace(judged.choice, best=A)
    )
    assert card(one).warning == (
        "No good cell finds Glass (AP50 0.000 at best, 4 boxes): 1 of 2 classes, and so "
        "50 % of val mAP50."
    )
    assert card(study(tmp_path / "all", {A: made.perfect})[1]).warning == ""


def test_cells_are_counted_by_their_costliest_kind(tmp_path):
    found = errors(study(tmp_path, {A: made.misnamed, B: made.blind, C: made.misnamed})[0])
    assert found.sentences[-1] == "The costliest kind: classification in 2, missed in 1 of 3 cells."
    widths = {row.cell.name: {bar.kind: bar.width for bar in row.bars} for row in found.rows}
    assert (
        widths[A]["classification"]
        == widths[C]["classification"]
        > widths[B]["classification"]
        == 0
    )


def test_the_confusion_matrix_is_of_rows_in_percent(tmp_path):
    matrix = confusion(study(tmp_path, {A: made.misnamed})[0]).matrices[0]
    assert matrix.columns == tuple(row.name for row in matrix.rows) == (*made.CLASSES, "nothing")
    paper, glass, battery, _ = matrix.rows
    assert [field.text for field in paper.fields] == [
        "50",
        "50",
        "",
        "",
    ] and paper.note == "8 boxes"
    assert "4 of 8 boxes of Paper taken for Glass (50.0 %)" in [
        field.title for field in paper.fields
    ]
    assert [field.text for field in glass.fields] == ["", "100", "", ""]
    assert {field.kind for field in battery.fields} == {"none"} and battery.note == "0 boxes"
    assert "Most often confused: Paper taken for Glass (4 of 8 boxes)." in matrix.sentences
    assert float(matrix.score) == 0.9


def test_contrary_detections_give_contrary_confusions(tmp_path):
    told = {
        name: " ".join(confusion(study(tmp_path / name, {A: how})[0]).matrices[0].sentences)
        for name, how in (
            ("right", made.perfect),
            ("blind", made.blind),
            ("dreaming", made.dreaming),
        )
    }
    assert "finds 12 (100 %) with the right class" in told["right"]
    assert "No class is taken for another." in told["right"]
    assert "4 (33 %) it does not find. 0 detections lie" in told["blind"]
    assert (
        "0 (0 %) it does not find. 4 detections lie where nothing is labelled." in told["dreaming"]
    )


def test_many_classes_are_summed_up_in_one_column(tmp_path):
    classes = [f"class {number}" for number in range(40)]
    matrix = confusion(
        study(
            tmp_path,
            {
                A: lambda image, _: [
                    *made.perfect(image),
                    made.found(image, [200, 140, 30, 30], 39, 0.9),
                ]
            },
            classes=classes,
        )[0]
    ).matrices[0]
    assert matrix.columns[-2:] == ("25 other classes", "nothing") and len(matrix.columns) == 17
    assert len(matrix.rows) == 16 and matrix.rows[-1].fields[-2].text == "100"
    chart = groups(
        *study(tmp_path / "bars", {A: made.perfect}, classes=[f"c{n}" for n in range(60)])
    ).charts[0]
    assert len(chart.classes) == 40 and chart.classes[0].name == "c0"
    assert any("20 more count in the mean" in text for text in chart.sentences)


def test_scores_that_promise_too_much_or_too_little(tmp_path):
    def timid(image, _):
        return made.perfect(image, score=0.3)

    def boastful(image, _):
        ghosts = [made.found(image, [200, y, 20, 20], 1, 0.9) for y in (100, 130, 155)]
        return [*made.perfect(image, score=0.9), *ghosts]

    low, high = (
        scores(study(tmp_path / name, {A: how})[0])
        for name, how in (("low", timid), ("high", boastful))
    )
    assert low.table[0].lean == "too low" and "on average 0.700 too low" in low.sentences[1]
    assert high.table[0].lean == "too high" and "on average 0.400 too high" in high.sentences[1]
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
    assert scores(silent).recalls == () and scores(silent).sentences == (
        "No cell detects anything on the val split: there is no score to draw.",
    )
    assert (
        "12 (100 %) it does not find. 0 detections lie"
        in confusion(silent).matrices[0].sentences[0]
    )
    bare, judged = study(tmp_path / "bare", {A: made.perfect}, labelled=())
    assert (
        groups(bare, judged).charts == ()
        and errors(bare).rows == ()
        and confusion(bare).matrices == ()
    )
    assert "The val split has no box" in errors(bare).sentences[0] + scores(bare).sentences[0]
    html = page(tmp_path / "bare", {A: made.perfect})
    assert "<table" not in html and html.count("no box") >= 4


def test_an_unlabelled_test_set_hides_its_charts_only(tmp_path):
    found = groups(*study(tmp_path, {A: made.perfect}, labelled=("val",)))
    assert [chart.key for chart in found.charts] == ["val-AP50", "val-AP"]
    other, _ = study(tmp_path / "test", {A: made.perfect}, labelled=("test",))
    assert other.split == "test" and errors(other).rows[0].AP50 == "1.000"


def test_cells_without_their_details_are_named_and_left_out(tmp_path):
    made.write_data(tmp_path)
    detect = {A: made.perfect, B: made.blind, C: made.shifted, "cell-d": made.misnamed}
    cells = [
        made.write_cell(tmp_path, name, how, index)
        for index, (name, how) in enumerate(detect.items())
    ]
    judged = made.judgement(tmp_path, cells)
    made.details_path(tmp_path, A, cells[0].row).unlink()
    made.details_path(tmp_path, B, cells[1].row).write_text("{", encoding="utf-8")
    old = made.details_path(tmp_path, C, cells[2].row)
    known = json.loads(old.read_text(encoding="utf-8"))
    for split in known.values():
        del split["calibration"], split["errors"], split["worst"]
    old.write_text(json.dumps(known), encoding="utf-8")
    view = pictures(cells, judged, tmp_path)
    text = Page(_html().get_template("_pictures.html.j2").render(view)).text
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
    assert [row.cell.name for row in view["errors"].rows] == ["cell-d"]
    assert {bar.cell.name for bar in view["groups"].charts[0].sizes[0].bars} == set(detect)


def test_a_repeat_of_a_cell_is_not_a_cell_of_its_own(tmp_path):
    made.write_data(tmp_path)
    cells = [
        made.write_cell(tmp_path, name, made.blind, index) for index, name in enumerate((A, B, C))
    ]
    whole = made.judgement(tmp_path, cells)
    judged = dataclasses.replace(
        whole, repeats={A: (A, B), C: (C,)}, groups={A: whole.groups[A], C: whole.groups[C]}
    )
    view = pictures(cells, judged, tmp_path)
    assert [row.cell.name for row in view["errors"].rows] == [A, C] and view["groups"].absent == ""
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
