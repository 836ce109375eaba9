"""Which colour, dash and marker stand for a cell: a backbone has one colour on every page."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stages.results.cell import CellResult

# Slots of the style sheet. A page of one backbone keeps the colour that the full page gives it.
COLOURS = 8
SHADES = 4
_KNOWN_BACKBONES = {"r50": 0, "r101": 1, "x101": 2, "swin_t": 3, "swin_l": 4}
# Lengths of strokes and gaps in pixels, then marker outlines around (0, 0), about 7 pixels wide.
# Their numbers have no common divisor, so 35 variants stay distinct.
_DASHES = ("", "7 3", "2 2.5", "9 3 2 3", "13 4", "5 2 1.5 2 1.5 2", "1 4")
_MARKERS = (
    "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z",
    "m-2.8 -2.8h5.6v5.6h-5.6z",
    "m0 -3.6l3.5 6.2h-7z",
    "m0 -4l4 4l-4 4l-4 -4z",
    "m0 3.6l3.5 -6.2h-7z",
)


@dataclass(frozen=True)
class Look:
    """`colour` and `shade` are slots of the style sheet, `dash` a stroke-dasharray, `marker` an SVG
    path."""

    colour: int
    shade: int
    dash: str
    marker: str


def looks_of(cells: Sequence[CellResult]) -> dict[str, Look]:
    """A look per cell: colour by backbone, dash and marker by detector, neck, optimizer and image
    size.

    Cells of one backbone take turns in its shades.
    """
    slots = dict(_KNOWN_BACKBONES)
    free = itertools.cycle(sorted(set(range(COLOURS)).difference(slots.values())))
    variants: dict[tuple[str, ...], int] = {}
    cells_of: Counter[str] = Counter()
    looks = {}
    for cell in cells:
        backbone = str(cell.row["backbone"])
        if backbone not in slots:
            slots[backbone] = next(free)
        variant = variants.setdefault(_variant(cell), len(variants))
        shade = cells_of[backbone] % SHADES
        cells_of[backbone] += 1
        looks[cell.name] = Look(
            colour=slots[backbone],
            shade=shade,
            dash=_DASHES[variant % len(_DASHES)],
            marker=_MARKERS[variant % len(_MARKERS)],
        )
    return looks


def _variant(cell: CellResult) -> tuple[str, ...]:
    return tuple(str(cell.row[key]) for key in ("detector", "neck", "optimizer", "image_size"))
