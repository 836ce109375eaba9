"""Sets made by hand: as files, and as the tables that a source gives to the checks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from stages.data.labels import Labels

Box = tuple[float, float, float, float]


def labels(
    boxes: Sequence[Sequence[Box]],
    size: tuple[int, int] = (100, 80),
    classes: Sequence[str] = ("can", "bag"),
    split: str = "train",
) -> Labels:
    """boxes: of each image, as x, y, w, h in pixels; of an image's boxes the first is of the first class, and so on."""
    images: list[dict[str, Any]] = []
    table: list[dict[str, Any]] = []
    for image, members in enumerate(boxes):
        images.append(
            {
                "file_name": f"{split}/{image}.png",
                "width": size[0],
                "height": size[1],
                "group": None,
                "group_number": image,
                "source": "made.json",
                "source_id": image,
                "other": {},
                "probe": None,
            }
        )
        for number, (x, y, w, h) in enumerate(members):
            table.append(
                {
                    "image": image,
                    "label": number % len(classes),
                    "x": x,
                    "y": y,
                    "w": w,
                    "h": h,
                    "area": w * h,
                    "iscrowd": 0,
                    "source": "made.json",
                    "source_id": len(table),
                    "entry": len(table),
                }
            )
    columns = [
        "image",
        "label",
        "x",
        "y",
        "w",
        "h",
        "area",
        "iscrowd",
        "source",
        "source_id",
        "entry",
    ]
    frame = pd.DataFrame(table, columns=columns)
    kinds = {
        "image": int,
        "label": int,
        "iscrowd": int,
        **dict.fromkeys(("x", "y", "w", "h", "area"), float),
    }
    return Labels(split, list(classes), pd.DataFrame(images), frame.astype(kinds))


def make_set(root: Path, images: int = 20, first_id: int = 0) -> dict:
    """A set as the study's: ids from 0. Every image shows two boxes, one of each class."""
    (root / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    content = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 0, "name": "can"}, {"id": 5, "name": "bag"}],
    }
    for index in range(first_id, first_id + images):
        cv2.imwrite(
            str(root / f"images/{index}.png"), rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        )
        content["images"].append(
            {"id": index, "file_name": f"images/{index}.png", "width": 64, "height": 64}
        )
        for box, category in (([1, 2, 10, 20], 0), ([20, 20, 30, 20], 5)):
            content["annotations"].append(
                {
                    "id": len(content["annotations"]),
                    "image_id": index,
                    "category_id": category,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    return content


def write(root: Path, content: dict, name: str = "annotations.json") -> None:
    (root / name).write_text(json.dumps(content), encoding="utf-8")
