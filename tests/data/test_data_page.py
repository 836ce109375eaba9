"""The page of the data report: its numbers are the report's, names stay text, no file outside the root is opened."""

from __future__ import annotations

import base64
import copy
import io
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace as Set

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from report_cells import Page

from stages.data.page.page import write_page
from stages.data.page.window import choose_window

CLASSES = ["Paper", "Glass", "Battery"]
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)> 'q'",
    "셀-종이팩",
    "L" * 300,
    "a\nb\u202egpj.exe\ud800",
]
OPENED: list[str] | None = None


# An audit hook sees every file that the interpreter opens, however it does; it cannot be taken back, only muted.
sys.addaudithook(
    lambda event, args: (
        OPENED.append(str(args[0])) if event == "open" and OPENED is not None else None
    )
)


class DataPage(Page):
    def of(self, tag: str, style: str | None = None) -> list[dict]:
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and (style is None or style in (attributes.get("class") or "").split())
        ]

    def jpegs(self) -> list[Image.Image]:
        uris = [image["href"].removeprefix("data:image/jpeg;base64,") for image in self.of("image")]
        return [Image.open(io.BytesIO(base64.b64decode(uri))) for uri in uris]


def a_set(names: list[str], boxes: list[tuple], classes=CLASSES, size=(120, 90)) -> Set:
    """`boxes`: image, label, x, y, w, h."""
    table = pd.DataFrame(boxes, columns=["image", "label", "x", "y", "w", "h"])
    table["area"], table["iscrowd"] = table["w"] * table["h"], 0
    # pandas' own strings cannot hold a lone surrogate
    images = pd.DataFrame(
        {"file_name": pd.Series(names, dtype=object), "width": size[0], "height": size[1]}
    )
    return Set(classes=classes, images=images, boxes=table)


def an_example(**values) -> dict:
    fields = ("source", "file", "box", "label", "entry", "before", "after", "note")
    return {"split": "train", **dict.fromkeys(fields), **values}


def a_finding(
    code="box_outside", severity="error", action="repaired", count=12, examples=(), **values
) -> dict:
    return {
        "code": code,
        "severity": severity,
        "action": action,
        "title": f"title of {code}",
        "count": count,
        "unit": "boxes",
        "help": f"help on {code}",
        "examples": list(examples),
    } | values


def a_report(**values) -> dict:
    counts = {
        "images": 2,
        "boxes": 3,
        "images_without_boxes": 0,
        "labelled": True,
        "digest": "d" * 64,
        "classes": {"Paper": 2, "Glass": 1},
        "sizes": {"small": 1, "medium": 2, "large": 0},
    }
    splits = {
        "train": counts,
        "val": {**counts, "classes": {"Paper": 3}, "images_without_boxes": 7},
    }
    balance = {
        "target": 0.7,
        "share": 0.6543,
        "distance": 0.012,
        "largest": 0.031,
        "largest_class": "Glass",
    }
    return {
        "source": "coco",
        "image_root": "/somewhere",
        "pixels": "decode",
        "classes": CLASSES,
        "files": [{"split": "train", "annotations": "a.json", "images": 5, "boxes": 61}],
        "splits": splits,
        "findings": [a_finding()],
        "changes": {"file": "changes.csv", "rows": 123},
        "balance": {"train": balance},
        "groups": {
            "column": "g",
            "images": 4,
            "groups": 3,
            "largest": 2,
            "near_duplicate_pairs": 5,
        },
        "digest": "ab" * 32,
    } | values


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "root"
    (folder / "images").mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (120, 90), (40 * number, 90, 200)).save(folder / f"images/{number}.jpg")
    return folder


@pytest.fixture
def sets() -> dict[str, Set]:
    boxes = [(0, 0, 5, 5, 60, 50), (0, 1, 70, 10, 40, 40), (1, 0, 20, 20, 50, 50)]
    return {
        "train": a_set(["images/0.jpg", "images/1.jpg"], boxes),
        "val": a_set(
            ["images/2.jpg", "images/3.jpg"], [(0, 0, 5, 5, 60, 50), (1, 0, 9, 9, 50, 60)]
        ),
    }


def render(report: dict, sets: dict, root: Path) -> DataPage:
    path = root.parent / "out" / "page.html"
    write_page(report, sets, root, path)
    page = DataPage(path.read_text(encoding="utf-8"))
    page.source = path.read_bytes()
    return page


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
    assert "Stopped before there were splits" in render(a_report(splits={}), {}, root).text
    assert "Stopped: image_missing (3 images)" in page.text and "Nothing was prepared." in page.text
    assert [section["id"] for section in page.of("section")] == ["findings", "definitions"]


def test_hostile_names_stay_text(root):
    sets = {HOSTILE[0]: a_set(HOSTILE, [(n, n, 5, 5, 60, 50) for n in range(5)], HOSTILE)}
    counts = a_report()["splits"]["train"] | {"classes": dict.fromkeys(HOSTILE[:4], 1)}
    example = an_example(
        **{
            key: HOSTILE[n % 5]
            for n, key in enumerate(("file", "label", "entry", "before", "note"))
        }
    )
    page = render(
        a_report(
            classes=HOSTILE,
            splits={HOSTILE[0]: counts},
            source=HOSTILE[1],
            image_root=HOSTILE[4],
            balance={HOSTILE[0]: a_report()["balance"]["train"] | {"largest_class": HOSTILE[1]}},
            findings=[a_finding(HOSTILE[1], title=HOSTILE[0], help=HOSTILE[4], examples=[example])],
        ),
        sets,
        root,
    )
    assert not page.of("script") and not page.of("img")
    assert not [
        name for _, attributes in page.elements for name in attributes if name.startswith("on")
    ]
    assert all(name in page.text for name in (*HOSTILE[:4], r"a\nb\u202egpj.exe\ud800"))
    assert not any(
        "\u202e" in (value or "")
        for _, found in page.elements
        for value in (page.text, *found.values())
    )
    assert all(
        found[name].startswith("data:")
        for _, found in page.elements
        for name in {"src", "href"} & set(found)
    )


def test_files_outside_are_not_opened(root):
    global OPENED
    outside = root.parent / "secret.jpg"
    Image.new("RGB", (120, 90), (255, 0, 0)).save(outside)
    (root / "link.jpg").symlink_to(outside)
    os.mkfifo(root / "pipe.jpg")  # whoever opens it waits for ever
    (root / "broken.jpg").write_bytes((root / "images/0.jpg").read_bytes()[:300])
    (root / "script.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    names = [
        "link.jpg",
        "../secret.jpg",
        str(outside),
        "pipe.jpg",
        "broken.jpg",
        "script.eps",
        "no.jpg",
        "a\0b",
        "images/0.jpg",
    ]
    sets = {
        "train": a_set(names, [(n, 0, 5, 5, 60, 50) for n in range(8)] + [(8, 1, 5, 5, 60, 50)])
    }
    report = a_report(
        findings=[
            a_finding(examples=[an_example(file=name, box=[5, 5, 60, 50]) for name in names[:4]])
        ]
    )
    OPENED = []
    page = render(report, sets, root)
    seen, OPENED = {str(Path(name).resolve()) for name in OPENED if "\0" not in name}, None
    assert str(root / "images/0.jpg") in seen and not seen & {str(outside), str(root / "pipe.jpg")}
    assert len(page.of("image")) == 1 and max(page.jpegs()[0].getpixel((9, 9))[:1]) < 60
    assert (
        sum(svg["aria-label"].startswith("Layout of ") for svg in page.of("svg", "shot")) == 8 + 4
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_pixels_none_opens_nothing_and_a_bomb_is_unreadable(root, sets, monkeypatch):
    assert len(render(a_report(), sets, root).of("image")) == 5
    finding = a_finding(examples=[an_example(file="images/0.jpg", box=[5, 5, 60, 50])])
    page = render(a_report(pixels="none", findings=[finding]), sets, root)
    assert (
        not page.of("image")
        and len(page.of("svg", "shot")) == 5 + 1
        and "no image file opened" in page.text
    )
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert not render(a_report(), sets, root).of("image")


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
