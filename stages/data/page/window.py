"""Which piece of an image a picture shows, so that its box is seen with what is around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Box = Sequence[float]
# A box under this part of the image's longer side is zoomed in on; the piece is so many times its
# longer side.
_SMALL = 1 / 11
_CONTEXT = 6
# Less than this part of the longer side past the edge is not seen on the whole image.
_SLIGHT = 0.03
# Rounding of the annotation tool, not a fault to point at.
_EPSILON = 1e-6


@dataclass(frozen=True)
class Window:
    """Whole pixels of the displayed image; x and y may be negative. `at` is the point of interest,
    0..1 of it.

    `padded` where it reaches past the image; `words` say how far the box does, "" where it does
    not.
    """

    x: int
    y: int
    width: int
    height: int
    at: tuple[float, float]
    padded: bool
    words: str


def usable(box: object) -> tuple[float, float, float, float] | None:
    """x, y, width, height as floats, None where `box` is not four finite numbers."""
    if not isinstance(box, Sequence) or isinstance(box, str) or len(box) != 4:
        return None
    for value in box:
        # Not true of NaN either.
        if not isinstance(value, (int, float)) or not abs(value) < 1e300:
            return None
    return tuple(map(float, box))


def choose_window(size: tuple[int, int], focus: Box | None, least: int = 36) -> Window:
    """The piece of an image of `size` (width, height) for the box `focus`: x, y, width, height in
    pixels.

    The piece around a small box is at least `least` pixels wide and high, as far as the image is.
    """
    width, height = size
    if focus is None:
        return Window(0, 0, width, height, (0.5, 0.5), False, "")
    x, y, w, h = focus
    # Turned the right way round, and cut one image away from it: nothing further off fits a
    # picture.
    x0, x1 = np.clip(sorted((x, x + w)), -width, 2 * width).tolist()
    y0, y1 = np.clip(sorted((y, y + h)), -height, 2 * height).tolist()
    over = _overhang(focus, size)
    long_side = max(size)
    box_side = max(x1 - x0, y1 - y0)
    words = _words(over, x0, y0, x1, y1, size)
    if box_side < _SMALL * long_side and not _is_outside(x0, y0, x1, y1, size):
        side = min(max(_CONTEXT * box_side, least), long_side)
        return _around((x0 + x1) / 2, (y0 + y1) / 2, side, size, over, words)
    if over and max(over.values()) < _SLIGHT * long_side:
        edge = max(over, key=over.__getitem__)
        along_x, along_y = (max(x0, 0) + min(x1, width)) / 2, (max(y0, 0) + min(y1, height)) / 2
        points = {
            "left": (0, along_y),
            "right": (width, along_y),
            "top": (along_x, 0),
            "bottom": (along_x, height),
        }
        side = min(max(8 * over[edge], least), long_side)
        return _around(*points[edge], side, size, over, words)
    if not over:
        middle = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height)
        return Window(0, 0, width, height, middle, False, "")
    margin = 0.05 * long_side
    x0, y0 = math.floor(min(x0, 0) - margin), math.floor(min(y0, 0) - margin)
    x1, y1 = math.ceil(max(x1, width) + margin), math.ceil(max(y1, height) + margin)
    return Window(x0, y0, x1 - x0, y1 - y0, (0.5, 0.5), True, words)


def _overhang(box: Box, size: tuple[int, int]) -> dict[str, float]:
    """Edge of the image -> pixels by which the box reaches past it, for those edges alone."""
    x, y, w, h = box
    width, height = size
    over = {
        "left": -min(x, x + w),
        "top": -min(y, y + h),
        "right": max(x, x + w) - width,
        "bottom": max(y, y + h) - height,
    }
    return {edge: pixels for edge, pixels in over.items() if pixels > _EPSILON}


def corner(window: Window) -> tuple[bool, bool]:
    """The corner of the canvas farthest from the point of interest: right?, bottom?"""
    return window.at[0] < 0.5, window.at[1] < 0.5


def _around(
    x: float, y: float, side: float, size: tuple[int, int], over: dict[str, float], words: str
) -> Window:
    """A square around a point; moved into the image where the box lies inside, hanging over its
    edge otherwise."""
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
    point = ((x - x0) / width, (y - y0) / height)
    return Window(x0, y0, width, height, point, bool(over), words)


def _is_outside(x0: float, y0: float, x1: float, y1: float, size: tuple[int, int]) -> bool:
    return x1 <= 0 or y1 <= 0 or x0 >= size[0] or y0 >= size[1]


def _words(
    over: dict[str, float], x0: float, y0: float, x1: float, y1: float, size: tuple[int, int]
) -> str:
    if not over:
        return ""
    if _is_outside(x0, y0, x1, y1, size):
        return "wholly outside the image"
    edges = []
    for edge, pixels in sorted(over.items(), key=lambda item: -item[1]):
        distance = f"{pixels:,.1f} px" if pixels < 1e6 else "far"
        edges.append(f"{distance} past the {edge} edge")
    return ", ".join(edges[:2])
