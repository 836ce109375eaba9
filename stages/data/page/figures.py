"""Which images the page shows: examples of findings, and the contact sheet, which has a few of each
class, spread evenly over its splits and sizes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from stages.data.page.pictures import Box, Picture, draw_picture, file_inside
from stages.data.probe import Size
from stages.study.counts import count

if TYPE_CHECKING:
    import pandas as pd

    from stages.data.labels import Labels

# So many thumbnails keep a page of 80 classes under 6 MB; a class has a row of a wide screen.
_MOST, _MOST_PER_CLASS = 240, 8
# Pixels around a small box: enough to tell where it lies.
_LEAST = 96
# Examples are for the worst findings first: so many in all, and of one finding.
_MOST_SHOTS, _MOST_SHOTS_EACH = 40, 4
_SHOT_SIDE, _SHOT_BYTES = 260, 15_000


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
class SheetRow:
    name: str
    boxes: int
    images: int
    thumbs: list[Figure]


def sheet(report: dict, sets: dict[str, Labels], root: Path | None) -> tuple[list[SheetRow], int]:
    """A row per class and one per split without labels, and how many classes have boxes but no room
    for a row. root: None where no file is opened."""
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
    rows = []
    for name, images in images_of.items():
        if name in with_row:
            thumbs: list[Figure] = []
            for split, chosen in _spread(images, per_class).items():
                thumbs += _thumbs(split, sets[split], chosen, name, root)
            rows.append(SheetRow(name, counts[name], sum(map(len, images.values())), thumbs))
        elif not counts[name]:
            rows.append(SheetRow(name, 0, 0, []))
    for split, labels in sets.items():
        total = len(labels.images)
        if total and not report["splits"][split]["labelled"]:
            chosen = _evenly(list(range(total)), per_class)
            thumbs = _thumbs(split, labels, chosen, None, root)
            rows.append(SheetRow(f"{split}: no labels", 0, total, thumbs))
    return rows, len(occurring) - len(with_row)


def boxes_on(labels: Labels, row: int) -> pd.DataFrame:
    """The boxes of the image in this row, the largest first."""
    boxes = labels.boxes.iloc[np.flatnonzero(labels.boxes["image"].to_numpy() == row)]
    return boxes.sort_values("area", ascending=False, kind="stable")


def _spread(images: dict[str, list[int]], most: int) -> dict[str, list[int]]:
    """At most `most` images, a like number from each split, over the whole range of its order."""
    room = dict.fromkeys(images, 0)
    while sum(room.values()) < most:
        open_splits = [split for split in images if room[split] < len(images[split])]
        if not open_splits:
            break
        for split in open_splits[: most - sum(room.values())]:
            room[split] += 1
    return {split: _evenly(rows, room[split]) for split, rows in images.items()}


def _evenly(rows: list[int], number: int) -> list[int]:
    """`number` rows at equal distances, first and last among them, or the middle one alone."""
    if number == 1:
        return [rows[len(rows) // 2]]
    places = np.linspace(0, len(rows) - 1, min(number, len(rows)))
    return [rows[round(place)] for place in places]


def _thumbs(
    split: str, labels: Labels, rows: list[int], name: str | None, root: Path | None
) -> list[Figure]:
    """Images of a split with the boxes of a class, but those with neither a file nor a size."""
    thumbs = []
    for row in rows:
        image, boxes = labels.images.iloc[row], boxes_on(labels, row)
        file, size = str(image["file_name"]), (int(image["width"]), int(image["height"]))
        of_class = np.array([labels.classes[label] == name for label in boxes["label"]], dtype=bool)
        sides = boxes[["x", "y", "w", "h"]].to_numpy()
        marked, others = sides[of_class].tolist(), sides[~of_class].tolist()
        focus = marked[0] if marked else None
        path = file_inside(root, file)
        picture = draw_picture(path, size, marked, others, focus=focus, least=_LEAST)
        if picture is None:
            continue
        text = f"{len(marked)} of {count(len(boxes), 'boxes')}"
        alt = f"{file} ({split}), {text} marked: {name}"
        if name is None:
            text, alt = f"{size[0]} × {size[1]} px", f"{file} ({split}), an image without labels"
        thumbs.append(Figure(picture, split, file, text, alt))
    return thumbs


class Shots:
    """Pictures of examples, as long as the page has room. root: None where no file is opened."""

    def __init__(self, sets: dict[str, Labels], root: Path | None) -> None:
        self.sets, self.root = sets, root
        self.room = _MOST_SHOTS
        # Split -> file -> row of the image.
        self.rows: dict[str, dict[str, int]] = {}
        for split, labels in sets.items():
            names = labels.images["file_name"]
            self.rows[split] = {name: row for row, name in enumerate(names)}

    def of(self, examples: list[dict]) -> list[Figure]:
        drawn = filter(None, map(self._shot, examples))
        shots = list(islice(drawn, min(_MOST_SHOTS_EACH, self.room)))
        self.room -= len(shots)
        return shots

    def _shot(self, example: dict) -> Figure | None:
        """None where the file cannot be opened and there is no box or no size to draw."""
        file, split = example["file"], example["split"]
        if not file:
            return None
        box = _usable(example["box"])
        size, neighbours = self._layout(file, split, box)
        options = {"long_side": _SHOT_SIDE, "most_bytes": _SHOT_BYTES}
        path, marked = file_inside(self.root, file), [box] if box else []
        picture = draw_picture(path, size, marked, neighbours, focus=box, **options)
        if picture is None or not (picture.uri or box):
            return None
        captions = [example["label"] or ""]
        if box:
            captions.append(f"{abs(box[2]):.3g} × {abs(box[3]):.3g} px")
        captions.append(picture.window.words)
        caption = " · ".join(filter(None, captions))
        alt = f"{file} ({split or 'no split'})"
        if caption:
            alt += f": {caption}"
        return Figure(picture, split or "", file, caption, alt)

    def _layout(self, file: str, split: str, box: Box | None) -> tuple[Size | None, list[Box]]:
        """The image's size and its other boxes, largest first; None and [] where in no split."""
        # An example names the split that was read; its image may be in another one since.
        for name in (split, *self.rows):
            if file in self.rows.get(name, ()):
                break
        else:
            return None, []
        labels, row = self.sets[name], self.rows[name][file]
        width, height = labels.images[["width", "height"]].iloc[row]
        boxes = boxes_on(labels, row)[["x", "y", "w", "h"]].to_numpy()
        if box is not None:
            # But for rounding.
            boxes = boxes[np.abs(boxes - box).max(axis=1) > 0.5]
        return (int(width), int(height)), boxes.tolist()


def _usable(box: object) -> Box | None:
    """None where `box` is not four finite numbers."""
    if not isinstance(box, list) or len(box) != 4:
        return None
    for value in box:
        # Not true of NaN either.
        if not isinstance(value, (int, float)) or not abs(value) < 1e300:
            return None
    return list(map(float, box))
