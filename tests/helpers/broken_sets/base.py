"""A small healthy set, as COCO, VOC and YOLO, and what its prepared splits must hold."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

IMAGES, WIDTH, HEIGHT = 24, 96, 64
CLASSES = ("can", "bag", "cup")
Boxes = dict[str, list[tuple]]


def paint(index: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Coarse noise: no two look alike, and a JPEG of it stays small."""
    coarse = np.random.default_rng(index).integers(0, 255, (8, 12, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def make_coco(root: Path) -> dict[str, Any]:
    """Writes the images under `root`/images; returns the content of the annotation file."""
    rng = np.random.default_rng(7)
    (root / "images").mkdir(parents=True)
    content: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)],
    }
    for index in range(1, IMAGES + 1):
        name = f"{index:03}.{'jpg' if index % 2 else 'png'}"
        Image.fromarray(paint(index)).save(root / "images" / name)
        content["images"].append({"id": index, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for _ in range(2 + index % 3):
            w, h = rng.integers(12, 50, 2).tolist()
            box = [int(rng.integers(0, WIDTH - w)), int(rng.integers(0, HEIGHT - h)), w, h]
            number = len(content["annotations"]) + 1
            # The area of an outline that is smaller than its box: it must come through as it is.
            content["annotations"].append(
                {
                    "id": number,
                    "image_id": index,
                    "category_id": 1 + number % 3,
                    "bbox": box,
                    "area": 0.75 * w * h,
                    "iscrowd": 0,
                }
            )
    return content


def make_voc(root: Path, content: dict[str, Any]) -> None:
    (root / "Annotations").mkdir()
    for image in content["images"]:
        objects = "".join(
            f"<object><name>{CLASSES[entry['category_id'] - 1]}</name><difficult>0</difficult><bndbox>"
            f"<xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>\n"
            for entry in content["annotations"]
            if entry["image_id"] == image["id"]
            for x, y, w, h in [entry["bbox"]]
        )
        (root / "Annotations" / Path(image["file_name"]).with_suffix(".xml")).write_text(
            f"<annotation><filename>{image['file_name']}</filename>"
            f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>\n{objects}</annotation>"
        )


def make_yolo(root: Path, content: dict[str, Any]) -> None:
    (root / "labels").mkdir()
    (root / "data.yaml").write_text(f"names: [{', '.join(CLASSES)}]\n")
    for image in content["images"]:
        lines = [
            f"{entry['category_id'] - 1} {(x + w / 2) / WIDTH} {(y + h / 2) / HEIGHT} {w / WIDTH} {h / HEIGHT}\n"
            for entry in content["annotations"]
            if entry["image_id"] == image["id"]
            for x, y, w, h in [entry["bbox"]]
        ]
        (root / "labels" / Path(image["file_name"]).with_suffix(".txt")).write_text("".join(lines))


@dataclass
class BrokenSet:
    """A copy of the healthy set for a mutation to break.

    content: of train.json; files: other JSON files by name; text: in place of train.json's JSON. expected: what must
    come out, by file: (class, x, y, w, h, area); a mutation that costs something on purpose says so here.
    data: keys of params.yaml's `data` that differ.
    """

    root: Path
    kind: str
    content: dict[str, Any]
    expected: Boxes
    files: dict[str, Any] = field(default_factory=dict)
    text: bytes | None = None
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def images(self) -> list[dict[str, Any]]:
        return self.content["images"]

    @property
    def annotations(self) -> list[dict[str, Any]]:
        return self.content["annotations"]

    @property
    def categories(self) -> list[dict[str, Any]]:
        return self.content["categories"]

    def path(self, index: int) -> Path:
        return self.root / "images" / self.images[index]["file_name"]

    def add_box(self, bbox: Any, image_id: Any = 3, **fields: Any) -> None:
        """One more box, which is not expected to come out."""
        self.annotations.append(
            {
                "id": 10_000 + len(self.annotations),
                "image_id": image_id,
                "category_id": 1,
                "bbox": bbox,
                "area": 200,
                "iscrowd": 0,
                **fields,
            }
        )

    def expect_box(self, file: str, label: str, *numbers: float) -> None:
        self.expected[f"images/{file}"] = sorted(
            [*self.expected[f"images/{file}"], (label, *map(float, numbers))]
        )

    def lose(self, *indices: int) -> None:
        """These images are not expected to come out."""
        for index in indices:
            del self.expected[f"images/{self.images[index]['file_name']}"]

    def add_image(self, name: str = "added.png", **fields: Any) -> Path:
        """One more image with a box, which are not expected to come out; returns where its file would be."""
        number = 1000 + len(self.images)
        self.images.append(
            {"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT, **fields}
        )
        self.add_box([10, 10, 20, 20], number)
        return self.root / "images" / name

    def move(self, split: str, start: int, stop: int) -> dict[str, Any]:
        """Takes images `start` to `stop` and their boxes into a file of their own, which is returned."""
        moved = self.images[start:stop]
        ids = {image["id"] for image in moved}
        own = {
            "images": moved,
            "annotations": [entry for entry in self.annotations if entry["image_id"] in ids],
            "categories": copy.deepcopy(self.categories),
        }
        self.content["images"] = self.images[:start] + self.images[stop:]
        self.content["annotations"] = [
            entry for entry in self.annotations if entry["image_id"] not in ids
        ]
        self.files[f"{split}.json"] = own
        self.data[split] = {"annotations": f"{split}.json", "images": "images"}
        return own

    def edit(self, name: str, change: Callable[[str], str]) -> None:
        """A text file of the set."""
        path = self.root / name
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")

    def write(self) -> None:
        for name, content in {"train.json": self.content, **self.files}.items():
            (self.root / name).write_text(json.dumps(content), encoding="utf-8")
        if self.text is not None:
            (self.root / "train.json").write_bytes(self.text)

    def params(self) -> dict[str, Any]:
        """`data` of params.yaml."""
        train = {"coco": "train.json", "voc": "Annotations", "yolo": "labels"}[self.kind]
        none = {"annotations": "", "images": ""}
        return {
            "source": self.kind,
            "root": str(self.root),
            "train": {"annotations": train, "images": "images"},
            "val": none,
            "test": none,
            "val_share": 0.25,
            "test_share": 0.25,
            "rare_boxes": 5,
            **self.data,
        }


class Healthy:
    """The healthy set on the disk, in all three formats, to copy from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.content = make_coco(folder)
        make_voc(folder, self.content)
        make_yolo(folder, self.content)
        self.expected: Boxes = {
            f"images/{image['file_name']}": [] for image in self.content["images"]
        }
        names = {image["id"]: f"images/{image['file_name']}" for image in self.content["images"]}
        for entry in self.content["annotations"]:
            self.expected[names[entry["image_id"]]].append(
                (
                    CLASSES[entry["category_id"] - 1],
                    *map(float, entry["bbox"]),
                    float(entry["area"]),
                )
            )
        self.expected = {name: sorted(boxes) for name, boxes in self.expected.items()}

    def copy(self, root: Path, kind: str = "coco") -> BrokenSet:
        own = {"coco": (), "voc": ("Annotations",), "yolo": ("labels", "data.yaml")}[kind]
        for name in ("images", *own):
            source = self.folder / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, root / name)
        expected = copy.deepcopy(self.expected)
        if kind != "coco":
            # These formats have no areas: they are those of the boxes.
            expected = {
                name: [(*box[:5], box[3] * box[4]) for box in boxes]
                for name, boxes in expected.items()
            }
        return BrokenSet(root, kind, copy.deepcopy(self.content), expected)
