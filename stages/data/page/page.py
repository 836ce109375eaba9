"""Writes the page of the data report: one HTML file that stands alone."""

from __future__ import annotations

import logging
import math
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import numpy as np

from stages.data.findings import EXAMPLES
from stages.data.page import charts, words
from stages.data.page.figures import SheetRow, Shots, sheet
from stages.files import write_text
from stages.study.counts import count

if TYPE_CHECKING:
    from stages.data.labels import Labels

log = logging.getLogger(__name__)
_TEMPLATES = Path(__file__).with_name("templates")
# The house's style sheet is the report's; the names of the templates of the two differ.
_REPORT = Path(__file__).resolve().parents[2] / "report" / "templates"
# So many classes of the contact sheet are all open; of more only the first few are.
_OPEN_ALL, _OPEN_FEW = 100, 12
# So many findings with pictures are open when the page is.
_OPEN = 3
_COLUMNS = ("split", "entry", "file", "label", "box", "before", "after", "note")


def write_page(report: dict, sets: dict[str, Labels], root: Path, path: Path) -> None:
    """Write the page of a prepared dataset to `path`, replacing it at once; the same input gives
    the same bytes.

    `report` is data/prepared/report.json; `sets` the labels of each split, {} where a fatal finding
    stopped the stage: then only the findings are shown. `root` is the folder of the images: none
    outside of it is opened, and none at all where report["pixels"] is "none". An image that cannot
    be read is drawn as a plain canvas. Raises KeyError where the report lacks a field, OSError
    where `path` cannot be written.
    """
    text = _environment().get_template("data_page.html.j2").render(_view(report, sets, root))
    write_text(path, text)
    log.info("%s: %s, %.1f MB", path, words.headline(report), len(text.encode()) / 1e6)


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([_TEMPLATES, _REPORT]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=words.visible,
    )


def _view(report: dict, sets: dict[str, Labels], root: Path) -> dict[str, object]:
    """Everything the templates show; they hold words and layout, no arithmetic."""
    splits = report["splits"] if sets else {}
    rows: list[SheetRow] = []
    hidden = 0
    classes = []
    folder = root if report["pixels"] != "none" else None
    if sets:
        rows, hidden = sheet(report, sets, folder)
        classes = charts.class_rows(splits, report["classes"])
    unlabelled = [split for split, counts in splits.items() if not counts["labelled"]]
    areas, numbers = {}, {}
    for split, labels in sets.items():
        areas[split] = labels.boxes["area"].to_numpy(dtype=float)
        numbers[split] = np.zeros(0, dtype=int)
        if split not in unlabelled:
            image = labels.boxes["image"].to_numpy(dtype=int)
            numbers[split] = np.bincount(image, minlength=len(labels.images))
    open_rows = len(rows)
    if open_rows > _OPEN_ALL:
        open_rows = _OPEN_FEW
    return {
        "headline": words.headline(report),
        "is_stopped": words.headline(report).startswith("Stopped"),
        "verdict": words.verdict(report),
        "facts": words.facts(report),
        "findings": _findings(report, Shots(sets, folder)),
        "splits": _split_rows(splits, report["balance"]),
        "grouping": words.grouping(report["groups"]),
        "classes": classes,
        "absent": _absent(classes),
        "unlabelled": unlabelled,
        "sizes": charts.size_rows(splits),
        "sides": charts.side_chart(areas),
        "per_image": charts.per_image_chart(numbers),
        "chart": charts,
        "rows": rows,
        "hidden": hidden,
        "most_thumbs": max((len(row.thumbs) for row in rows), default=0),
        "open_rows": open_rows,
        "pixels": report["pixels"],
        "percent": words.percent,
        "number": "{:,}".format,
        "counted": count,
    }


def _findings(report: dict, pictures: Shots) -> list[dict]:
    """The report's findings in its order, each with what the template shows besides: width (percent
    of the bar, logarithmic), share (part of all entries of the unit, "" where that is unknown),
    rest (what the examples leave out), columns, shots, is_open."""
    totals = {"classes": len(report["classes"])}
    for unit in ("images", "boxes"):
        totals[unit] = sum(file[unit] for file in report["files"])
    largest_count = max((entry["count"] for entry in report["findings"]), default=0)
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
    return f"{words.percent(entry['count'] / total)} of {entry['unit']}"


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


def _split_rows(splits: dict[str, dict], balance: dict[str, dict]) -> list[dict]:
    images = sum(counts["images"] for counts in splits.values()) or 1
    rows = []
    for index, (split, counts) in enumerate(splits.items()):
        of_images = counts["images"] / images
        place = {"index": index, "name": split, "of_images": of_images}
        rows.append({**counts, **place, "balance": balance.get(split)})
    return rows


def _absent(classes: list[dict]) -> list[str]:
    """A sentence for each split that lacks classes of others, and for classes without a box."""
    nowhere: list[str] = []
    missing: dict[str, list[str]] = {}
    for row in classes:
        if not row["boxes"]:
            nowhere.append(row["name"])
        for bar in row["bars"]:
            names = missing.setdefault(bar["split"], [])
            if row["boxes"] and not bar["boxes"]:
                names.append(row["name"])
    lines = [f"No box in {split}: {_some(names)}." for split, names in missing.items() if names]
    if nowhere:
        lines.append(f"No box in any split: {_some(nowhere)}.")
    return lines


def _some(names: list[str]) -> str:
    text = ", ".join(names[:12])
    if len(names) > 12:
        text += f" and {len(names) - 12} more"
    return text
