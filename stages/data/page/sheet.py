"""The contact sheet: for each class a few images, chosen without chance over the splits and the
sizes it comes in."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from stages.data.page.pictures import Picture, draw, inside
from stages.data.page.words import counted

if TYPE_CHECKING:
    from stages.data.labels import Labels

# So many thumbnails in all keep a page of 80 classes under 6 MB; no class has more than one row of
# a wide screen.
_MOST, _MOST_PER_CLASS = 240, 8
# Pixels around a small box: enough to tell where it lies.
_LEAST = 96
_FIELDS = ["x", "y", "w", "h"]


@dataclass(frozen=True)
class Thumb:
    """`index` is the number of the split; `text` tells the boxes on it."""

    picture: Picture
    index: int
    split: str
    file: str
    name: str
    text: str


@dataclass(frozen=True)
class Row:
    name: str
    boxes: int
    images: int
    thumbs: tuple[Thumb, ...]


def sheet(report: dict, sets: dict[str, Labels], root: Path) -> tuple[list[Row], int]:
    """A row per class and one per split without labels, and how many classes have boxes but no room
    for a row.

    Opens files only where report["pixels"] is not "none".
    """
    tables = {split: _Split(labels) for split, labels in sets.items()}
    labelled = {split: table for split, table in tables.items() if len(table.boxes)}
    counts = {}
    for name in report["classes"]:
        counts[name] = sum(table.count(name) for table in labelled.values())
    # Classes with boxes, those with most first.
    occurring = sorted(filter(counts.get, counts), key=lambda name: (-counts[name], name))
    with_row = set(occurring[:_MOST])
    per_class = min(_MOST_PER_CLASS, max(1, _MOST // max(len(with_row), 1)))
    order = list(report["splits"]) or list(sets)
    artist = _Artist(root if report["pixels"] != "none" else None, tables, order)
    rows = []
    for name in report["classes"]:
        if name in with_row:
            images = {split: table.images_of(name) for split, table in labelled.items()}
            thumbs = artist.thumbs(_spread(images, per_class), name)
            rows.append(Row(name, counts[name], sum(map(len, images.values())), thumbs))
        elif not counts[name]:
            rows.append(Row(name, 0, 0, ()))
    for split, table in tables.items():
        is_labelled = report["splits"].get(split, {"labelled": True})["labelled"]
        if is_labelled or not len(table.images):
            continue
        chosen = _evenly(list(range(len(table.images))), per_class)
        thumbs = artist.thumbs([(split, row) for row in chosen], None)
        rows.append(Row(f"{split}: no labels", 0, len(table.images), thumbs))
    return rows, len(occurring) - len(with_row)


class _Split:
    """Boxes of one split by class and by image. Arrays: a table of a DataFrame for each image would
    take seconds."""

    def __init__(self, labels: Labels) -> None:
        self.images, self.classes = labels.images, list(labels.classes)
        self.boxes = labels.boxes[_FIELDS].to_numpy()
        self.area, self.label = labels.boxes["area"].to_numpy(), labels.boxes["label"].to_numpy()
        self._image = labels.boxes["image"].to_numpy()
        self._by_image = np.argsort(self._image, kind="stable")
        self._first = np.searchsorted(self._image[self._by_image], np.arange(len(self.images) + 1))
        names = labels.images["file_name"].tolist()
        self._rank = np.empty(len(names), dtype=np.int64)
        # Python sorts texts that are in order already, as most lists of images are, in one pass.
        self._rank[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
        # By class, then by image, the largest box of an image last.
        order = np.lexsort((self.area, self._image, self.label))
        first = np.searchsorted(self.label[order], np.arange(len(self.classes) + 1))
        self._of = dict(zip(self.classes, np.split(order, first[1:-1])))

    def count(self, name: str) -> int:
        return len(self._of.get(name, ()))

    def on(self, row: int) -> np.ndarray:
        """Rows of the image's boxes, the largest first."""
        rows = self._by_image[self._first[row] : self._first[row + 1]]
        return rows[np.argsort(-self.area[rows], kind="stable")]

    def images_of(self, name: str) -> list[int]:
        """Rows of the images with the class, by its largest box on each, small ones first."""
        rows = self._of.get(name, np.empty(0, dtype=np.int64))
        image = self._image[rows]
        is_last = np.ones(len(rows), dtype=bool)
        is_last[:-1] = image[1:] != image[:-1]
        largest = rows[is_last]
        image = self._image[largest]
        return image[np.lexsort((self._rank[image], self.area[largest]))].tolist()


def _spread(groups: dict[str, list[int]], most: int) -> list[tuple[str, int]]:
    """At most `most` images, a like number from each split as far as it has them, over its order's
    whole range."""
    room = dict.fromkeys(groups, 0)
    while sum(room.values()) < most:
        open_splits = [split for split in groups if room[split] < len(groups[split])]
        if not open_splits:
            break
        for split in open_splits[: most - sum(room.values())]:
            room[split] += 1
    places = []
    for split, rows in groups.items():
        for row in _evenly(rows, room[split]):
            places.append((split, row))
    return places


def _evenly(rows: list[int], number: int) -> list[int]:
    """`number` of the rows at equal distances, first and last among them; the middle one where it
    is one."""
    if number == 1:
        return [rows[len(rows) // 2]]
    places = np.linspace(0, len(rows) - 1, min(number, len(rows)))
    return [rows[round(place)] for place in places]


class _Artist:
    def __init__(self, root: Path | None, tables: dict[str, _Split], order: list[str]) -> None:
        self.root, self.tables, self.order = root, tables, order

    def thumbs(self, places: list[tuple[str, int]], name: str | None) -> tuple[Thumb, ...]:
        """places: splits and rows of images; those that cannot be drawn are left out."""
        thumbs = []
        for split, row in places:
            thumb = self._thumb(split, row, name)
            if thumb is not None:
                thumbs.append(thumb)
        return tuple(thumbs)

    def _thumb(self, split: str, row: int, name: str | None) -> Thumb | None:
        """The image in this row of a split with the boxes of a class; None where neither file nor
        size is known."""
        table = self.tables[split]
        image = table.images.iloc[row]
        file, size = str(image["file_name"]), (int(image["width"]), int(image["height"]))
        boxes = table.on(row)
        classes = [table.classes[label] for label in table.label[boxes]]
        of_class = np.array(classes, dtype=object) == name
        marked = table.boxes[boxes[of_class]].tolist()
        others = table.boxes[boxes[~of_class]].tolist()
        path = inside(self.root, file) if self.root else None
        focus = marked[0] if marked else None
        picture = draw(path, size, marked, others, focus=focus, least=_LEAST)
        if picture is None:
            return None
        if name is None:
            text, alt = f"{size[0]} × {size[1]} px", f"{file} ({split}), an image without labels"
        else:
            text = f"{len(marked)} of {counted(len(boxes), 'boxes')}"
            alt = f"{file} ({split}), {text} marked: {name}"
        if not picture.uri:
            alt = f"Layout of {alt}"
        index = 0
        if split in self.order:
            index = self.order.index(split)
        picture = dataclasses.replace(picture, alt=alt)
        return Thumb(picture, index, split, file, PurePosixPath(file).name or file, text)
