"""The pictures of the report: how large they are, and what becomes of broken images."""

from __future__ import annotations

import base64
import io
import json
import re

import pictured_cells as made
from pictured_cells import A, B, enlarged, kinds, pictured, shown
from PIL import Image
from report_cells import Page

from stages.report.page import HTML
from stages.report.pictures.thumbnails import MOST_SHAPES


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
    cells = made.write_cells(tmp_path, {A: made.blind})
    view = pictured(tmp_path, cells)
    why = {shot.name: shot.photo.fault for shot in view["gallery"].worst.shots}
    assert why == {
        "val/0001.jpg": "this image is missing",
        "val/0002.jpg": "this image cannot be read",
        **dict.fromkeys(names.values(), "this image is missing"),
    }
    page = Page(HTML.get_template("_pictures.html.j2").render(view))
    assert all(name in page.text for name in why) and not [
        tag for tag, _ in page.elements if tag == "script"
    ]
    assert all(
        kinds(shot) == ["found", "found", "lost", "right", "right"]
        for shot in view["gallery"].worst.shots
    )


def test_an_image_is_stored_once_and_small(tmp_path):
    made.write_data(tmp_path, images=18, size=(1200, 900))

    def late(image, classes):
        return enlarged(made.perfect(image)) if image > 12 else []

    detect = {A: late, B: made.nothing}
    cells = made.write_cells(tmp_path, detect)
    view = pictured(tmp_path, cells, A)
    html = HTML.get_template("_pictures.html.j2").render(view)
    used = re.findall(r'<use href="#(\w+)"', html)
    photos = view["gallery"].photos
    # The twelve worst, and three others on which the second cell misses what the first one finds, as both see them.
    assert len(used) == 18 and len(set(used)) == len(photos) == 15
    for photo in photos:
        head, content = photo.picture.uri.split(",")
        assert head == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(content))) as image:
            assert max(image.size) == 320
    # Noise is the worst that a JPEG can hold.
    assert len(html) < 4_000_000 and max(len(photo.picture.uri) for photo in photos) < 40_000


def test_a_crowded_image_draws_what_matters_and_counts_the_rest(tmp_path):
    made.write_data(tmp_path, images=1)

    def crowded(image, classes):
        return [made.found(image, [number, 100, 30, 30], 3, 0.9) for number in range(90)]

    found = shown(tmp_path, {A: crowded, B: made.perfect}, chosen=A)
    shot = found.worst.shots[0]
    assert len(shot.shapes) == MOST_SHAPES and shot.more == 93 - MOST_SHAPES
    missed = found.disagreements.shots[0].duels[0][0][0]
    assert len([shape for shape in missed.shapes if shape.lit and shape.kind == "lost"]) == 3
