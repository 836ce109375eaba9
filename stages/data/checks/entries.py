"""Checks ids and fields of an annotation file's entries and turns them into tables."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from stages.data.checks.box_entries import BoxEntries, check_ids
from stages.data.disk import is_absolute
from stages.data.findings import Findings, short_text
from stages.data.labels import Labels
from stages.data.sources.annotations import Raw, is_id

_IMAGE_FIELDS = {"id", "file_name", "width", "height"}
_COLUMNS = ["file_name", "width", "height", "group", "group_number"]
_COLUMNS += ["source", "source_id", "other", "probe"]


def entry_tables(
    raw: Raw, classes: list[str], category: dict[Any, int], group: str, findings: Findings
) -> Labels:
    """category: as Classes.read gives it. group: the field of an image that names its group, or "".

    Boxes are not looked at yet beyond being four numbers; files are not looked for.
    """
    images, row = _images(raw, group, findings)
    nested: Counter[str] = Counter()
    for entry in raw.images:
        if isinstance(entry, dict):
            nested.update(key for key, value in entry.items() if isinstance(value, (list, dict)))
    for key in sorted(nested.keys() - _IMAGE_FIELDS - {group}):
        findings.counted("fields_not_copied", nested[key], **raw.origin, entry="images", before=key)
    boxes = BoxEntries(raw, images, row, category, classes, findings).table()
    return Labels(raw.split, classes, images, boxes, relative=raw.relative, centred=raw.relative)


def _images(raw: Raw, group: str, findings: Findings) -> tuple[pd.DataFrame, dict[Any, int]]:
    """The table, and its row for each id; -1 where an id is on several images."""
    origin = raw.origin
    row: dict[Any, int] = {}
    by_name: dict[str, int] = {}
    entries: list[dict[str, Any]] = []
    drop = set()
    for position, entry in enumerate(raw.images):
        place = {**origin, "entry": f"images[{position}]"}
        has_id = isinstance(entry, dict) and is_id(entry.get("id"))
        if not has_id or not isinstance(entry.get("file_name"), str):
            findings.report("entry_incomplete", place, before=entry, note="lacks id or file_name")
            continue
        number, name = entry["id"], entry["file_name"]
        if number in row:
            earlier = entries[row[number]]
            if earlier["file_name"] == name:
                before = f"id {number} twice"
                findings.report("image_entry_duplicate", place, file=name, before=before)
                continue
            before = f"id {number}: {earlier['file_name']} and {name}"
            findings.report("image_id_duplicate", place, file=name, before=before)
            if number not in drop and findings.action("image_id_duplicate") == "drop":
                change = {**origin, "file": earlier["file_name"], "before": f"id {number}"}
                findings.change("image_id_duplicate", change)
            drop |= {number, earlier["id"]}
            # Takes part until here, so that a third of the same id is found as well.
            by_name.setdefault(name, len(entries))
            entries.append(entry)
        elif name in by_name:
            first = entries[by_name[name]]["id"]
            before, after = f"ids {first} and {number}", f"id {first}"
            findings.report("file_name_duplicate", place, file=name, before=before, after=after)
            row[number] = by_name[name]
        else:
            row[number] = by_name[name] = len(entries)
            entries.append(entry)
    ids = [entry["id"] for entry in entries]
    if raw.coco:
        check_ids(ids, "images", origin, findings)
    table = _image_table(entries, raw, group)
    if not drop:
        return table, row
    keep = np.array([number not in drop for number in ids], dtype=bool)
    new_row = np.where(keep, np.cumsum(keep) - 1, -1).tolist()
    row = {number: new_row[old_row] for number, old_row in row.items()}
    return table[keep].reset_index(drop=True), row


def _image_table(entries: list[dict[str, Any]], raw: Raw, group: str) -> pd.DataFrame:
    """Labels.images of the entries."""
    prefix = ""
    if raw.folder:
        prefix = raw.folder.rstrip("/") + "/"
    copied_not = {*_IMAGE_FIELDS, group}
    # A column at a time: pandas takes half a second longer for the rows of 100,000 images.
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for entry in entries:
        name = entry["file_name"]
        # An absolute name starts from nowhere else; names.py says what becomes of it.
        if name.strip() and not is_absolute(name):
            name = prefix + name
        further = {}
        for key, value in entry.items():
            # Text, a number that JSON has, or nothing.
            if key not in copied_not and (value is None or is_id(value)):
                further[key] = value
        columns["file_name"].append(name)
        columns["width"].append(_side(entry.get("width")))
        columns["height"].append(_side(entry.get("height")))
        columns["group"].append(_group(entry.get(group)) if group else None)
        columns["source_id"].append(entry["id"])
        columns["other"].append(further)
    columns["group_number"] = [0] * len(entries)
    columns["source"] = [raw.name] * len(entries)
    columns["probe"] = [None] * len(entries)
    table = {}
    for name, values in columns.items():
        # pandas would make other types of some columns of objects.
        dtype = np.int64 if name in ("width", "height", "group_number") else object
        table[name] = pd.Series(values, dtype=dtype)
    return pd.DataFrame(table)


def _group(value: Any) -> Any:
    """Nothing for what names no group: null, an empty text, NaN."""
    if isinstance(value, (list, dict)):
        return short_text(value)
    if not is_id(value) or value == "":
        return None
    return value


def _side(value: Any) -> int:
    if type(value) not in (int, float) or not 0 < value < 2**31:
        return 0
    return int(value)
