"""The pictures of the report: which images are shown, and what is said of them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pictured_cells as made
import pytest
from pictured_cells import A, B, enlarged, kinds, pictured, shown
from report_cells import Page, context
from report_judgements import judged

from stages.report.page import HTML, write_report
from stages.report.pictures.gallery import gallery
from stages.report.shown_cells import page_cells, shown_cells

CHROMIUM = Path("/usr/bin/chromium")


def worse_and_worse(image: int, classes: int) -> list[dict]:
    """Right on the first image, one more ghost on each further one."""
    ghosts = [made.found(image, [200, 8 * number, 15, 15], 1, 0.95) for number in range(image - 1)]
    return [*made.perfect(image), *ghosts]


def test_the_worst_images_come_first_and_the_right_ones_not_at_all(tmp_path):
    made.write_data(tmp_path, images=20)
    found = shown(tmp_path, {A: worse_and_worse})
    assert [shot.name for shot in found.worst.shots] == [
        f"val/{number:04}.jpg" for number in range(20, 8, -1)
    ]
    assert found.worst.shots[0].words == "3 boxes: 3 found, 0 not; 19 wrong (19 background)"
    assert kinds(found.worst.shots[0]) == ["background"] * 19 + ["found"] * 3 + ["right"] * 3
    assert (
        f"{A} is wrong on 19 of 20 val images" in found.worst.words
        and "The worst 12" in found.worst.words
    )
    none = shown(tmp_path, {A: made.perfect})
    assert none.worst.shots == () and none.worst.words == f"{A} makes no mistake on val."


def test_boxes_that_every_good_cell_contradicts(tmp_path):
    made.write_data(tmp_path, size=(1200, 900))
    assert shown(tmp_path, {A: made.perfect, B: made.perfect}).contradicted.shots == ()

    def misnamed(image, classes):
        return enlarged(made.misnamed(image, classes))

    found = shown(tmp_path, {A: misnamed, B: misnamed})
    assert len(found.contradicted.shots) == 8
    assert found.contradicted.words.startswith("All good cells give 8 labelled boxes another class")
    assert (
        found.contradicted.shots[0].words
        == "labelled Paper; 2 of 2 cells see Glass, with 0.90 or more (box 1 of test)"
    )
    assert found.contradicted.shots[0].shapes[0].title == f"labelled Paper\n{A}: Glass\n{B}: Glass"
    one = {
        "val": [
            {
                "box_id": 1,
                "image_id": 1,
                "file_name": "",
                "class": "Paper",
                "bbox": [600, 300, 20, 15],
                "detected": "Glass",
                "agree": 2,
                "score": 0.5,
                "cells": {A: "Glass", B: "Glass"},
            }
        ]
    }
    small = shown(tmp_path, {A: made.perfect}, suspects=one)
    assert (
        small.contradicted.words
        == "All good cells give 1 labelled box another class than its label:"
    )
    # A small box is shown on its own piece of the image, so that it can be judged.
    assert small.contradicted.shots[0].shapes[0].width > 40


def test_images_on_which_every_good_cell_sees_what_is_not_labelled(tmp_path):
    made.write_data(tmp_path)

    def thing(at: float) -> dict:
        return {"bbox": [at, 100.0, 30, 30], "detected": "Glass", "agree": 2, "score": 0.8}

    few = {"image_id": 1, "file_name": "", "boxes": 3, "places": [thing(10)]}
    many = {
        "image_id": 2,
        "file_name": "",
        "boxes": 1,
        "places": [thing(10), thing(60), thing(110)],
    }
    found = shown(tmp_path, {A: made.perfect}, unlabelled={"val": [few], "test": [many]})
    assert [suspect.words for suspect in found.unlabelled.shots] == [
        "1 box labelled; every good cell sees 3 more: 3 Glass (image 2 of test)",
        "3 boxes labelled; every good cell sees 1 more: 1 Glass (image 1 of val)",
    ]
    assert found.unlabelled.words.startswith(
        "All good cells see 4 things that are not labelled, on 2 images."
    )
    assert [len(suspect.shapes) for suspect in found.unlabelled.shots] == [3, 1]
    none = shown(tmp_path, {A: made.perfect})
    assert none.unlabelled.shots == ()
    assert none.unlabelled.words == "All good cells together see nothing that is not labelled."


def test_predictions_and_annotations_that_cannot_be_read_are_named(tmp_path):
    made.write_data(tmp_path)
    cells = made.write_cells(tmp_path, {A: made.blind, B: made.shifted})
    judged = made.judgement(tmp_path, cells, A)
    missing = made.predictions_path(tmp_path, A, cells[0].row, "val")
    missing.unlink()
    found = gallery(shown_cells(page_cells(cells, judged), judged), judged, tmp_path)
    assert found.notes == [
        f"No pictures of {A}: {missing.relative_to(tmp_path)} is missing; run `dvc repro "
        f"stages/dvc.yaml:predict@{A}`.",
    ]
    assert found.worst.words.startswith(f"{B} is wrong on 4") and found.disagreements.shots == ()
    (tmp_path / "data/prepared/val.json").write_text("[]", encoding="utf-8")
    found = gallery(shown_cells(page_cells(cells, judged), judged), judged, tmp_path)
    assert "data/prepared/val.json cannot be read" in found.notes[0] and found.worst.shots == ()


def test_a_split_without_boxes_has_a_sentence(tmp_path):
    made.write_data(tmp_path, labelled=())
    found = shown(tmp_path, {A: made.perfect, B: made.dreaming})
    assert (
        found.worst.words
        == found.disagreements.words
        == "The val split has no box: nothing is right or wrong."
    )
    assert found.worst.shots == found.disagreements.shots == () and found.photos == []


@pytest.mark.skipif(not CHROMIUM.is_file(), reason="no Chromium on this machine")
def test_a_browser_shows_it_without_overflow_and_the_lists_work(tmp_path):
    made.write_data(tmp_path, classes=("종이 팩 <b>", "L" * 200, "Battery"))
    names = {
        A: made.misnamed,
        B: made.blind,
        "cell-" + "c" * 90: made.shifted,
        "cell-d": made.dreaming,
    }
    cells = made.write_cells(tmp_path, names)
    view = pictured(tmp_path, cells, A)
    text = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>{% include "style.css" %}{% include "pictures.css" %}</style><main>{% include "_pictures.html.j2" %}</main>
<script>window.onerror = (text) => { document.body.dataset.error = text; };</script>
<script>{% include "pictures.js" %}</script><script>
const seen = () => [...document.querySelectorAll(".groups:not([hidden]) .lengths p[style]:not([hidden])")].length;
const list = document.querySelector("select[data-picks=groups-cell]"), before = seen();
list.value = list.options[1].value; list.dispatchEvent(new Event("change"));
const broken = [...document.querySelectorAll(".view use")].filter((use) => use.getBBox().width < 300).length;
document.body.dataset.told = [before, seen(), broken, document.documentElement.scrollWidth > innerWidth].join(" ");
</script>"""
    page = tmp_path / "page.html"
    page.write_text(HTML.from_string(text).render(view), encoding="utf-8")
    for width in (390, 1400):
        done = subprocess.run(
            [
                CHROMIUM,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--dump-dom",
                f"--user-data-dir={tmp_path / 'profile'}",
                f"--window-size={width},900",
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        told = re.search(r'data-told="([^"]*)"', done.stdout)
        assert told and "data-error" not in done.stdout
        before, after, broken, overflows = told[1].split()
        # One more bar in each of the rows that have any: all boxes, medium, two classes.
        assert int(after) - int(before) == int(before) // 2 > 3
        assert (broken, overflows) == ("0", "false"), (width, told[1])


def test_the_report_holds_the_pictures_and_loads_nothing(tmp_path):
    made.write_data(tmp_path)
    cells = made.write_cells(tmp_path, {A: made.misnamed, B: made.blind})
    write_report(cells, context(listed=[A, B]), judged(cells), tmp_path / "reports")
    html = (tmp_path / "reports/index.html").read_text(encoding="utf-8")
    elements = Page(html).elements
    anchors = {attributes.get("id") for tag, attributes in elements if tag == "section"}
    assert {"groups", "errors", "confusion", "scores", "gallery"} <= anchors
    links = [
        value
        for _, attributes in elements
        for key, value in attributes.items()
        if key in {"href", "src"}
    ]
    assert any(link.startswith("data:image/jpeg;base64,") for link in links)
    assert all(link.startswith(("#", "data:")) for link in links)
    assert (
        "data-picks" in html.rpartition("<script>")[2]
        and "--e-found" in html.partition("</style>")[0]
    )
