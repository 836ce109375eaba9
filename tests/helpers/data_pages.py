"""Reports and labels made by hand for the page of the data report, and the page read again."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from types import SimpleNamespace as Set

import pandas as pd
from PIL import Image
from report_cells import Page

from stages.data.page.page import write_page

CLASSES = ["Paper", "Glass", "Battery"]


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
        "name": "",
        "source": "coco",
        "image_root": "/somewhere",
        "pixels": "decode",
        "classes": CLASSES,
        "files": [
            {"split": "train", "annotations": "a.json", "folder": "", "images": 5, "boxes": 61}
        ],
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
        "stopped": "no split has an image",
    } | values


def images(root: Path) -> Path:
    """`root` with four pictures of one colour below it."""
    (root / "images").mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (120, 90), (40 * number, 90, 200)).save(root / f"images/{number}.jpg")
    return root


def two_splits() -> dict[str, Set]:
    """The labels of images()."""
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
