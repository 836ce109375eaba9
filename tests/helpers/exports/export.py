"""The images and boxes that all exports are made of, and the registry of exports."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

WIDTH, HEIGHT = 64, 48
CLASSES = ("can", "bag")
Box = tuple[str, int, int, int, int]


@dataclass
class Export:
    """A folder that a tool would have left. boxes: (class, x, y, width, height) by an image's name."""

    root: Path
    boxes: dict[str, list[Box]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for index in range(6):
            self.boxes[f"a{index}.jpg"] = [
                ("can", 4 + index, 6, 20, 14),
                ("bag", 30, 10 + index, 12, 22),
            ]

    def names(self, split: str) -> list[str]:
        """Four images of train, one of val and one of test."""
        names = list(self.boxes)
        return {"train": names[:4], "val": names[4:5], "test": names[5:], "": names}[split]

    def image(self, path: str, name: str) -> None:
        """An image of its own look for each name."""
        rng = np.random.default_rng(int(name[1]))
        coarse = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(
            cv2.imencode(file.suffix, cv2.resize(coarse, (WIDTH, HEIGHT)))[1].tobytes()
        )

    def images(self, folder: str, split: str = "") -> None:
        for name in self.names(split):
            self.image(f"{folder}/{name}", name)

    def text(self, path: str, *lines: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def json(self, path: str, content: Any) -> None:
        self.text(path, json.dumps(content))

    def coco(
        self,
        path: str,
        split: str = "",
        start: str = "",
        names: dict[str, str] | None = None,
        **fields: Any,
    ) -> None:
        """start: what stands before each file_name; names: those of another machine; fields: of each annotation."""
        content: dict[str, Any] = {
            "info": {"description": "made by a test"},
            "licenses": [{"id": 0, "name": "", "url": ""}],
            "images": [],
            "annotations": [],
            "categories": [{"id": 1, "name": "can", "supercategory": ""}, {"id": 2, "name": "bag"}],
        }
        for number, name in enumerate(self.names(split), 1):
            content["images"].append(
                {
                    "id": number,
                    "width": WIDTH,
                    "height": HEIGHT,
                    "file_name": (names or {}).get(name, f"{start}{name}"),
                }
            )
            for label, x, y, w, h in self.boxes[name]:
                content["annotations"].append(
                    {
                        "id": len(content["annotations"]) + 1,
                        "image_id": number,
                        "category_id": 1 + CLASSES.index(label),
                        "bbox": [x, y, w, h],
                        "area": w * h,
                        "iscrowd": 0,
                        **fields,
                    }
                )
        self.json(path, content)

    def voc(
        self, folder: str, split: str = "", filename: Callable[[str], str] = str, path: str = ""
    ) -> None:
        for name in self.names(split):
            objects = [
                f"<object><name>{label}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"
                f"<bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox>"
                "</object>"
                for label, x, y, w, h in self.boxes[name]
            ]
            self.text(
                f"{folder}/{Path(name).stem}.xml",
                "<annotation>",
                "<folder>images</folder>",
                f"<filename>{filename(name)}</filename>",
                f"<path>{path}{name}</path>",
                f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>",
                "<segmented>0</segmented>",
                *objects,
                "</annotation>",
            )

    def yolo(self, folder: str, split: str = "") -> None:
        for name in self.names(split):
            self.text(
                f"{folder}/{Path(name).stem}.txt",
                *(
                    f"{CLASSES.index(label)} {(x + w / 2) / WIDTH} {(y + h / 2) / HEIGHT} {w / WIDTH} {h / HEIGHT}"
                    for label, x, y, w, h in self.boxes[name]
                ),
            )


@dataclass(frozen=True)
class Reading:
    """sources: what must be recognised: split -> (annotations, images)."""

    build: Callable[[Export], None]
    source: str
    sources: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Refusing:
    """says: what the line must have: the tool, and the way out."""

    build: Callable[[Export], None]
    says: tuple[str, ...]


READ: dict[str, Reading] = {}
REFUSED: dict[str, Refusing] = {}


def reads(source: str, **sources: tuple[str, str]) -> Callable:
    def register(build: Callable[[Export], None]) -> Callable[[Export], None]:
        READ[build.__name__] = Reading(build, source, sources)
        return build

    return register


def refuses(*says: str) -> Callable:
    def register(build: Callable[[Export], None]) -> Callable[[Export], None]:
        REFUSED[build.__name__] = Refusing(build, says)
        return build

    return register
