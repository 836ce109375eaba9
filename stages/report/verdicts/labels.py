"""Places for the labels of points: on no other label, on no point and within the frame."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

FONT = 11.5
_HEIGHT = 14.0
# Half the height and width of what a point takes.
_POINT = 5.5
_LONGEST = 36
# From the point to the label; beyond the second the two need a line between them.
_DISTANCES = (8.0, 14.0, 24.0, 38.0, 56.0, 78.0, 104.0)
_NEAR = 14.0
# Directions in the order of preference, y downwards: right, left, above, below and the diagonals.
_DIRECTIONS = ((1, 0), (-1, 0), (0.8, -0.6), (0.8, 0.6), (-0.8, -0.6), (-0.8, 0.6), (0, -1), (0, 1))


@dataclass(frozen=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def touches(self, box: Box) -> bool:
        across = self.left < box.right and box.left < self.right
        return across and self.top < box.bottom and box.top < self.bottom

    def holds(self, box: Box) -> bool:
        across = self.left <= box.left and box.right <= self.right
        return across and self.top <= box.top and box.bottom <= self.bottom


@dataclass(frozen=True)
class Label:
    """text at (x, y), the baseline's start; leader: a line from the point, "" where it is close."""

    text: str
    x: float
    y: float
    leader: str
    box: Box


def place(
    points: Sequence[tuple[float, float, str]], lines: Sequence[Box], frame: Box
) -> list[Label | None]:
    """A label for each (x, y, text), the first ones first; None for one that no place is left for.

    Lines are kept clear where there is a choice.
    """
    occupied = [Box(x - _POINT, y - _POINT, x + _POINT, y + _POINT) for x, y, _ in points]
    placed: list[Label | None] = []
    for x, y, text in points:
        short = shorten(text)
        label = _free(x, y, short, [*occupied, *lines], frame)
        if label is None:
            label = _free(x, y, short, occupied, frame)
        if label is not None:
            occupied.append(label.box)
        placed.append(label)
    return placed


def shorten(text: str, most: int = _LONGEST) -> str:
    """One line of at most `most` characters."""
    line = " ".join(text.split())
    if len(line) > most:
        line = f"{line[: most - 1]}…"
    return line


def width(text: str) -> float:
    """About how wide the text is drawn: CJK letters as wide as high, others six tenths."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return wide * FONT + (len(text) - wide) * 0.6 * FONT


def _free(x: float, y: float, text: str, occupied: Sequence[Box], frame: Box) -> Label | None:
    """The first place around (x, y) that is within the frame and touches nothing."""
    long = width(text)
    for distance in _DISTANCES:
        for right, down in _DIRECTIONS:
            at, middle = x + right * distance, y + down * distance
            start = at - long / 2
            if right > 0:
                start = at
            elif right < 0:
                start = at - long
            box = Box(start, middle - _HEIGHT / 2, start + long, middle + _HEIGHT / 2)
            if frame.holds(box) and not any(map(box.touches, occupied)):
                leader = ""
                if distance > _NEAR:
                    leader = f"M{x:.1f} {y:.1f}L{at:.1f} {middle:.1f}"
                return Label(text, round(start, 1), round(middle + 0.36 * FONT, 1), leader, box)
    return None
