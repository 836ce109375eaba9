"""Writes the page of the data report: one HTML file that stands alone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import numpy as np

from stages.data.page import charts, words
from stages.data.page.findings import findings
from stages.data.page.sheet import Row, sheet
from stages.files import replacing
from stages.study.counts import count

if TYPE_CHECKING:
    from stages.data.labels import Labels

log = logging.getLogger(__name__)
_TEMPLATES = Path(__file__).with_name("templates")
# The house's style sheet is the report's; the names of the templates of the two differ.
_REPORT = Path(__file__).resolve().parents[2] / "report" / "templates"
# So many classes of the contact sheet are all open; of more only the first few are.
_OPEN_ALL, _OPEN_FEW = 100, 12


def write_page(report: dict, sets: dict[str, Labels], root: Path, path: Path) -> None:
    """Write the page of a prepared dataset to `path`, replacing it at once; the same input gives
    the same bytes.

    `report` is data/prepared/report.json; `sets` the labels of each split, {} where a fatal finding
    stopped the stage: then only the findings are shown. `root` is the folder of the images: none
    outside of it is opened, and none at all where report["pixels"] is "none". An image that cannot
    be read is drawn as a plain canvas. Raises KeyError where the report lacks a field, OSError
    where `path` cannot be written.
    """
    text = _environment().get_template("data_page.html.j2").render(_view(report, sets, Path(root)))
    with replacing(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")
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
    rows: list[Row] = []
    hidden = 0
    classes = []
    if sets:
        rows, hidden = sheet(report, sets, root)
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
        "findings": findings(report, sets, root),
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
        "number": words.number,
        "counted": count,
    }


def _split_rows(splits: dict[str, dict], balance: dict[str, dict]) -> list[dict]:
    images = sum(counts["images"] for counts in splits.values()) or 1
    rows = []
    for index, (split, counts) in enumerate(splits.items()):
        of_images = counts["images"] / images
        place = {"index": index, "name": split, "of_images": of_images}
        rows.append({**counts, **place, "balance": balance.get(split)})
    return rows


def _absent(classes: list[dict]) -> list[str]:
    """A sentence for each split that lacks classes which others have, and for classes without a
    single box."""
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
