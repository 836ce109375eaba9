"""One picture of a page: the piece of an image worth showing, as JPEG, and boxes as SVG paths."""

from __future__ import annotations

import base64
import io
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from stages.data.disk import belongs
from stages.data.probe import FORMATS, REDUCTIONS, SWAPPED, Size, decode, orientation_of

log = logging.getLogger(__name__)
# x, y, width, height.
Box = Sequence[float]
# A box under this part of the image's longer side is shown in a piece of so many times its own.
_SMALL, _CONTEXT = 1 / 11, 6
# Less than this part of the longer side past the edge is not seen on the whole image.
_SLIGHT = 0.03
# Rounding of the annotation tool, not a fault to point at.
_EPSILON = 1e-6
# More boxes than these on a thumbnail are one blot, and a larger page.
_MOST_MARKED, _MOST_OTHERS = 100, 60
_LOCATOR = 0.17


@dataclass(frozen=True)
class Window:
    """A piece of the displayed image in whole pixels; x and y may be negative. `at` is the point of
    interest, 0..1 of it; `padded` where it reaches past the image; `words`, if any, say how far the
    box does."""

    x: int
    y: int
    width: int
    height: int
    at: tuple[float, float] = (0.5, 0.5)
    padded: bool = False
    words: str = ""

    def inside(self, size: Size) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1: the part that lies in an image of `size`."""
        x1, y1 = min(self.x + self.width, size[0]), min(self.y + self.height, size[1])
        return max(self.x, 0), max(self.y, 0), x1, y1


@dataclass(frozen=True)
class Picture:
    """`uri` is a JPEG data URI, "" where only the layout is drawn; `place` is where it lies: x, y,
    width, height.

    All geometry is in units of a canvas of `width` x `height`, whose longer side is what
    draw_picture() was asked for. `marked` and `others` are SVG path data. `zoom` is 1 for a whole
    image; above it `locator` holds two rectangles x, y, width, height: the image, and the shown
    piece of it.
    """

    uri: str
    window: Window
    width: float
    height: float
    place: tuple[float, ...]
    marked: str
    others: str
    zoom: float
    pixelated: bool
    locator: tuple[tuple[float, ...], ...]


def file_inside(root: Path | None, file_name: str) -> Path | None:
    """The file under `root`, all links followed; None where there is none or it lies outside, and
    for a root of None, where no file is to be opened."""
    if root is None:
        return None
    try:
        path = (root / file_name).resolve()
        if belongs(str(path), root) and path.is_file():
            return path
    except (OSError, ValueError, RuntimeError):
        # A name too long, a null character, a loop of links.
        return None
    return None


def draw_picture(
    path: Path | None,
    size: Size | None,
    marked: Sequence[Box],
    others: Sequence[Box] = (),
    *,
    focus: Box | None = None,
    least: int = 36,
    long_side: int = 200,
    most_bytes: int = 12_000,
) -> Picture | None:
    """A picture of the image at `path` with `marked` and `others` boxes in displayed pixels.

    Zooms in on `focus` where it is small, to a piece of `least` pixels or more, and pads the canvas
    where it reaches outside. Without a readable file the layout is drawn on a plain canvas of
    `size`; None where `size` is None too. Never raises for a bad file. The JPEG is at most about
    `most_bytes` long.
    """
    uri = ""
    if path is not None:
        try:
            uri, size = _photograph(path.read_bytes(), focus, least, long_side, most_bytes)
        # Pillow's readers raise nearly anything on a broken or oversized file.
        except Exception as error:
            # The findings say what is wrong with the file; there may be thousands.
            log.debug("%s: drawn without its pixels: %s", path, error)
    if size is None or min(size) < 1:
        return None
    window = choose_window(size, focus, least)
    scale = long_side / max(window.width, window.height)
    zoom = max(size) / max(window.width, window.height)
    x0, y0, x1, y1 = window.inside(size)
    place = (x0 - window.x, y0 - window.y, max(x1 - x0, 0), max(y1 - y0, 0))
    return Picture(
        uri=uri,
        window=window,
        width=round(window.width * scale, 1),
        height=round(window.height * scale, 1),
        place=_rounded(side * scale for side in place),
        marked=_path(marked, window, scale, _MOST_MARKED),
        others=_path(others, window, scale, _MOST_OTHERS),
        zoom=zoom,
        pixelated=scale > 2,
        locator=_locator(window, size, long_side, scale) if zoom > 1.2 else (),
    )


def choose_window(size: Size, focus: Box | None, least: int = 36) -> Window:
    """The piece of an image of `size` to show for the box `focus`, both in pixels.

    The piece around a small box is at least `least` pixels wide and high, as far as the image is.
    """
    width, height = size
    whole = Window(0, 0, width, height)
    if focus is None:
        return whole
    x, y, w, h = focus
    # Turned the right way round, and cut one image away from it: the rest fits no picture.
    x0, x1 = np.clip(sorted((x, x + w)), -width, 2 * width).tolist()
    y0, y1 = np.clip(sorted((y, y + h)), -height, 2 * height).tolist()
    over = _overhang(focus, size)
    is_outside = x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height
    words = "wholly outside the image" if is_outside else _past(over)
    long_side = max(size)
    box_side = max(x1 - x0, y1 - y0)
    if box_side < _SMALL * long_side and not is_outside:
        side = min(max(_CONTEXT * box_side, least), long_side)
        return _around((x0 + x1) / 2, (y0 + y1) / 2, side, size, over, words)
    if not over:
        return replace(whole, at=((x0 + x1) / 2 / width, (y0 + y1) / 2 / height))
    edge = max(over, key=over.__getitem__)
    if over[edge] < _SLIGHT * long_side:
        across, down = (max(x0, 0) + min(x1, width)) / 2, (max(y0, 0) + min(y1, height)) / 2
        across = {"left": 0, "right": width}.get(edge, across)
        down = {"top": 0, "bottom": height}.get(edge, down)
        side = min(max(8 * over[edge], least), long_side)
        return _around(across, down, side, size, over, words)
    margin = 0.05 * long_side
    x0, y0 = math.floor(min(x0, 0) - margin), math.floor(min(y0, 0) - margin)
    x1, y1 = math.ceil(max(x1, width) + margin), math.ceil(max(y1, height) + margin)
    return Window(x0, y0, x1 - x0, y1 - y0, padded=True, words=words)


def _overhang(box: Box, size: Size) -> dict[str, float]:
    """Edge of the image -> pixels by which the box reaches past it, for those edges alone."""
    x, y, w, h = box
    over = {
        "left": -min(x, x + w),
        "top": -min(y, y + h),
        "right": max(x, x + w) - size[0],
        "bottom": max(y, y + h) - size[1],
    }
    return {edge: pixels for edge, pixels in over.items() if pixels > _EPSILON}


def _past(over: dict[str, float]) -> str:
    edges = []
    for edge, pixels in sorted(over.items(), key=lambda item: -item[1]):
        distance = f"{pixels:,.1f} px" if pixels < 1e6 else "far"
        edges.append(f"{distance} past the {edge} edge")
    return ", ".join(edges[:2])


def _around(
    x: float, y: float, side: float, size: Size, over: dict[str, float], words: str
) -> Window:
    """A square around a point, moved into the image except where the box reaches past its edge."""
    side = math.ceil(side)
    x0, y0 = round(x - side / 2), round(y - side / 2)
    if "left" not in over and "right" not in over:
        x0 = min(max(x0, 0), max(size[0] - side, 0))
    if "top" not in over and "bottom" not in over:
        y0 = min(max(y0, 0), max(size[1] - side, 0))
    width = height = side
    # An image narrower than the square shows its full width only.
    if x0 >= 0 and not (over and x0 + side > size[0]):
        width = min(side, size[0] - x0)
    if y0 >= 0 and not (over and y0 + side > size[1]):
        height = min(side, size[1] - y0)
    return Window(x0, y0, width, height, ((x - x0) / width, (y - y0) / height), bool(over), words)


def _photograph(
    data: bytes, focus: Box | None, least: int, long_side: int, most_bytes: int
) -> tuple[str, Size]:
    """What a training sees of the file's piece, as a data URI ("" where the piece lies beside the
    image), and the whole image's size. Raises nearly anything where the file cannot be read."""
    # Pillow looks at the header alone: it refuses formats that start other programs, and more
    # pixels than are safe.
    with Image.open(io.BytesIO(data), formats=FORMATS) as header:
        size = header.size
        reduction = 1
        if header.format in {"JPEG", "MPO"}:
            if orientation_of(header) in SWAPPED:
                size = size[::-1]
            window = choose_window(size, focus, least)
            # A JPEG is decoded no larger than it will be shown.
            most = max(window.width, window.height) / long_side
            reduction = max((step for step in REDUCTIONS if step <= most), default=1)
    pixels = decode(data, reduction)
    if pixels is None:
        raise ValueError("OpenCV cannot decode it")
    if reduction == 1:
        size = (pixels.shape[1], pixels.shape[0])
    window = choose_window(size, focus, least)
    x0, y0, x1, y1 = window.inside(size)
    if x1 <= x0 or y1 <= y0:
        return "", size
    # Never enlarged: the browser does that, and a zoomed pixel is then one pixel of the file.
    shrink = min(long_side / max(window.width, window.height), 1)
    shown = (max(1, round((x1 - x0) * shrink)), max(1, round((y1 - y0) * shrink)))
    across, down = pixels.shape[1] / size[0], pixels.shape[0] / size[1]
    resample, quality = Image.Resampling.NEAREST, 90
    if shrink < 1:
        resample, quality = Image.Resampling.LANCZOS, 75
    image = Image.fromarray(np.ascontiguousarray(pixels[..., ::-1]))
    image = image.resize(shown, resample, (x0 * across, y0 * down, x1 * across, y1 * down))
    return _jpeg(image, quality, most_bytes), size


def _jpeg(image: Image.Image, quality: int, most_bytes: int) -> str:
    for attempt in (quality, 55, 30, 12):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=attempt, optimize=True)
        if buffer.tell() <= most_bytes:
            break
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _locator(
    window: Window, size: Size, long_side: int, scale: float
) -> tuple[tuple[float, ...], ...]:
    """The image and its shown piece, in the corner farthest from the point of interest."""
    small = _LOCATOR * long_side / max(size)
    width, height = size[0] * small, size[1] * small
    x: float = 5
    y: float = 5
    if window.at[0] < 0.5:
        x = window.width * scale - width - 5
    if window.at[1] < 0.5:
        y = window.height * scale - height - 5
    # At least two units across: the piece may be a hundredth of the image.
    across, down = max(window.width * small, 2.5), max(window.height * small, 2.5)
    piece_x = x + min(max(window.x * small, 0), width - across)
    piece_y = y + min(max(window.y * small, 0), height - down)
    return _rounded((x, y, width, height)), _rounded((piece_x, piece_y, across, down))


def _rounded(sides: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(side, 1) for side in sides)


def _path(boxes: Sequence[Box], window: Window, scale: float, most: int) -> str:
    """The first `most` boxes that touch the window, cut not far outside of the canvas."""
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
