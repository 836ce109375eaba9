"""The contact sheet: for each class a few images, chosen without chance over the splits and the
sizes it comes in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from stages.data.page.pictures import Picture, draw, inside
from stages.study.counts import count

if TYPE_CHECKING:
    import pandas as pd

    from stages.data.labels import Labels

# So many thumbnails in all keep a page of 80 classes under 6 MB; no class has more than one row of
# a wide screen.
_MOST, _MOST_PER_CLASS = 240, 8
# Pixels around a small box: enough to tell where it lies.
_LEAST = 96


@dataclass(frozen=True)
class Figure:
    """A picture of the image `file` of a split; `text` tells what is on it, `alt` what it shows."""

    picture: Picture
    split: str
    file: str
    text: str
    alt: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.file).name or self.file


@dataclass(frozen=True)
class Row:
    name: str
    boxes: int
    images: int
    thumbs: list[Figure]


def sheet(report: dict, sets: dict[str, Labels], root: Path) -> tuple[list[Row], int]:
    """A row per class and one per split without labels, and how many classes have boxes but no room
    for a row.

    Opens files only where report["pixels"] is not "none".
    """
    classes = report["classes"]
    counts = dict.fromkeys(classes, 0)
    images_of: dict[str, dict[str, list[int]]] = {name: {} for name in classes}
    for split, labels in sets.items():
        names = labels.images["file_name"].tolist()
        # Of each image's name among all.
        rank = np.argsort(sorted(range(len(names)), key=names.__getitem__))
        for label, boxes in labels.boxes[["label", "image", "area"]].groupby("label"):
            counts[classes[label]] += len(boxes)
            # By the largest box of the class on each, small ones first.
            largest = boxes.groupby("image")["area"].max()
            order = np.lexsort((rank[largest.index], largest))
            images_of[classes[label]][split] = largest.index[order].tolist()
    # Classes with boxes, those with most first.
    occurring = sorted(filter(counts.get, counts), key=lambda name: (-counts[name], name))
    with_row = set(occurring[:_MOST])
    per_class = min(_MOST_PER_CLASS, max(1, _MOST // max(len(with_row), 1)))
    folder = root if report["pixels"] != "none" else None
    rows = []
    for name, images in images_of.items():
        if name in with_row:
            thumbs: list[Figure] = []
            for split, chosen in _spread(images, per_class).items():
                thumbs += _thumbs(split, sets[split], chosen, name, folder)
            rows.append(Row(name, counts[name], sum(map(len, images.values())), thumbs))
        elif not counts[name]:
            rows.append(Row(name, 0, 0, []))
    for split, labels in sets.items():
        total = len(labels.images)
        if total and not report["splits"][split]["labelled"]:
            chosen = _evenly(list(range(total)), per_class)
            thumbs = _thumbs(split, labels, chosen, None, folder)
            rows.append(Row(f"{split}: no labels", 0, total, thumbs))
    return rows, len(occurring) - len(with_row)


def boxes_on(labels: Labels, row: int) -> pd.DataFrame:
    """The boxes of the image in this row, the largest first."""
    boxes = labels.boxes.iloc[np.flatnonzero(labels.boxes["image"].to_numpy() == row)]
    return boxes.sort_values("area", ascending=False, kind="stable")


def _spread(images: dict[str, list[int]], most: int) -> dict[str, list[int]]:
    """At most `most` images, a like number from each split as far as it has them, over its order's
    whole range."""
    room = dict.fromkeys(images, 0)
    while sum(room.values()) < most:
        open_splits = [split for split in images if room[split] < len(images[split])]
        if not open_splits:
            break
        for split in open_splits[: most - sum(room.values())]:
            room[split] += 1
    return {split: _evenly(rows, room[split]) for split, rows in images.items()}


def _evenly(rows: list[int], number: int) -> list[int]:
    """`number` of the rows at equal distances, first and last among them; the middle one where it
    is one."""
    if number == 1:
        return [rows[len(rows) // 2]]
    places = np.linspace(0, len(rows) - 1, min(number, len(rows)))
    return [rows[round(place)] for place in places]


def _thumbs(
    split: str, labels: Labels, rows: list[int], name: str | None, root: Path | None
) -> list[Figure]:
    """The images in these rows of a split with the boxes of a class; those of which neither file
    nor size is known are left out."""
    thumbs = []
    for row in rows:
        image, boxes = labels.images.iloc[row], boxes_on(labels, row)
        file, size = str(image["file_name"]), (int(image["width"]), int(image["height"]))
        of_class = np.array([labels.classes[label] == name for label in boxes["label"]], dtype=bool)
        sides = boxes[["x", "y", "w", "h"]].to_numpy()
        marked = sides[of_class].tolist()
        picture = draw(
            inside(root, file) if root else None,
            size,
            marked,
            sides[~of_class].tolist(),
            focus=marked[0] if marked else None,
            least=_LEAST,
        )
        if picture is None:
            continue
        text = f"{len(marked)} of {count(len(boxes), 'boxes')}"
        alt = f"{file} ({split}), {text} marked: {name}"
        if name is None:
            text, alt = f"{size[0]} × {size[1]} px", f"{file} ({split}), an image without labels"
        thumbs.append(Figure(picture, split, file, text, alt))
    return thumbs
