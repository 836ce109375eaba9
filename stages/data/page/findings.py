"""Findings as the page lists them, with pictures of their first examples."""

from __future__ import annotations

import math
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages.data.findings import EXAMPLES
from stages.data.page.pictures import Box, Size, draw, inside
from stages.data.page.sheet import Figure, boxes_on
from stages.data.page.words import percent
from stages.study.counts import count

if TYPE_CHECKING:
    from stages.data.labels import Labels

# Pictures are for the worst findings first: so many in all, and of one finding.
_MOST, _MOST_EACH = 40, 4
_LONG_SIDE, _BYTES = 260, 15_000
# So many findings with pictures are open when the page is.
_OPEN = 3
_COLUMNS = ("split", "entry", "file", "label", "box", "before", "after", "note")


def findings(report: dict, sets: dict[str, Labels], root: Path) -> list[dict]:
    """The report's findings in its order, each with what the template shows besides: width (percent
    of the bar, logarithmic), share (part of all entries of the unit, "" where that is unknown),
    rest (what the examples leave out), columns, shots, is_open.

    Opens files only where report["pixels"] is not "none".
    """
    totals = {"classes": len(report["classes"])}
    for unit in ("images", "boxes"):
        totals[unit] = sum(file[unit] for file in report["files"])
    largest_count = max((entry["count"] for entry in report["findings"]), default=0)
    pictures = _Shots(sets, root if report["pixels"] != "none" else None)
    open_findings = 0
    result = []
    for entry in report["findings"]:
        shots = pictures.of(entry["examples"])
        is_open = entry["action"] == "fatal"
        if shots and entry["severity"] != "info" and open_findings < _OPEN:
            is_open = True
        open_findings += is_open
        amount = count(entry["count"], entry["unit"])
        examples = list(map(_cells, entry["examples"]))
        rest = f"The first {len(examples)} of {amount}."
        if len(examples) < EXAMPLES:
            # Such as ids that were all renumbered: one place stands for many.
            rest = f"{count(len(examples), 'rows')} for all of {amount}."
        additions = {
            "amount": amount,
            "share": _share(entry, totals.get(entry["unit"], 0)),
            "width": round(100 * math.log1p(entry["count"]) / math.log1p(largest_count or 1), 2),
            "columns": [column for column in _COLUMNS if any(map(itemgetter(column), examples))],
            "examples": examples,
            "rest": rest,
            "shots": shots,
            "is_open": is_open,
        }
        result.append({**entry, **additions})
    return result


def _share(entry: dict, total: int) -> str:
    if not 0 < entry["count"] <= total:
        return ""
    return f"{percent(entry['count'] / total)} of {entry['unit']}"


def _cells(example: dict) -> dict[str, str]:
    cells = {column: _cell(example[column]) for column in _COLUMNS}
    # Neither, one or both of the split and its annotation file.
    cells["split"] = " · ".join(filter(None, (cells["split"], example["source"])))
    return cells


def _cell(value: object) -> str:
    """Text as it is, nothing as "", a box to a tenth of a pixel even where some of its values are
    no numbers."""
    if isinstance(value, list):
        return ", ".join(map(_side, value))
    return "" if value is None else str(value)


def _side(value: object) -> str:
    if not isinstance(value, (int, float)):
        return str(value)
    if abs(value) < 1e7:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:.3g}"


class _Shots:
    """Pictures of the examples of findings, as long as the page has room for more. root: None where
    no file may be opened."""

    def __init__(self, sets: dict[str, Labels], root: Path | None) -> None:
        self.sets, self.root = sets, root
        self.room = _MOST
        # Split -> file -> row of the image.
        self.rows: dict[str, dict[str, int]] = {}
        for split, labels in sets.items():
            names = labels.images["file_name"]
            self.rows[split] = {name: row for row, name in enumerate(names)}

    def of(self, examples: list[dict]) -> list[Figure]:
        drawn = filter(None, map(self._shot, examples))
        shots = list(islice(drawn, min(_MOST_EACH, self.room)))
        self.room -= len(shots)
        return shots

    def _shot(self, example: dict) -> Figure | None:
        """None where the file cannot be opened and there is no box or no size to draw."""
        file, split = example["file"], example["split"]
        if not file:
            return None
        box = _usable(example["box"])
        size, neighbours = self._layout(file, split, box)
        picture = draw(
            inside(self.root, file) if self.root else None,
            size,
            [box] if box else [],
            neighbours,
            focus=box,
            long_side=_LONG_SIDE,
            most_bytes=_BYTES,
        )
        if picture is None or not (picture.uri or box):
            return None
        captions = [example["label"] or ""]
        if box:
            captions.append(f"{abs(box[2]):.3g} × {abs(box[3]):.3g} px")
        captions.append(picture.window.words)
        caption = " · ".join(filter(None, captions))
        alt = f"{file} ({split or 'no split'})"
        if caption:
            alt += f": {caption}"
        return Figure(picture, split or "", file, caption, alt)

    def _layout(self, file: str, split: str, box: Box | None) -> tuple[Size | None, list[Box]]:
        """Width and height of the image and its boxes but `box`, the largest first; None and [] of
        an image that is in no split."""
        # An example names the split that was read; its image may have been given to another one
        # since.
        for name in (split, *self.rows):
            if file in self.rows.get(name, ()):
                break
        else:
            return None, []
        labels, row = self.sets[name], self.rows[name][file]
        width, height = labels.images[["width", "height"]].iloc[row]
        boxes = boxes_on(labels, row)[["x", "y", "w", "h"]].to_numpy()
        if box is not None:
            # But for rounding.
            boxes = boxes[np.abs(boxes - box).max(axis=1) > 0.5]
        return (int(width), int(height)), boxes.tolist()


def _usable(box: object) -> Box | None:
    """None where `box` is not four finite numbers."""
    if not isinstance(box, list) or len(box) != 4:
        return None
    for value in box:
        # Not true of NaN either.
        if not isinstance(value, (int, float)) or not abs(value) < 1e300:
            return None
    return list(map(float, box))
