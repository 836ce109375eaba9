"""Images and boxes as two tables: what the sources give, the checks mend, and the later stages get
as COCO files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.files import replacing
from stages.study.metrics import SIZE_LIMITS, SIZES

# Entries of a COCO file are encoded this many at a time: memory stays flat and writing stays fast.
_BLOCK = 20_000
# Escapes instead of letters outside ASCII: MMDetection and pycocotools open the file in the
# locale's encoding.
_JSON = json.JSONEncoder(separators=(",", ":"), default=str)
_IMAGE_COLUMNS = ("file_name", "width", "height", "source", "source_id")
# Those that come first in an entry of a box.
_BOX_COLUMNS = ("image", "label", "x", "y", "w", "h", "area", "iscrowd")


@dataclass
class Labels:
    """The images and boxes of a split, or of one of its files. Both tables are numbered from 0
    without gaps.

    images: file_name (from the root of the images, with '/'), width, height (pixels, 0 = unknown),
    group (object or None), group_number (images of one number, over all splits, stay on one side of
    every split), source (the annotation file), source_id (as in that file), other (dict: further
    COCO fields), probe (of its file, None where none was opened). boxes: image (row of images),
    label (index into classes), x, y, w, h (pixels), area, iscrowd, source, source_id, entry
    (position in COCO's list, or the place in a label file as text). relative: boxes are still
    shares of the image's width and height. centred: its file gives the middle of a box, not a
    corner.
    """

    split: str
    classes: list[str]
    images: pd.DataFrame
    boxes: pd.DataFrame
    relative: bool = False
    centred: bool = False

    @property
    def xywh(self) -> np.ndarray:
        """(boxes, 4) x, y, w, h."""
        return self.boxes[list("xywh")].to_numpy()

    def image_sizes(self) -> np.ndarray:
        """(boxes, 2) width and height of each box's image."""
        sizes = self.images[["width", "height"]].to_numpy()
        return sizes[self.boxes["image"].to_numpy()]

    def keep_images(self, keep: np.ndarray) -> None:
        """Leaves the images where `keep` (images,) is True, and their boxes."""
        if keep.all():
            return
        row = np.cumsum(keep) - 1
        image = self.boxes["image"].to_numpy()
        keep_box = keep[image]
        self.images = self.images[keep].reset_index(drop=True)
        self.boxes = self.boxes[keep_box].reset_index(drop=True)
        self.boxes["image"] = row[image[keep_box]]

    def part(self, split: str, chosen: np.ndarray) -> Labels:
        """A split of its own with the images where `chosen` (images,) is True."""
        part = dataclasses.replace(self, split=split)
        part.keep_images(chosen)
        return part

    def place(self, row: int) -> dict[str, Any]:
        """Where findings say that the image in this row is."""
        images = self.images
        source, file = images["source"].iat[row], images["file_name"].iat[row]
        return {"split": self.split, "source": source, "file": file}

    def boxes_per_class(self) -> np.ndarray:
        """(images, classes) numbers of boxes."""
        return self._boxes_per(self.boxes["label"].to_numpy(), len(self.classes))

    def boxes_per_size(self) -> np.ndarray:
        """(images, 3) numbers of boxes of each of SIZES."""
        return self._boxes_per(np.digitize(self.boxes["area"].to_numpy(), SIZE_LIMITS), len(SIZES))

    def _boxes_per(self, kind: np.ndarray, kinds: int) -> np.ndarray:
        counts = np.zeros(len(self.images) * kinds, dtype=np.int32)
        # One index and a number of the same type is what NumPy adds fast.
        np.add.at(counts, self.boxes["image"].to_numpy() * kinds + kind, np.int32(1))
        return counts.reshape(len(self.images), kinds)

    def scored_per_class(self) -> np.ndarray:
        """(classes,) numbers of boxes that are learnt and scored: crowds are not."""
        labels = self.boxes["label"].to_numpy()[self._is_scored()]
        return np.bincount(labels, minlength=len(self.classes))

    def scored_per_size(self) -> np.ndarray:
        """(3,) numbers of boxes of each of SIZES that are learnt and scored."""
        areas = self.boxes["area"].to_numpy()[self._is_scored()]
        return np.bincount(np.digitize(areas, SIZE_LIMITS), minlength=len(SIZES))

    def _is_scored(self) -> np.ndarray:
        return self.boxes["iscrowd"].to_numpy() == 0

    def summary(self) -> dict[str, Any]:
        """Counts for the data report: images, boxes, and those scored per class and per COCO size."""
        return {
            "images": len(self.images),
            "boxes": len(self.boxes),
            "images_without_boxes": int(len(self.images) - self.boxes["image"].nunique()),
            "classes": dict(zip(self.classes, self.scored_per_class().tolist())),
            "sizes": dict(zip(SIZES, self.scored_per_size().tolist())),
        }

    def write_coco(self, path: Path, info: dict[str, Any]) -> None:
        """One packed file with ids from 1: pycocotools takes 0 for "unmatched", which costs AP."""
        with replacing(path) as temporary, temporary.open("w", encoding="ascii") as file:
            file.write(f'{{"info":{_JSON.encode(info)},"images":[')
            _write_list(file, len(self.images), self._image_entries)
            file.write('],"annotations":[')
            _write_list(file, len(self.boxes), self._box_entries)
            categories = [{"id": index, "name": name} for index, name in enumerate(self.classes, 1)]
            file.write(f'],"categories":{_JSON.encode(categories)}}}')

    def _image_entries(self, start: int, stop: int) -> str:
        part = self.images.iloc[start:stop]
        entries = []
        for row, (further, group, *values) in enumerate(
            zip(*(part[name].tolist() for name in ("other", "group", *_IMAGE_COLUMNS))), start
        ):
            entry = {**further, "id": row + 1, **dict(zip(_IMAGE_COLUMNS, values))}
            if group is not None:
                entry["group"] = group
            entries.append(entry)
        return _JSON.encode(entries)[1:-1]

    def _box_entries(self, start: int, stop: int) -> str:
        """As text by hand, which takes a third of an encoder's time."""
        part = self.boxes.iloc[start:stop]
        columns = [part[name].tolist() for name in _BOX_COLUMNS]
        ids = part["source_id"]
        columns.append(ids.tolist() if ids.dtype == np.int64 else map(_JSON.encode, ids))
        entries = []
        for index, (image, label, x, y, w, h, area, crowd, source_id) in enumerate(
            zip(*columns), start + 1
        ):
            entries.append(
                f'{{"id":{index},"image_id":{image + 1},"category_id":{label + 1},'
                f'"bbox":[{x!r},{y!r},{w!r},{h!r}],"area":{area!r},"iscrowd":{crowd},'
                f'"source_id":{source_id}}}'
            )
        return ",".join(entries)


def entry_name(entry: int | str) -> str:
    """A box's `entry` as reports show it."""
    if isinstance(entry, str):
        return entry
    return f"annotations[{entry}]"


def join_labels(parts: Sequence[Labels]) -> Labels:
    """Several annotation files as one split. All have the same classes."""
    if len(parts) == 1:
        return parts[0]
    offsets = np.cumsum([0, *(len(part.images) for part in parts)])
    boxes = []
    for part, offset in zip(parts, offsets):
        boxes.append(part.boxes.assign(image=part.boxes["image"] + offset))
    return dataclasses.replace(
        parts[0],
        images=pd.concat([part.images for part in parts], ignore_index=True),
        boxes=pd.concat(boxes, ignore_index=True),
    )


def _write_list(file: Any, count: int, entries: Callable[[int, int], str]) -> None:
    """entries: from a row to another, as objects with commas between."""
    for start in range(0, count, _BLOCK):
        if start:
            file.write(",")
        file.write(entries(start, min(start + _BLOCK, count)))
