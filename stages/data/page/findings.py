"""Findings as the page lists them, with pictures of their first examples."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from stages.data.findings import EXAMPLES
from stages.data.page.pictures import Picture, draw, inside
from stages.data.page.window import Box, usable
from stages.data.page.words import counted, percent

if TYPE_CHECKING:
    from stages.data.labels import Labels

# Pictures are for the worst findings first: so many in all, and of one finding.
_MOST, _MOST_EACH = 40, 4
_LONG_SIDE, _BYTES = 260, 15_000
# So many findings with pictures are open when the page is.
_OPEN = 3
_COLUMNS = ("split", "entry", "file", "label", "box", "before", "after", "note")


@dataclass(frozen=True)
class Shot:
    picture: Picture
    caption: str
    title: str
    name: str


@dataclass(frozen=True)
class Finding:
    """`width`: percent of the bar, logarithmic; `share`: part of all entries of the unit, "" where
    that is unknown; `rest`: what the examples leave out."""

    code: str
    severity: str
    action: str
    title: str
    count: int
    amount: str
    share: str
    width: float
    help: str
    columns: tuple[str, ...]
    examples: tuple[dict[str, str], ...]
    rest: str
    shots: tuple[Shot, ...]
    is_open: bool


def findings(report: dict, sets: dict[str, Labels], root: Path) -> list[Finding]:
    """The report's findings in its order. Opens files only where report["pixels"] is not "none"."""
    totals = {"classes": len(report["classes"])}
    for unit in ("images", "boxes"):
        totals[unit] = sum(file[unit] for file in report.get("files") or [])
    largest_count = max((entry["count"] for entry in report["findings"]), default=0)
    pictures = _Shots(report, sets, root)
    open_findings = 0
    result = []
    for entry in report["findings"]:
        shots = pictures.of(entry)
        is_open = entry["action"] == "fatal"
        if shots and entry["severity"] != "info" and open_findings < _OPEN:
            is_open = True
        open_findings += is_open
        examples = tuple(map(_cells, entry["examples"]))
        columns = [column for column in _COLUMNS if any(map(itemgetter(column), examples))]
        result.append(
            Finding(
                code=entry["code"],
                severity=entry["severity"],
                action=entry["action"],
                title=entry["title"],
                count=entry["count"],
                amount=counted(entry["count"], entry["unit"]),
                share=_share(entry, totals.get(entry["unit"], 0)),
                width=round(100 * math.log1p(entry["count"]) / math.log1p(largest_count or 1), 2),
                help=entry["help"],
                columns=tuple(columns),
                examples=examples,
                rest=_rest(len(examples), entry),
                shots=shots,
                is_open=is_open,
            )
        )
    return result


def _share(entry: dict, total: int) -> str:
    if not 0 < entry["count"] <= total:
        return ""
    return f"{percent(entry['count'] / total)} of {entry['unit']}"


def _rest(examples: int, entry: dict) -> str:
    amount = counted(entry["count"], entry["unit"])
    if examples < EXAMPLES:
        # Such as ids that were all renumbered: one place stands for many.
        return f"{counted(examples, 'rows')} for all of {amount}."
    return f"The first {examples} of {amount}."


def _cells(example: dict) -> dict[str, str]:
    cells = {column: _cell(example.get(column)) for column in _COLUMNS}
    # Neither, one or both of the split and its annotation file.
    cells["split"] = " · ".join(filter(None, (cells["split"], example.get("source"))))
    return cells


def _cell(value: object) -> str:
    """Text as it is, nothing as "", a box to a tenth of a pixel even where some of its values are
    no numbers."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_side, value))
    return str(value)


def _side(value: object) -> str:
    if not isinstance(value, (int, float)):
        return str(value)
    if abs(value) < 1e7:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:.3g}"


class _Shots:
    """Pictures of the examples of findings, as long as the page has room for more."""

    def __init__(self, report: dict, sets: dict[str, Labels], root: Path) -> None:
        self.sets, self.root, self.opens_files = sets, root, report["pixels"] != "none"
        self.room = _MOST
        # Split -> file -> row of the image.
        self.rows: dict[str, dict[str, int]] = {}
        for split, labels in sets.items():
            names = labels.images["file_name"]
            self.rows[split] = {name: row for row, name in enumerate(names)}

    def of(self, entry: dict) -> tuple[Shot, ...]:
        most = min(_MOST_EACH, self.room)
        shots: list[Shot] = []
        for example in entry["examples"]:
            if len(shots) == most:
                break
            shot = self._shot(example)
            if shot is not None:
                shots.append(shot)
        self.room -= len(shots)
        return tuple(shots)

    def _shot(self, example: dict) -> Shot | None:
        """None where the file cannot be opened and there is no box or no size to draw."""
        file, split = example.get("file"), example.get("split")
        if not file:
            return None
        box = usable(example.get("box"))
        marked = [box] if box else []
        size, neighbours = self._layout(file, split, box)
        path = inside(self.root, file) if self.opens_files else None
        picture = draw(
            path, size, marked, neighbours, focus=box, long_side=_LONG_SIDE, most_bytes=_BYTES
        )
        if picture is None or not (picture.uri or box):
            return None
        captions = [example.get("label") or ""]
        if box:
            captions.append(f"{abs(box[2]):.3g} × {abs(box[3]):.3g} px")
        captions.append(picture.words)
        caption = " · ".join(filter(None, captions))
        alt = f"{file} ({split or 'no split'})"
        if not picture.uri:
            alt = f"Layout of {alt}"
        if caption:
            alt += f": {caption}"
        name = PurePosixPath(file).name or file
        return Shot(
            dataclasses.replace(picture, alt=alt),
            caption,
            title=f"{split or ''} {file}".strip(),
            name=f"{split or ''} {name}".strip(),
        )

    def _layout(
        self, file: str, split: str | None, box: Box | None
    ) -> tuple[tuple[int, int] | None, list[list[float]]]:
        """Width and height of the image and its boxes but `box`, the largest first; None and [] of
        an image that is in no split."""
        # An example names the split that was read; its image may have been given to another one
        # since.
        for name in (split, *self.rows):
            if file in self.rows.get(name, ()):
                break
        else:
            return None, []
        row = self.rows[name][file]
        image, boxes = self.sets[name].images.iloc[row], self.sets[name].boxes
        on_image = boxes[boxes["image"] == row]
        on_image = on_image.sort_values("area", ascending=False, kind="stable")
        neighbours = on_image[["x", "y", "w", "h"]].to_numpy().tolist()
        if box is not None:
            neighbours = [sides for sides in neighbours if not _are_same(sides, box)]
        return (int(image["width"]), int(image["height"])), neighbours


def _are_same(first: Box, second: Box) -> bool:
    """No side differs by more than half a pixel."""
    return max(abs(a - b) for a, b in zip(first, second)) <= 0.5
