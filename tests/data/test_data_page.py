"""The page of the data report: its numbers are the report's, what its pictures show, and sentences that must hold for
the set at hand: counts with their units, and what was done."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import numpy as np
import pytest
from broken_sets import CASES, BrokenSet, Healthy
from broken_sets.outcome import Outcome
from data_pages import Set, a_finding, a_report, a_set, an_example, images, render, two_splits
from PIL import Image
from report_cells import Page

from stages.data.catalogue import CHECKS
from stages.data.page.pictures import choose_window


@pytest.fixture
def root(tmp_path) -> Path:
    return images(tmp_path / "root")


@pytest.fixture
def sets() -> dict[str, Set]:
    return two_splits()


def test_the_numbers_are_the_reports(root, sets):
    page = render(
        report := a_report(findings=[a_finding(), a_finding("box_tiny", "warning", "kept", 31)]),
        sets,
        root,
    )
    for words in (
        "4 images, 6 boxes, 3 classes",
        "2 kinds of findings. 1 error: repaired; 1 warning: kept.",
        "title of box_outside",
        "help on box_tiny",
        "ab" * 32,
        "/somewhere",
        "123 rows in changes.csv",
        "65.43%",
        "70%",
        "0.012",
        "+3.1%",
        "19.7% of boxes",
        "5 pairs of near-duplicate",
        "No box in val: Glass.",
        "No box in any split: Battery.",
        "absent",
        "every image decoded",
    ):
        assert words in page.text, words
    other = copy.deepcopy(report)
    other["splits"]["val"] |= {"images": 1002, "boxes": 2003, "classes": {"Glass": 1777}}
    other["balance"]["train"] |= {"share": 0.1234, "distance": 0.456}
    page = render(
        other | {"findings": [a_finding("box_tiny", "warning", "dropped", 60)]}, sets, root
    )
    for words in (
        "1,004 images, 2,006 boxes",
        "1 kind of finding. 1 warning: dropped.",
        "12.34%",
        "0.456",
        "1,777",
        "88.7%",
        "98.4% of boxes",
        "No box in val: Paper.",
    ):
        assert words in page.text, words
    assert not any(
        words in page.text for words in ("65.43%", "box_outside", "No box in val: Glass.")
    )


def test_bars_compare_shares_not_counts(root, sets):
    report = a_report()
    report["splits"]["train"] |= {"boxes": 1000, "classes": {"Paper": 500, "Glass": 500}}
    report["splits"]["val"] |= {"boxes": 10, "classes": {"Paper": 10}}
    bars = [bar for bar in render(report, sets, root).of("rect", "k0") if bar.get("height") == "8"]
    assert [float(bar["width"]) for bar in bars] == [50, 50, 0]


def test_no_findings_and_a_stop(root, sets):
    page = render(a_report(findings=[]), sets, root)
    assert "Nothing was found wrong." in page.text and not page.of("summary", "finding")
    stop = a_finding("image_missing", action="fatal", count=3, unit="images")
    page = render(a_report(findings=[stop]), {}, root)
    assert (
        page.text
        == render(a_report(findings=[stop], splits={}, balance={}, groups={}), {}, root).text
    )
    assert (
        "Stopped before there were splits: no split has an image"
        in render(a_report(splits={}), {}, root).text
    )
    assert "Stopped: image_missing (3 images)" in page.text and "Nothing was prepared." in page.text
    assert [section["id"] for section in page.of("section")] == ["findings", "definitions"]


def test_a_box_partly_outside_lies_on_a_padded_canvas(root, sets):
    example = an_example(file="images/0.jpg", box=[90, 10, 60, 40], label="Paper")
    page = render(a_report(findings=[a_finding(examples=[example])]), sets, root)
    assert "30.0 px past the right edge" in page.text
    edge, mark = page.of("rect", "edge")[0], page.of("path", "mark")[0]["d"]
    x, width = map(float, re.match(r"M(\S+) \S+?h([\d.]+)v", mark).groups())
    right = float(edge["x"]) + float(edge["width"])
    assert x < right < x + width < 260 and page.of("rect", "beyond")
    assert (x + width - right) / width == pytest.approx(0.5, abs=0.01)
    assert not render(a_report(findings=[]), sets, root).of("rect", "beyond")


def test_small_boxes_are_enlarged_where_they_are():
    window = choose_window((4000, 3000), (3990, 10, 5, 8))
    assert (window.x, window.y, window.width, window.height) == (4000 - 48, 0, 48, 48)
    assert choose_window((400, 300), (10, 10, 200, 200)).width == 400
    for box in (
        (-5, 0, 3, 3),
        (1e12, -1e12, 4, 4),
        (50, 60, -20, -30),
        (10, 10, 0, 0),
        (-1.5, 20, 300, 100),
    ):
        window = choose_window((400, 300), box)
        assert 0 < window.width <= 1300 and 0 < window.height <= 1000


def test_an_image_is_shown_as_its_exif_says(root):
    stored = Image.new("RGB", (90, 120), (0, 0, 255))
    stored.paste((255, 0, 0), (0, 0, 90, 40))
    stored.getexif()[0x0112] = 6
    stored.save(root / "turned.jpg", exif=stored.getexif(), quality=95)
    [shown] = render(
        a_report(), {"train": a_set(["turned.jpg"], [(0, 0, 80, 5, 40, 80)])}, root
    ).jpegs()
    assert (
        shown.size == (120, 90)
        and shown.getpixel((112, 45))[0] > 200 > 60 > shown.getpixel((112, 45))[2]
    )


def test_many_formats_are_read(root):
    picture = Image.new("RGB", (120, 90), (200, 30, 30))
    picture.paste((30, 30, 200), (0, 0, 60, 90))
    names = [f"a.{ending}" for ending in ("png", "bmp", "gif", "tif", "webp", "ppm", "jp2", "jpeg")]
    for name in names:
        picture.save(root / name)
    for mode, name in (("P", "p.png"), ("RGBA", "rgba.png"), ("CMYK", "cmyk.jpg")):
        picture.convert(mode).save(root / name)
    Image.fromarray(np.asarray(picture)[..., 0].astype(np.uint16) * 257).save(root / "i16.png")
    for name in [*names, "p.png", "rgba.png", "cmyk.jpg", "i16.png"]:
        [shown] = render(
            a_report(), {"train": a_set([name], [(0, 0, 20, 20, 60, 60)])}, root
        ).jpegs()
        assert shown.getpixel((90, 40))[0] > 150 > 80 > shown.getpixel((20, 40))[0], name


def test_a_split_without_labels(root, sets):
    report = a_report()
    report["splits"]["test"] = {
        "images": 2,
        "boxes": 0,
        "images_without_boxes": 2,
        "labelled": False,
        "classes": {},
        "sizes": {},
        "digest": "",
    }
    page = render(report, {**sets, "test": a_set(["images/2.jpg", "images/0.jpg"], [])}, root)
    assert (
        "no labels" in page.text
        and "in no chart: test" in page.text
        and "No box in test" not in page.text
    )
    assert "images/2.jpg (test), an image without labels" in {
        svg["aria-label"] for svg in page.of("svg", "shot")
    }


def test_same_bytes(root, sets):
    report = a_report(
        findings=[a_finding(examples=[an_example(file="images/0.jpg", box=[90, 10, 60, 40])])]
    )
    assert (
        render(report, sets, root).source == render(copy.deepcopy(report), dict(sets), root).source
    )


@pytest.mark.parametrize(("classes", "thumbs", "most"), [(10, 8, 3e6), (80, 3, 6e6)])
def test_size_is_bounded(root, classes, thumbs, most):
    """Noise is the worst that JPEG can be given."""
    rng = np.random.default_rng(1)
    names = [f"images/noise{n}.bmp" for n in range(12)]
    for name in names:
        Image.fromarray(rng.integers(0, 255, (240, 240, 3), dtype=np.uint8)).save(root / name)
    labels = [f"class {n}" for n in range(classes)]
    boxes = [
        (image, label, 3, 3, 150, 150 + label % 60)
        for image in range(12)
        for label in range(classes)
    ]
    sets = {"train": a_set(names, boxes, labels, (240, 240))}
    finding = a_finding(examples=[an_example(file=name, box=[1, 2, 150, 160]) for name in names])
    page = render(a_report(classes=labels, findings=[finding] * 12), sets, root)
    assert 0.3e6 < len(page.source) < most and len(page.of("image")) == thumbs * classes + 40


@pytest.fixture(scope="module")
def healthy(tmp_path_factory) -> Healthy:
    return Healthy(tmp_path_factory.mktemp("healthy"))


def page_of(broken: BrokenSet, folder, policy: dict[str, str] | None = None) -> tuple[Outcome, str]:
    outcome = Outcome(broken, folder, policy, page=True)
    assert not outcome.error
    return outcome, re.sub(
        r"\s+", " ", Page((folder / "report.html").read_text(encoding="utf-8")).text
    )


def test_look_alikes_that_the_users_splits_part(healthy, tmp_path):
    """Four copies of an image of val lie in train: ten pairs of five images."""
    broken = healthy.copy(tmp_path / "set")
    broken.move("val", 6, 12)
    picture = Image.open(healthy.folder / "images/007.jpg")
    for number in range(4):
        picture.save(
            broken.add_image(f"copy{number}.jpg", id=900 + number), quality=60 + 5 * number
        )
        broken.annotations[-1]["image_id"] = 900 + number
    outcome, text = page_of(broken, tmp_path / "prepared")
    assert outcome.found["near_duplicates"]["count"] == 10 and "10 pairs of images" in text
    assert (
        outcome.found["split_group_shared"]["count"] == 4
        and "4 images" in text
        and "4 splits" not in text
    )
    assert "one side of every split" not in text and "stay in one split" not in text
    assert "where your own files part them, split_group_shared says so" in text


def test_one_place_for_many_is_said_as_that(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    CASES["segmentations"].breaks(broken)
    outcome, text = page_of(broken, tmp_path / "prepared")
    finding = outcome.found["fields_not_copied"]
    assert finding["count"] > 20 > len(finding["examples"])
    assert f"{len(finding['examples'])} rows for all of {finding['count']} entries." in text
    assert "The first 2 of" not in text


@pytest.mark.parametrize(
    ("name", "code", "action", "sentence"),
    [
        (
            "box_over_the_edge",
            "box_outside",
            "keep",
            "data.policy says keep: nothing was changed. Without it: Clipped",
        ),
        (
            "box_over_the_edge",
            "box_outside",
            "drop",
            "data.policy says drop: they were left out. Without it: Clipped",
        ),
        ("box_over_the_edge", "box_outside", "repair", "Clipped to the image."),
    ],
)
def test_what_was_done_is_what_the_policy_says(name, code, action, sentence, healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    CASES[name].breaks(broken)
    outcome, text = page_of(broken, tmp_path / "prepared", {code: action})
    assert outcome.found[code]["help"].startswith(sentence) and sentence in text
    assert ("data.policy says" in text) == (action != CHECKS[code].actions[0])
