"""Which piece of an image a picture shows, so that its box is seen with what is around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
    if not all(isinstance(value, (int, float)) and abs(value) < 1e300 for value in box):
        return None
    return (
        tuple(float(value) for value in box) if all(math.isfinite(value) for value in box) else None
    )


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
    x0, x1 = (min(max(value, -width), 2 * width) for value in sorted((x, x + w)))
    y0, y1 = (min(max(value, -height), 2 * height) for value in sorted((y, y + h)))
    over = {
        "left": -min(x, x + w),
        "top": -min(y, y + h),
        "right": max(x, x + w) - width,
        "bottom": max(y, y + h) - height,
    }
    over = {edge: by for edge, by in over.items() if by > _EPSILON}
    long_side = max(size)
    box_side = max(x1 - x0, y1 - y0)
    words = _words(over, x0, y0, x1, y1, size)
    if box_side < _SMALL * long_side and not _off(x0, y0, x1, y1, size):
        side = min(max(_CONTEXT * box_side, least), long_side)
        return _around((x0 + x1) / 2, (y0 + y1) / 2, side, size, over, words)
    if over and max(over.values()) < _SLIGHT * long_side:
        edge = max(over, key=over.__getitem__)
        along_x, along_y = (max(x0, 0) + min(x1, width)) / 2, (max(y0, 0) + min(y1, height)) / 2
        at = {
            "left": (0, along_y),
            "right": (width, along_y),
            "top": (along_x, 0),
            "bottom": (along_x, height),
        }[edge]
        side = min(max(8 * over[edge], least), long_side)
        return _around(*at, side, size, over, words)
    if not over:
        return Window(
            0, 0, width, height, ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height), False, ""
        )
    margin = 0.05 * long_side
    left, top = math.floor(min(x0, 0) - margin), math.floor(min(y0, 0) - margin)
    right, bottom = math.ceil(max(x1, width) + margin), math.ceil(max(y1, height) + margin)
    return Window(left, top, right - left, bottom - top, (0.5, 0.5), True, words)


def corner(window: Window) -> tuple[bool, bool]:
    """The corner of the canvas farthest from the point of interest: right?, bottom?"""
    return window.at[0] < 0.5, window.at[1] < 0.5


def _around(
    x: float, y: float, side: float, size: tuple[int, int], over: dict[str, float], words: str
) -> Window:
    """A square around a point; moved into the image where the box lies inside, hanging over its
    edge otherwise."""
    side = math.ceil(side)
    left, top = round(x - side / 2), round(y - side / 2)
    if "left" not in over and "right" not in over:
        left = min(max(left, 0), max(size[0] - side, 0))
    if "top" not in over and "bottom" not in over:
        top = min(max(top, 0), max(size[1] - side, 0))
    # An image narrower than the square shows its full width only.
    width = side if left < 0 or (left + side > size[0] and over) else min(side, size[0] - left)
    height = side if top < 0 or (top + side > size[1] and over) else min(side, size[1] - top)
    return Window(
        left, top, width, height, ((x - left) / width, (y - top) / height), bool(over), words
    )


def _off(x0: float, y0: float, x1: float, y1: float, size: tuple[int, int]) -> bool:
    return x1 <= 0 or y1 <= 0 or x0 >= size[0] or y0 >= size[1]


def _words(
    over: dict[str, float], x0: float, y0: float, x1: float, y1: float, size: tuple[int, int]
) -> str:
    if not over:
        return ""
    if _off(x0, y0, x1, y1, size):
        return "wholly outside the image"
    edges = [
        f"{by:,.1f} px past the {edge} edge" if by < 1e6 else f"far past the {edge} edge"
        for edge, by in sorted(over.items(), key=lambda item: -item[1])
    ]
    return ", ".join(edges[:2])
