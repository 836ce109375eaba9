"""Tables of images and boxes made by hand, as a source gives them to the checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
