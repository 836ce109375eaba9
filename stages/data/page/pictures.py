"""One picture of the page: the piece of an image that is worth showing, as JPEG, and its boxes as
SVG paths."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from stages.data.disk import boundary
from stages.data.page.window import Box, Window, choose_window, corner
from stages.data.probe import FORMATS, ORIENTATION, REDUCTIONS, SWAPPED, decode

log = logging.getLogger(__name__)
# More boxes than these on a thumbnail are one blot, and a larger page.
_MOST_MARKED, _MOST_OTHERS = 100, 60
_LOCATOR = 0.17


@dataclass(frozen=True)
class Picture:
    """`uri` is a JPEG data URI, "" where only the layout is drawn; `place` is where it lies: x, y,
    width, height.

    All geometry is in units of a canvas of `width` x `height`, whose longer side is what draw() was
    asked for. `marked` and `others` are SVG path data. `zoom` is 1 for a whole image; above it
    `locator` holds two rectangles x, y, width, height: the image, and the shown piece of it.
    `padded` where the canvas reaches past the image.
    """

    uri: str
    width: float
    height: float
    place: tuple[float, float, float, float]
    marked: str
    others: str
    zoom: float
    pixelated: bool
    padded: bool
    locator: tuple[tuple[float, float, float, float], ...]
    words: str
    alt: str = ""


def inside(root: Path, file_name: str) -> Path | None:
    """The file `file_name` under `root` with all links followed, None where there is none or it
    leads outside."""
    try:
        path = (root / file_name).resolve()
        if boundary(root).holds(str(path)) and path.is_file():
            return path
    except (OSError, ValueError, RuntimeError):
        # A name too long, a null character, a loop of links.
        return None
    return None


def draw(
    path: Path | None,
    size: tuple[int, int] | None,
    marked: Sequence[Box],
    others: Sequence[Box] = (),
    *,
    focus: Box | None = None,
    least: int = 36,
    long_side: int = 200,
    most_bytes: int = 12_000,
) -> Picture | None:
    """A picture of the image at `path` with `marked` and `others` boxes: x, y, width, height in
    displayed pixels.

    Zooms in on `focus` where it is small, to a piece of `least` pixels or more, and pads the canvas
    where it reaches outside. Without a readable file the layout is drawn on a plain canvas of
    `size` (width, height); None where `size` is None too. Never raises for a bad file. The JPEG is
    at most about `most_bytes` long.
    """
    if path is not None:
        try:
            return _photograph(
                path.read_bytes(),
                marked,
                others,
                lambda size: choose_window(size, focus, least),
                long_side,
                most_bytes,
            )
        # Pillow's readers raise nearly anything on a broken or oversized file.
        except Exception as error:
            log.info("%s: drawn without its pixels: %s", path, error)
    if size is None or min(size) < 1:
        return None
    return _compose(choose_window(size, focus, least), size, marked, others, long_side, "", False)


def _photograph(
    data: bytes,
    marked: Sequence[Box],
    others: Sequence[Box],
    window_of: Callable[[tuple[int, int]], Window],
    long_side: int,
    most_bytes: int,
) -> Picture:
    """What a training sees of the file. Raises nearly anything where it cannot be read."""
    image, size = _decoded(data, window_of, long_side)
    window = window_of(size)
    scale = long_side / max(window.width, window.height)
    x0, y0, x1, y1 = _visible(window, size)
    uri = ""
    if x1 > x0 and y1 > y0:
        across, down = image.width / size[0], image.height / size[1]
        # Never enlarged: the browser does that, and a zoomed pixel is then one pixel of the file.
        shrink = min(scale, 1)
        pixels = (max(1, round((x1 - x0) * shrink)), max(1, round((y1 - y0) * shrink)))
        box = (x0 * across, y0 * down, x1 * across, y1 * down)
        if scale < 1:
            uri = _jpeg(image.resize(pixels, Image.Resampling.LANCZOS, box), 75, most_bytes)
        else:
            uri = _jpeg(image.resize(pixels, Image.Resampling.NEAREST, box), 90, most_bytes)
    return _compose(window, size, marked, others, long_side, uri, scale > 2)


def _visible(window: Window, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1: the part of the window that lies in the image."""
    return (
        max(window.x, 0),
        max(window.y, 0),
        min(window.x + window.width, size[0]),
        min(window.y + window.height, size[1]),
    )


def _decoded(
    data: bytes, window_of: Callable[[tuple[int, int]], Window], long_side: int
) -> tuple[Image.Image, tuple[int, int]]:
    """The picture, of a JPEG no larger than it will be shown, and the whole one's width and height.

    Pillow looks at the header alone: it refuses formats that start other programs, and more pixels
    than are safe.
    """
    reduction = 1
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        size = image.size
        if image.format in {"JPEG", "MPO"}:
            if image.getexif().get(ORIENTATION, 1) in SWAPPED:
                size = (size[1], size[0])
            window = window_of(size)
            most = max(window.width, window.height) / long_side
            reduction = max((step for step in REDUCTIONS if step <= most), default=1)
    picture = decode(data, reduction)
    if picture is None:
        raise ValueError("OpenCV cannot decode it")
    if reduction == 1:
        size = (picture.shape[1], picture.shape[0])
    return Image.fromarray(np.ascontiguousarray(picture[..., ::-1])), size


def _jpeg(image: Image.Image, quality: int, most_bytes: int) -> str:
    for attempt in (quality, 55, 30, 12):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=min(attempt, quality), optimize=True)
        if buffer.tell() <= most_bytes:
            break
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _compose(
    window: Window,
    size: tuple[int, int],
    marked: Sequence[Box],
    others: Sequence[Box],
    long_side: int,
    uri: str,
    pixelated: bool,
) -> Picture:
    scale = long_side / max(window.width, window.height)
    zoom = max(size) / max(window.width, window.height)
    x0, y0, x1, y1 = _visible(window, size)
    place = (x0 - window.x, y0 - window.y, max(x1 - x0, 0), max(y1 - y0, 0))
    locator: tuple[tuple[float, float, float, float], ...] = ()
    if zoom > 1.2:
        locator = _locator(window, size, long_side, scale)
    return Picture(
        uri=uri,
        width=round(window.width * scale, 1),
        height=round(window.height * scale, 1),
        place=_rounded(side * scale for side in place),
        marked=_path(marked, window, scale, _MOST_MARKED),
        others=_path(others, window, scale, _MOST_OTHERS),
        zoom=zoom,
        pixelated=pixelated,
        padded=window.padded,
        locator=locator,
        words=window.words,
    )


def _locator(
    window: Window, size: tuple[int, int], long_side: int, scale: float
) -> tuple[tuple[float, float, float, float], ...]:
    small = _LOCATOR * long_side / max(size)
    width, height = size[0] * small, size[1] * small
    at_right, at_bottom = corner(window)
    x: float = 5
    y: float = 5
    if at_right:
        x = window.width * scale - width - 5
    if at_bottom:
        y = window.height * scale - height - 5
    # At least two units across: the piece may be a hundredth of the image.
    across, down = max(window.width * small, 2.5), max(window.height * small, 2.5)
    piece_x = x + min(max(window.x * small, 0), width - across)
    piece_y = y + min(max(window.y * small, 0), height - down)
    return _rounded((x, y, width, height)), _rounded((piece_x, piece_y, across, down))


def _rounded(sides: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(side, 1) for side in sides)


def _path(boxes: Sequence[Box], window: Window, scale: float, most: int) -> str:
    """The first `most` boxes that touch the window, each cut not far outside of it: the canvas
    hides the rest."""
    parts = []
    for x, y, width, height in boxes:
        low_x, high_x = sorted((x - window.x, x + width - window.x))
        low_y, high_y = sorted((y - window.y, y + height - window.y))
        if high_x < 0 or high_y < 0 or low_x > window.width or low_y > window.height:
            continue
        low_x, low_y = max(low_x, -0.1 * window.width), max(low_y, -0.1 * window.height)
        high_x, high_y = min(high_x, 1.1 * window.width), min(high_y, 1.1 * window.height)
        sides = (low_x, low_y, high_x - low_x, high_y - low_y)
        x0, y0, w, h = _rounded(side * scale for side in sides)
        parts.append(f"M{x0:g} {y0:g}h{w:g}v{h:g}h{-w:g}z")
        if len(parts) == most:
            break
    return "".join(parts)
