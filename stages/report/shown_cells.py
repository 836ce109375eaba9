"""The cells of the page: place, run and look of each; for the pictures in their own order, with
their part in the choice and their details.json."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stages.errors import InputError
from stages.results.cell import CellResult
from stages.study.paths import EVALUATED
from stages.verdict.judgement import Judgement

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


@dataclass(frozen=True, eq=False)
class Shown:
    """A cell on the page.

    index: its place there; short: what the page calls it. Of the pictures alone: role is "chosen",
    "best", "chosen and best", "second" where the chosen cell is the best one, or ""; splits: split
    -> analyse.describe(), {} where details.json cannot be read.
    """

    index: int
    short: str
    look: Look
    result: CellResult
    role: str = ""
    splits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The row of params.yaml."""
        return self.result.name

    @property
    def run(self) -> str:
        return self.result.run_id or "not tracked"

    @property
    def label(self) -> str:
        return f"{self.short} ({self.role})" if self.role else self.short

    @property
    def title(self) -> str:
        """Row and run, for tooltips."""
        return f"{self.name}\nrun {self.run}"


def page_cells(cells: Sequence[CellResult], judgement: Judgement) -> dict[str, Shown]:
    """Row of params.yaml -> the cell as the page shows it, in the order of the page.

    Its colour is that of the backbone, dash and marker those of detector, neck, optimizer and image
    size. Cells of one backbone take turns in its shades.
    """
    slots = dict(_KNOWN_BACKBONES)
    free = itertools.cycle(sorted(set(range(COLOURS)).difference(slots.values())))
    variants: dict[tuple[str, ...], int] = {}
    cells_of: Counter[str] = Counter()
    page = {}
    for index, cell in enumerate(cells):
        backbone = str(cell.row["backbone"])
        if backbone not in slots:
            slots[backbone] = next(free)
        levels = tuple(
            str(cell.row[key]) for key in ("detector", "neck", "optimizer", "image_size")
        )
        variant = variants.setdefault(levels, len(variants))
        look = Look(
            colour=slots[backbone],
            shade=cells_of[backbone] % SHADES,
            dash=_DASHES[variant % len(_DASHES)],
            marker=_MARKERS[variant % len(_MARKERS)],
        )
        cells_of[backbone] += 1
        page[cell.name] = Shown(index, judgement.short(cell.name), look, cell)
    return page


def ranked_cells(judgement: Judgement, metric: str = "") -> list[str]:
    """The judged cells in falling value of the metric, those without one last."""
    metric = metric or judgement.metric

    def falling(name: str) -> tuple[bool, float]:
        estimate = judgement.estimates[name].get(metric)
        if estimate is None:
            return True, 0.0
        return False, -estimate.value

    return sorted(judgement.estimates, key=falling)


@dataclass(frozen=True)
class ShownCells:
    """cells: the chosen one, the best one, then by falling value of the metric that decides.

    split: the one that the pictures of detections are of; absent: a sentence on cells without a
    readable details.json, or "".
    """

    cells: tuple[Shown, ...]
    split: str
    absent: str

    def having(self, *keys: str) -> tuple[list[Shown], str]:
        """The cells whose details of the split hold all `keys`, and a sentence on the others."""
        complete, lacks = [], []
        for cell in self.cells:
            if not cell.splits:
                continue
            missing = [key for key in keys if cell.splits[self.split].get(key) is None]
            if missing:
                lacks.append(f"{cell.short} lacks {', '.join(missing)}")
            else:
                complete.append(cell)
        if not lacks:
            return complete, ""
        return complete, (
            f"Left out, because details.json does not have everything of {self.split}: "
            f"{'; '.join(lacks)}."
        )


def shown_cells(page: Mapping[str, Shown], judgement: Judgement) -> ShownCells:
    """The cells of the page with their details.json; a missing one is named.

    A row that repeats a cell with another seed is not drawn: judgement.groups holds their mean.
    """
    members, problems = [], []
    for name, role in _roles(page, judgement).items():
        splits: Mapping[str, Mapping[str, Any]] = {}
        try:
            splits = page[name].result.files.details
        except InputError as error:
            problems.append(str(error))
        members.append(replace(page[name], role=role, splits=splits))
    absent = f"Left out: {'; '.join(problems)}." if problems else ""
    return ShownCells(tuple(members), _split(members, judgement), absent)


def _split(cells: Sequence[Shown], judgement: Judgement) -> str:
    """The deciding metric's split, or another one where only that has boxes."""
    first = judgement.metric.split("/")[0]
    for split in (first, *EVALUATED):
        for cell in cells:
            if cell.splits.get(split, {}).get("boxes"):
                return split
    return first


def _roles(page: Mapping[str, Shown], judgement: Judgement) -> dict[str, str]:
    """Cell -> role, in the order in which the pictures show cells."""
    chosen, best = judgement.choice.chosen, judgement.choice.best
    names = dict.fromkeys((chosen, best, *ranked_cells(judgement)))
    roles = {name: "" for name in names if name in page and name in judgement.repeats}
    if best in roles:
        roles[best] = "best"
    if chosen in roles:
        roles[chosen] = "chosen and best" if chosen == best else "chosen"
    if chosen == best and chosen in roles and len(roles) > 1:
        roles[list(roles)[1]] = "second"
    return roles
