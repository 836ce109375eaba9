"""Small pictures of a split's images, each stored once as a data URI, with boxes as SVG over it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages.data.page.pictures import Picture, choose_window, draw_picture, file_inside
from stages.report.shown_cells import Shown

LONG_SIDE = 320
# With some forty pictures on a page, one of base64 makes a megabyte.
_MOST_BYTES = 21_000
# A small box is shown with what is around it, on a piece of at least so many pixels.
_LEAST = 48
# More than these on a picture are one blot; the page says how many are left out.
MOST_SHAPES = 60


@dataclass(frozen=True)
class DrawnBox:
    """What to draw, in pixels of the image or in units of the picture. kind: a class of the style
    sheet; title: what pointing at it says; lit: one that the picture is there for."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    dashed: bool
    title: str
    lit: bool = False

    @property
    def area(self) -> float:
        return self.width * self.height


@dataclass(frozen=True)
class Photo:
    """picture: without a `uri` where the image cannot be read, of which `fault` says so."""

    key: str
    picture: Picture
    fault: str


@dataclass(frozen=True)
class Shot:
    """A photo with boxes, `more` of which are not drawn, and what is right and wrong on it, or why
    to look at it again, in words. cell: whose detections, if anyone's."""

    photo: Photo
    name: str
    shapes: list[DrawnBox]
    more: int
    words: str
    cell: Shown | None


class Album:
    """The images of a split. Each piece of an image is decoded and stored once."""

    def __init__(self, annotations: Path, root: Path) -> None:
        """annotations: the split's COCO file as stage prepare writes it; root: what info.image_root
        starts from.

        Raises OSError, KeyError, TypeError or ValueError where it is no such file.
        """
        coco = json.loads(annotations.read_bytes())
        self.split = annotations.stem
        self._root = root / coco["info"]["image_root"]
        self._images: dict[int, Mapping[str, Any]] = {
            image["id"]: image for image in coco["images"]
        }
        self._photos: dict[tuple[int, tuple[float, ...]], Photo] = {}

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._images

    @property
    def photos(self) -> list[Photo]:
        """All that were shown and could be read."""
        return [photo for photo in self._photos.values() if photo.picture.uri]

    def shot(
        self,
        image_id: int,
        boxes: Sequence[DrawnBox],
        words: str = "",
        *,
        cell: Shown | None = None,
        focus: Sequence[float] = (),
    ) -> Shot:
        """An image with boxes; large ones lie behind small ones, so that each can be pointed at.
        With a small `focus` only the piece around it. Never raises for a bad image."""
        image = self._images[image_id]
        name = str(image["file_name"])
        size = (max(1, int(image.get("width") or 1)), max(1, int(image.get("height") or 1)))
        window = choose_window(size, focus or None, _LEAST)
        scale = LONG_SIDE / max(window.width, window.height)
        # What a picture is there for first, then the largest.
        by_weight = sorted(boxes, key=lambda box: (not box.lit, -box.area))
        shapes = []
        for box in by_weight[:MOST_SHAPES]:
            shape = replace(
                box,
                x=round(float(box.x - window.x) * scale, 1),
                y=round(float(box.y - window.y) * scale, 1),
                width=round(float(box.width) * scale, 1),
                height=round(float(box.height) * scale, 1),
            )
            across = shape.x < window.width * scale and shape.x + shape.width > 0
            if across and shape.y < window.height * scale and shape.y + shape.height > 0:
                shapes.append(shape)
        shapes.sort(key=lambda shape: -shape.area)
        if (window.width, window.height) == size:
            focus = ()
        photo = self._photo(image_id, name, size, focus)
        return Shot(photo, name, shapes, max(0, len(boxes) - MOST_SHAPES), words, cell)

    def _photo(
        self, image_id: int, name: str, size: tuple[int, int], focus: Sequence[float]
    ) -> Photo:
        key = (image_id, tuple(focus))
        if key not in self._photos:
            path = file_inside(self._root, name)
            options = {"least": _LEAST, "long_side": LONG_SIDE, "most_bytes": _MOST_BYTES}
            picture = draw_picture(path, size, (), focus=focus or None, **options)
            fault = ""
            if path is None:
                fault = "this image is missing"
            elif not picture.uri:
                fault = "this image cannot be read"
            self._photos[key] = Photo(f"{self.split}{len(self._photos)}", picture, fault)
        return self._photos[key]
