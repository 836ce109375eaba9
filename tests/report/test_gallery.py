"""The pictures of the report: which images are shown, what is drawn on them, and what becomes of broken ones."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
from pathlib import Path

import pictured_cells as made
import pytest
from PIL import Image
from report_cells import Page, context
from report_judgements import judged

from stages.report.page import _html, pictures, write_report
from stages.report.pictures.gallery import Gallery, gallery
from stages.report.pictures.shown_cells import shown_cells
from stages.report.pictures.thumbnails import MOST_SHAPES

A, B = "cell-a", "cell-b"
CHROMIUM = Path("/usr/bin/chromium")


def shown(
    root: Path, detect: dict[str, made.Detect], chosen: str | None = None, **changes
) -> Gallery:
    cells = [
        made.write_cell(root, name, how, index) for index, (name, how) in enumerate(detect.items())
    ]
    judged = made.judgement(root, cells, chosen, **changes)
    return gallery(shown_cells(cells, judged), judged, root)


def kinds(shot) -> list[str]:
    return sorted(shape.kind for shape in shot.picture.shapes)


def enlarged(results: list[dict]) -> list[dict]:
    """Detections for images of 1200 x 900 pixels."""
    return [one | {"bbox": [5 * value for value in one["bbox"]]} for one in results]


def worse_and_worse(image: int, classes: int) -> list[dict]:
    """Right on the first image, one more ghost on each further one."""
    ghosts = [made.found(image, [200, 8 * number, 15, 15], 1, 0.95) for number in range(image - 1)]
    return [*made.perfect(image), *ghosts]


def test_the_worst_images_come_first_and_the_right_ones_not_at_all(tmp_path):
    made.write_data(tmp_path, images=20)
    found = shown(tmp_path, {A: worse_and_worse})
    assert [shot.picture.name for shot in found.worst] == [
        f"val/{number:04}.jpg" for number in range(20, 8, -1)
    ]
    assert found.worst[0].words == "3 boxes: 3 found, 0 not; 19 wrong (19 background)"
    assert kinds(found.worst[0]) == ["background"] * 19 + ["found"] * 3 + ["right"] * 3
    assert (
        f"{A} is wrong on 19 of 20 val images" in found.worst_words
        and "The worst 12" in found.worst_words
    )
    none = shown(tmp_path, {A: made.perfect})
    assert none.worst == () and none.worst_words == f"{A} makes no mistake on val."


def test_boxes_are_drawn_where_they_are_and_say_what_they_are(tmp_path):
    made.write_data(tmp_path)
    shapes = shown(tmp_path, {A: made.misnamed}).worst[0].picture.shapes
    lost, wrong = (
        next(shape for shape in shapes if shape.kind == kind) for kind in ("lost", "classification")
    )
    scale = 320 / made.WIDTH
    assert (lost.x, lost.y, lost.width, lost.height) == pytest.approx(
        [20 * scale, 20 * scale, 60 * scale, 40 * scale], abs=0.06
    )
    assert lost.title == "labelled Paper: found with a wrong class" and not lost.dashed
    assert wrong.title == "Glass 0.90: classification, this is Paper" and wrong.dashed
    assert {shape.title for shape in shapes if shape.kind == "right"} == {
        "Paper 0.90: right",
        "Glass 0.90: right",
    }
    # Small boxes lie on top of large ones, or nobody could point at them.
    areas = [shape.width * shape.height for shape in shapes]
    assert areas == sorted(areas, reverse=True)


@pytest.mark.parametrize(
    ("detect", "kind", "words"),
    [
        (made.blind, "missed", "{} misses Paper"),
        (made.misnamed, "classification", "{} takes Paper for Glass"),
        (made.shifted, "localisation", "{} misplaces Paper"),
        (made.dreaming, "background", "{} sees Paper where nothing is labelled"),
    ],
)
def test_disagreements_are_typed_by_what_the_wrong_cell_does(tmp_path, detect, kind, words):
    made.write_data(tmp_path)
    for order, cells in enumerate(({A: detect, B: made.perfect}, {B: made.perfect, A: detect})):
        found = shown(tmp_path, cells, chosen=B)
        assert [cell.name for cell in found.cells] == [B, A] and found.cells[0].role.startswith(
            "chosen"
        )
        assert {one.kind: one.only for one in found.kinds if any(one.only)} == {kind: (4, 0)}, order
        duels = next(one for one in found.kinds if one.kind == kind).duels
        assert len(duels) == 3 and {duel.words for duel in duels} == {
            words.format(found.cells[1].short)
        }
        lit = [
            {shape.kind for shape in shot.picture.shapes if shape.lit}
            for shot in (duels[0].first, duels[0].second)
        ]
        assert lit[0] == (set() if kind == "background" else {"found"})
        assert lit[1] == {"missed": {"lost"}, "background": {"background"}}.get(
            kind, {"lost", kind}
        )
        # Told from the other side, the same is the other's merit.
        turned = shown(tmp_path, cells, chosen=A)
        assert {one.kind: one.only for one in turned.kinds if any(one.only)} == {kind: (0, 4)}
    assert f"{B} and {A} disagree 4 times on 4 of 4 val images" in found.kinds_words


def test_cells_that_agree_are_said_to_agree(tmp_path):
    made.write_data(tmp_path)
    # Both show the same thing where nothing is: that is no disagreement.
    same = shown(tmp_path, {A: made.dreaming, B: made.dreaming})
    assert same.kinds == () and same.kinds_words == f"{A} and {B} agree on every box of val."
    assert shown(tmp_path, {A: made.dreaming}).kinds_words.startswith("There are no two cells")
    second = shown(tmp_path, {A: made.perfect, B: made.blind})
    assert [cell.role for cell in second.cells] == ["chosen and best", "second"]


def test_boxes_that_every_good_cell_contradicts(tmp_path):
    made.write_data(tmp_path, size=(1200, 900))
    assert shown(tmp_path, {A: made.perfect, B: made.perfect}).suspects.contradicted == ()

    def misnamed(image, classes):
        return enlarged(made.misnamed(image, classes))

    found = shown(tmp_path, {A: misnamed, B: misnamed})
    labels = found.suspects
    assert len(labels.contradicted) == 8
    assert labels.contradicted_words.startswith(
        "All good cells give 8 labelled boxes another class"
    )
    assert (
        labels.contradicted[0].words
        == "labelled Paper; 2 of 2 cells see Glass, with 0.90 or more (box 1 of test)"
    )
    assert (
        labels.contradicted[0].picture.shapes[0].title == f"labelled Paper\n{A}: Glass\n{B}: Glass"
    )
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
        small.suspects.contradicted_words
        == "All good cells give 1 labelled box another class than its label:"
    )
    # A small box is shown on its own piece of the image, so that it can be judged.
    assert small.suspects.contradicted[0].picture.shapes[0].width > 40


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
    found = shown(tmp_path, {A: made.perfect}, unlabelled={"val": [few], "test": [many]}).suspects
    assert [suspect.words for suspect in found.unlabelled] == [
        "1 box labelled; every good cell sees 3 more: 3 Glass (image 2 of test)",
        "3 boxes labelled; every good cell sees 1 more: 1 Glass (image 1 of val)",
    ]
    assert found.unlabelled_words.startswith(
        "All good cells see 4 things that are not labelled, on 2 images."
    )
    assert [len(suspect.picture.shapes) for suspect in found.unlabelled] == [3, 1]
    none = shown(tmp_path, {A: made.perfect}).suspects
    assert none.unlabelled == ()
    assert none.unlabelled_words == "All good cells together see nothing that is not labelled."


def test_missing_broken_and_hostile_images_leave_a_place_with_their_name(tmp_path):
    made.write_data(tmp_path, images=5)
    (tmp_path / "images/val/0001.jpg").unlink()
    (tmp_path / "images/val/0002.jpg").write_bytes(b"\xff\xd8\xff no JPEG")
    coco = tmp_path / "data/prepared/val.json"
    content = json.loads(coco.read_text(encoding="utf-8"))
    names = {3: "../outside.jpg", 4: "</svg><script>alert(1)</script>.jpg", 5: f"{'긴' * 90}.jpg"}
    for number, name in names.items():
        content["images"][number - 1]["file_name"] = name
    Image.new("RGB", (9, 9)).save(tmp_path / "outside.jpg")
    coco.write_text(json.dumps(content), encoding="utf-8")
    cells = [made.write_cell(tmp_path, A, made.blind)]
    view = pictures(cells, made.judgement(tmp_path, cells), tmp_path)
    why = {shot.picture.name: shot.picture.photo.why for shot in view["gallery"].worst}
    assert why == {
        "val/0001.jpg": "this image is missing",
        "val/0002.jpg": "this image cannot be read",
        **dict.fromkeys(names.values(), "this image is missing"),
    }
    page = Page(_html().get_template("_pictures.html.j2").render(view))
    assert all(name in page.text for name in why) and not [
        tag for tag, _ in page.elements if tag == "script"
    ]
    assert all(
        kinds(shot) == ["found", "found", "lost", "right", "right"]
        for shot in view["gallery"].worst
    )


def test_predictions_and_annotations_that_cannot_be_read_are_named(tmp_path):
    made.write_data(tmp_path)
    cells = [
        made.write_cell(tmp_path, name, how, index)
        for index, (name, how) in enumerate({A: made.blind, B: made.shifted}.items())
    ]
    judged = made.judgement(tmp_path, cells, A)
    missing = made.predictions_path(tmp_path, A, cells[0].row, "val")
    missing.unlink()
    found = gallery(shown_cells(cells, judged), judged, tmp_path)
    assert found.notes == (
        f"No pictures of {A}: {missing.relative_to(tmp_path)} is missing; run `dvc repro "
        f"stages/dvc.yaml:predict@{A}`.",
    )
    assert found.worst_words.startswith(f"{B} is wrong on 4") and found.kinds == ()
    (tmp_path / "data/prepared/val.json").write_text("[]", encoding="utf-8")
    found = gallery(shown_cells(cells, judged), judged, tmp_path)
    assert "data/prepared/val.json cannot be read" in found.notes[0] and found.worst == ()


def test_a_split_without_boxes_has_a_sentence(tmp_path):
    made.write_data(tmp_path, labelled=())
    found = shown(tmp_path, {A: made.perfect, B: made.dreaming})
    assert (
        found.worst_words
        == found.kinds_words
        == "The val split has no box: nothing is right or wrong."
    )
    assert found.worst == found.kinds == found.photos == ()


def test_an_image_is_stored_once_and_small(tmp_path):
    made.write_data(tmp_path, images=40, size=(1200, 900))

    def late(image, classes):
        return enlarged(made.perfect(image)) if image > 12 else []

    detect = {A: late, B: made.nothing}
    cells = [
        made.write_cell(tmp_path, name, how, index)
        for index, (name, how) in enumerate(detect.items())
    ]
    view = pictures(cells, made.judgement(tmp_path, cells, A), tmp_path)
    html = _html().get_template("_pictures.html.j2").render(view)
    used = re.findall(r'<use href="#(\w+)"', html)
    photos = view["gallery"].photos
    # The twelve worst, and three others on which the second cell misses what the first one finds, as both see them.
    assert len(used) == 18 and len(set(used)) == len(photos) == 15
    for photo in photos:
        head, content = photo.uri.split(",")
        assert head == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(content))) as image:
            assert max(image.size) == 320
    # Noise is the worst that a JPEG can hold.
    assert len(html) < 4_000_000 and max(len(photo.uri) for photo in photos) < 40_000


def test_a_crowded_image_draws_what_matters_and_counts_the_rest(tmp_path):
    made.write_data(tmp_path, images=1)

    def crowded(image, classes):
        return [made.found(image, [number, 100, 30, 30], 3, 0.9) for number in range(90)]

    found = shown(tmp_path, {A: crowded, B: made.perfect}, chosen=A)
    picture = found.worst[0].picture
    assert len(picture.shapes) == MOST_SHAPES and picture.more == 93 - MOST_SHAPES
    missed = found.kinds[0].duels[0].first.picture
    assert len([shape for shape in missed.shapes if shape.lit and shape.kind == "lost"]) == 3


@pytest.mark.skipif(not CHROMIUM.is_file(), reason="no Chromium on this machine")
def test_a_browser_shows_it_without_overflow_and_the_lists_work(tmp_path):
    made.write_data(tmp_path, classes=("종이 팩 <b>", "L" * 200, "Battery"))
    names = {
        A: made.misnamed,
        B: made.blind,
        "cell-" + "c" * 90: made.shifted,
        "cell-d": made.dreaming,
    }
    cells = [
        made.write_cell(tmp_path, name, how, index)
        for index, (name, how) in enumerate(names.items())
    ]
    view = pictures(cells, made.judgement(tmp_path, cells, A), tmp_path)
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
    page.write_text(_html().from_string(text).render(view), encoding="utf-8")
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
    cells = [
        made.write_cell(tmp_path, name, how, index)
        for index, (name, how) in enumerate({A: made.misnamed, B: made.blind}.items())
    ]
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
