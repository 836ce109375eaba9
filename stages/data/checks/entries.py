"""Checks ids and fields of an annotation file's entries and turns them into tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from stages.data.checks.categories import is_id
from stages.data.checks.paths import is_absolute
from stages.data.findings import Findings, shown
from stages.data.labels import Labels, entry_name
from stages.data.sources.raw import Raw

_IMAGE_FIELDS = {"id", "file_name", "width", "height"}


def tables(raw: Raw, split: str, classes: list[str], category: dict[Any, int], group: str,
           findings: Findings) -> Labels:
    """category: as Classes.read gives it. group: the field of an image that names its group, or "".

    Boxes are not looked at yet beyond being four numbers; files are not looked for.
    """
    where = {"split": split, "source": raw.name}
    images, row = _images(raw, where, group, findings)
    nested = Counter(key for entry in raw.images if isinstance(entry, dict)
                     for key, value in entry.items() if isinstance(value, (list, dict)) and key != group)
    for key in sorted(nested.keys() - _IMAGE_FIELDS):
        findings.counted("fields_not_copied", nested[key], **where, entry="images", before=key)
    return Labels(classes, images, _boxes(raw, where, row, category, images, classes, findings), raw.relative)


def _images(raw: Raw, where: dict[str, Any], group: str, findings: Findings) -> tuple[pd.DataFrame, dict[Any, int]]:
    """The table, and its row for each id; -1 where an id is on several images."""
    row: dict[Any, int] = {}
    by_name: dict[str, int] = {}
    entries: list[dict[str, Any]] = []
    drop = set()
    for position, entry in enumerate(raw.images):
        place = {**where, "entry": f"images[{position}]"}
        if not (isinstance(entry, dict) and is_id(entry.get("id")) and isinstance(entry.get("file_name"), str)):
            findings.add("entry_incomplete", [{**place, "before": entry, "note": "lacks id or file_name"}])
            continue
        number, name = entry["id"], entry["file_name"]
        if number in row:
            if entries[row[number]]["file_name"] == name:
                findings.add("image_entry_duplicate", [{**place, "file": name, "before": f"id {number} twice"}])
                continue
            findings.add("image_id_duplicate", [{
                **place, "file": name, "before": f"id {number}: {entries[row[number]]['file_name']} and {name}"}])
            if number not in drop and findings.action("image_id_duplicate") == "drop":
                findings.change("image_id_duplicate", {
                    **where, "file": entries[row[number]]["file_name"], "before": f"id {number}"})
            drop |= {number, entries[row[number]]["id"]}
            # Takes part until here, so that a third of the same id is found as well.
            by_name.setdefault(name, len(entries))
            entries.append(entry)
            continue
        if name in by_name:
            first = entries[by_name[name]]["id"]
            findings.add("file_name_duplicate", [{
                **place, "file": name, "before": f"ids {first} and {number}", "after": f"id {first}"}])
            row[number] = by_name[name]
            continue
        row[number] = by_name[name] = len(entries)
        entries.append(entry)
    ids = [entry["id"] for entry in entries]
    if raw.coco:
        _check_ids(ids, "images", where, findings)
    sizes = np.array([[_side(entry.get(side)) for side in ("width", "height")] for entry in entries]).reshape(-1, 2)
    prefix = raw.folder.rstrip("/") + "/" if raw.folder else ""
    table = pd.DataFrame({
        # An absolute name starts from nowhere else; file_names.py says what becomes of it.
        "file_name": pd.Series([entry["file_name"] if not entry["file_name"].strip() or is_absolute(entry["file_name"])
                                else prefix + entry["file_name"] for entry in entries], dtype=object),
        "width": sizes[:, 0].astype(np.int64), "height": sizes[:, 1].astype(np.int64),
        "group": pd.Series([_group(entry.get(group)) if group else None for entry in entries], dtype=object),
        "source": pd.Series([raw.name] * len(entries), dtype=object),
        "source_id": pd.Series(ids, dtype=object),
        "other": pd.Series([{key: value for key, value in entry.items()
                             if key not in _IMAGE_FIELDS and key != group and is_plain(value)}
                            for entry in entries], dtype=object)})
    if not drop:
        return table, row
    kept = np.array([number not in drop for number in ids], dtype=bool)
    new = (np.cumsum(kept) - 1).tolist()
    return table[kept].reset_index(drop=True), {
        number: new[old] if kept[old] else -1 for number, old in row.items()}


def _boxes(raw: Raw, where: dict[str, Any], row: dict[Any, int], category: dict[Any, int], images: pd.DataFrame,
           classes: list[str], findings: Findings) -> pd.DataFrame:
    entries = raw.annotations
    positions = list(range(len(entries))) if raw.coco else [entry["at"] for entry in entries]
    fields = ("image_id", "category_id", "bbox")
    complete = np.array([
        isinstance(entry, dict) and all(field in entry for field in fields) and is_id(entry["image_id"])
        and is_id(entry["category_id"]) for entry in entries], dtype=bool)
    findings.rows("entry_incomplete", np.flatnonzero(~complete), lambda at: {
        **where, "entry": entry_name(positions[at]), "before": entries[at],
        "note": f"lacks one of {', '.join(fields)}"})
    if not complete.all():
        entries, positions = ([listed[at] for at in np.flatnonzero(complete)] for listed in (entries, positions))
    absent, unlisted = -2, -2
    image = np.array([row.get(_as_listed(entry["image_id"], row), absent) for entry in entries], dtype=np.int64)
    label = np.array([category.get(_as_listed(entry["category_id"], category), unlisted) for entry in entries],
                     dtype=np.int64)
    for key, index, listed in (("image_id", image, row), ("category_id", label, category)):
        findings.rows("id_not_integer", [at for at, entry in enumerate(entries) if index[at] > absent
                                         and entry[key] not in listed], lambda at, key=key, listed=listed: {
            **where, "entry": entry_name(positions[at]), "before": f"{key} {entries[at][key]!r}",
            "after": f"{key} {_as_listed(entries[at][key], listed)!r}"})

    def place(at: int) -> dict[str, Any]:
        return {**where, "entry": entry_name(positions[at]),
                "file": images["file_name"].iat[image[at]] if image[at] >= 0 else None,
                "label": classes[label[at]] if label[at] >= 0 else None}

    findings.rows("annotation_image_unknown", np.flatnonzero(image == absent), lambda at: {
        **place(at), "before": f"image_id {entries[at]['image_id']}"})
    findings.rows("annotation_category_unknown", np.flatnonzero(label == unlisted), lambda at: {
        **place(at), "before": f"category_id {entries[at]['category_id']}"})
    unknown = np.flatnonzero((label == -1) & (image >= 0))
    if len(unknown) and findings.action("category_unknown") == "drop":
        # One fault per category, one row of the changes per box.
        for at in unknown:
            findings.change("category_unknown", {
                **place(at), "before": f"category_id {entries[at]['category_id']}, bbox {shown(entries[at]['bbox'])}"})
    boxes, malformed = _numbers([entry["bbox"] for entry in entries])
    findings.rows("box_malformed", np.flatnonzero(malformed & (image >= 0) & (label >= 0)), lambda at: {
        **place(at), "before": entries[at]["bbox"]})
    ids = [entry.get("id") for entry in entries]
    areas = [entry.get("area") for entry in entries]
    crowd = [entry.get("iscrowd", 0) for entry in entries]
    if raw.coco:
        _check_ids(ids, "annotations", where, findings)
        findings.rows("area_missing", [at for at, value in enumerate(areas) if value is None], lambda at: {
            **place(at), "after": "width x height"})
    wrong = np.array([value not in (0, 1) for value in crowd], dtype=bool)
    findings.rows("iscrowd_invalid", np.flatnonzero(wrong), lambda at: {
        **place(at), "before": f"iscrowd {shown(crowd[at])}", "after": "0"})
    crowd = np.array([0 if bad else int(value) for value, bad in zip(crowd, wrong)], dtype=np.int64)
    keep = (image >= 0) & (label >= 0) & ~malformed
    # Any value that is true, as MMDetection reads it. VOC and YOLO have no such field.
    ignored = np.array([bool(entry.get("ignore")) for entry in entries], dtype=bool) & (crowd == 0) & keep
    findings.rows("ignore_as_crowd", np.flatnonzero(ignored), lambda at: {
        **place(at), "before": f"ignore {shown(entries[at]['ignore'])}", "after": "iscrowd 1"})
    if findings.action("ignore_as_crowd") == "repair":
        crowd[ignored] = 1
    return pd.DataFrame({
        "image": image, "label": label, **{name: boxes[:, column] for column, name in enumerate("xywh")},
        # NaN: to be filled from the box; infinity: something that is no number.
        "area": np.array([np.nan if value is None else _real(value) for value in areas], dtype=np.float64),
        "iscrowd": crowd,
        "source": pd.Series([raw.name] * len(entries), dtype=object),
        # None for what cannot lead back, and is no JSON, such as NaN.
        "source_id": pd.Series([value if is_id(value) else None for value in ids], dtype=object),
        "entry": pd.Series(positions, dtype=np.int64 if raw.coco else object),
    })[keep].reset_index(drop=True)


def _as_listed(value: Any, listed: dict[Any, int]) -> Any:
    """The id of `listed` that `value` means: 3 is also found by "3", and "3" by 3."""
    if value in listed:
        return value
    if isinstance(value, str):
        return int(value) if value.isdecimal() and len(value) < 20 else value
    return str(value) if type(value) is int and abs(value) < 10**20 else value


def _numbers(boxes: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4) floats and where a box is not four numbers."""
    try:
        table = np.array(boxes)
    except ValueError:
        table = np.array(None)
    if table.ndim == 2 and table.shape[1] == 4 and table.dtype.kind in "if":
        return table.astype(np.float64), np.zeros(len(boxes), dtype=bool)
    good = [isinstance(box, list) and len(box) == 4 and all(type(number) in (int, float) for number in box)
            for box in boxes]
    rows = [box if fits else [np.nan] * 4 for box, fits in zip(boxes, good)]
    return np.array([[_real(number) for number in box] for box in rows]).reshape(-1, 4), ~np.array(good, dtype=bool)


def is_plain(value: Any) -> bool:
    """Nothing, text, or a number that JSON has."""
    return value is None or is_id(value)


def _group(value: Any) -> Any:
    """Nothing for what names no group: null, an empty text, NaN."""
    if isinstance(value, (list, dict)):
        return shown(value)
    return value if is_id(value) and value != "" else None


def _real(value: Any) -> float:
    try:
        return float(value) if type(value) in (int, float) else np.inf
    except OverflowError:
        return np.inf


def _side(value: Any) -> int:
    return int(value) if type(value) in (int, float) and 0 < value < 2**31 else 0


def _check_ids(ids: Sequence[Any], key: str, where: dict[str, Any], findings: Findings) -> None:
    """Ids are renumbered whatever they are; what readers other than this one would have made of them is said."""
    other = [(position, value) for position, value in enumerate(ids) if type(value) is not int]
    missing = [position for position, value in other if value is None]
    if key == "annotations":
        findings.add("annotation_id_missing", ({
            **where, "entry": f"{key}[{position}]", "after": "numbered"} for position in missing))
        seen: set[Any] = set()
        twice = [(at, value) for at, value in enumerate(ids)
                 if is_id(value) and (value in seen or seen.add(value))]
        findings.add("annotation_id_duplicate", ({
            **where, "entry": f"{key}[{at}]", "before": f"id {value} again", "after": "renumbered"}
            for at, value in twice))
    findings.add("id_not_integer", ({
        **where, "entry": f"{key}[{position}]", "before": f"id {shown(value)} ({type(value).__name__})",
        "after": "renumbered"}
        for position, value in other if value is not None))
    if any(type(value) is int and value == 0 for value in ids):
        code = "image_ids_from_zero" if key == "images" else "annotation_ids_from_zero"
        findings.add(code, [{**where, "entry": key, "before": "0 ...", "after": "1 ...",
                             "note": "source_id holds the former id"}])
