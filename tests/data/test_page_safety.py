"""The page of the data report and hostile sets: names stay text, no file outside the root is opened."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from data_pages import (
    Set,
    a_finding,
    a_report,
    a_set,
    an_example,
    images,
    render,
    two_splits,
)
from PIL import Image

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


@pytest.fixture
def root(tmp_path) -> Path:
    return images(tmp_path / "root")


@pytest.fixture
def sets() -> dict[str, Set]:
    return two_splits()


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
