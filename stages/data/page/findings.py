"""Findings as the page lists them, with pictures of their first examples."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from stages.data.findings import EXAMPLES
from stages.data.page.pictures import Picture, draw, inside
from stages.data.page.window import usable
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
    totals = {
        unit: sum(file[unit] for file in report.get("files") or []) for unit in ("images", "boxes")
    }
    totals["classes"] = len(report["classes"])
    most = max((finding["count"] for finding in report["findings"]), default=0) or 1
    rows = {
        split: {name: row for row, name in enumerate(labels.images["file_name"])}
        for split, labels in sets.items()
    }
    left, opened, found = _MOST, _OPEN, []
    for entry in report["findings"]:
        total = totals.get(entry["unit"], 0)
        shots: list[Shot] = []
        for example in entry["examples"]:
            if len(shots) < min(_MOST_EACH, left):
                shots += _shots(example, report, sets, rows, root)
        left -= len(shots)
        is_open = entry["action"] == "fatal" or (
            bool(shots) and entry["severity"] != "info" and opened > 0
        )
        opened -= is_open
        examples = tuple(map(_cells, entry["examples"]))
        found.append(
            Finding(
                code=entry["code"],
                severity=entry["severity"],
                action=entry["action"],
                title=entry["title"],
                count=entry["count"],
                amount=counted(entry["count"], entry["unit"]),
                share=f"{percent(entry['count'] / total)} of {entry['unit']}"
                if 0 < entry["count"] <= total
                else "",
                width=round(100 * math.log1p(entry["count"]) / math.log1p(most), 2),
                help=entry["help"],
                columns=tuple(
                    column for column in _COLUMNS if any(cells[column] for cells in examples)
                ),
                examples=examples,
                rest=_rest(len(examples), entry),
                shots=tuple(shots),
                is_open=is_open,
            )
        )
    return found


def _rest(shown: int, entry: dict) -> str:
    amount = counted(entry["count"], entry["unit"])
    if shown < EXAMPLES:
        # Such as ids that were all renumbered: one place stands for many.
        return f"{counted(shown, 'rows')} for all of {amount}."
    return f"The first {shown} of {amount}."


def _cells(example: dict) -> dict[str, str]:
    cells = {column: _cell(example.get(column)) for column in _COLUMNS}
    if example.get("source"):
        cells["split"] = (
            f"{cells['split']} · {example['source']}" if cells["split"] else example["source"]
        )
    return cells


def _cell(value: object) -> str:
    """Text as it is, nothing as "", a box to a tenth of a pixel even where some of its values are
    no numbers."""
    if not isinstance(value, (list, tuple)):
        return "" if value is None else str(value)
    return ", ".join(
        (f"{part:.1f}".removesuffix(".0") if abs(part) < 1e7 else f"{part:.3g}")
        if isinstance(part, (int, float))
        else str(part)
        for part in value
    )


def _shots(
    example: dict,
    report: dict,
    sets: dict[str, Labels],
    rows: dict[str, dict[str, int]],
    root: Path,
) -> list[Shot]:
    """The example as a picture: none where its file cannot be opened and there is no box or no size
    to draw."""
    file, split = example.get("file"), example.get("split")
    if not file:
        return []
    box, size, others = usable(example.get("box")), None, []
    # An example names the split that was read; its image may have been given to another one since.
    now = next((name for name in (split, *rows) if file in rows.get(name, ())), None)
    if now is not None:
        row = rows[now][file]
        image, boxes = sets[now].images.iloc[row], sets[now].boxes
        size = (int(image["width"]), int(image["height"]))
        on_image = boxes[boxes["image"] == row].sort_values("area", ascending=False, kind="stable")
        others = [
            other
            for other in on_image[["x", "y", "w", "h"]].to_numpy().tolist()
            if box is None or max(abs(a - b) for a, b in zip(other, box)) > 0.5
        ]
    path = inside(root, file) if report["pixels"] != "none" else None
    picture = draw(
        path, size, [box] if box else [], others, focus=box, long_side=_LONG_SIDE, most_bytes=_BYTES
    )
    if picture is None or not (picture.uri or box):
        return []
    label = example.get("label") or ""
    side = f"{abs(box[2]):.3g} × {abs(box[3]):.3g} px" if box else ""
    caption = " · ".join(part for part in (label, side, picture.words) if part)
    alt = f"{'' if picture.uri else 'Layout of '}{file} ({split or 'no split'}){': ' if caption else ''}{caption}"
    return [
        Shot(
            dataclasses.replace(picture, alt=alt),
            caption,
            f"{split or ''} {file}".strip(),
            f"{split or ''} {PurePosixPath(file).name or file}".strip(),
        )
    ]
