"""Checks ids and fields of an annotation file's entries and turns them into tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from stages.data.checks.categories import is_id
from stages.data.checks.paths import is_absolute
from stages.data.findings import Findings, shown
from stages.data.labels import Labels, entry_name
from stages.data.sources.annotations import REQUIRED, Annotations
from stages.data.sources.raw import Raw

_IMAGE_FIELDS = {"id", "file_name", "width", "height"}
# Degrees: less moves no edge of a box by a pixel.
_UPRIGHT = 0.01


def tables(
    raw: Raw,
    split: str,
    classes: list[str],
    category: dict[Any, int],
    group: str,
    findings: Findings,
) -> Labels:
    """category: as Classes.read gives it. group: the field of an image that names its group, or "".

    Boxes are not looked at yet beyond being four numbers; files are not looked for.
    """
    origin = {"split": split, "source": raw.name}
    images, row = _images(raw, origin, group, findings)
    nested = Counter(
        key
        for entry in raw.images
        if isinstance(entry, dict)
        for key, value in entry.items()
        if isinstance(value, (list, dict)) and key != group
    )
    for key in sorted(nested.keys() - _IMAGE_FIELDS):
        findings.counted("fields_not_copied", nested[key], **origin, entry="images", before=key)
    return Labels(
        classes, images, _boxes(raw, origin, row, category, images, classes, findings), raw.relative
    )


def _images(
    raw: Raw, origin: dict[str, Any], group: str, findings: Findings
) -> tuple[pd.DataFrame, dict[Any, int]]:
    """The table, and its row for each id; -1 where an id is on several images."""
    row: dict[Any, int] = {}
    by_name: dict[str, int] = {}
    entries: list[dict[str, Any]] = []
    drop = set()
    for position, entry in enumerate(raw.images):
        place = {**origin, "entry": f"images[{position}]"}
        if not (
            isinstance(entry, dict)
            and is_id(entry.get("id"))
            and isinstance(entry.get("file_name"), str)
        ):
            findings.add(
                "entry_incomplete", [{**place, "before": entry, "note": "lacks id or file_name"}]
            )
            continue
        number, name = entry["id"], entry["file_name"]
        if number in row:
            if entries[row[number]]["file_name"] == name:
                findings.add(
                    "image_entry_duplicate",
                    [{**place, "file": name, "before": f"id {number} twice"}],
                )
                continue
            findings.add(
                "image_id_duplicate",
                [
                    {
                        **place,
                        "file": name,
                        "before": f"id {number}: {entries[row[number]]['file_name']} and {name}",
                    }
                ],
            )
            if number not in drop and findings.action("image_id_duplicate") == "drop":
                findings.change(
                    "image_id_duplicate",
                    {**origin, "file": entries[row[number]]["file_name"], "before": f"id {number}"},
                )
            drop |= {number, entries[row[number]]["id"]}
            # Takes part until here, so that a third of the same id is found as well.
            by_name.setdefault(name, len(entries))
            entries.append(entry)
            continue
        if name in by_name:
            first = entries[by_name[name]]["id"]
            findings.add(
                "file_name_duplicate",
                [
                    {
                        **place,
                        "file": name,
                        "before": f"ids {first} and {number}",
                        "after": f"id {first}",
                    }
                ],
            )
            row[number] = by_name[name]
            continue
        row[number] = by_name[name] = len(entries)
        entries.append(entry)
    ids = [entry["id"] for entry in entries]
    if raw.coco:
        _check_ids(ids, "images", origin, findings)
    sizes = np.array(
        [[_side(entry.get(side)) for side in ("width", "height")] for entry in entries]
    ).reshape(-1, 2)
    prefix = raw.folder.rstrip("/") + "/" if raw.folder else ""
    table = pd.DataFrame(
        {
            # An absolute name starts from nowhere else; file_names.py says what becomes of it.
            "file_name": pd.Series(
                [
                    entry["file_name"]
                    if not entry["file_name"].strip() or is_absolute(entry["file_name"])
                    else prefix + entry["file_name"]
                    for entry in entries
                ],
                dtype=object,
            ),
            "width": sizes[:, 0].astype(np.int64),
            "height": sizes[:, 1].astype(np.int64),
            "group": pd.Series(
                [_group(entry.get(group)) if group else None for entry in entries], dtype=object
            ),
            "source": pd.Series([raw.name] * len(entries), dtype=object),
            "source_id": pd.Series(ids, dtype=object),
            "other": pd.Series(
                [
                    {
                        key: value
                        for key, value in entry.items()
                        if key not in _IMAGE_FIELDS and key != group and is_plain(value)
                    }
                    for entry in entries
                ],
                dtype=object,
            ),
        }
    )
    if not drop:
        return table, row
    kept = np.array([number not in drop for number in ids], dtype=bool)
    new = (np.cumsum(kept) - 1).tolist()
    return table[kept].reset_index(drop=True), {
        number: new[old] if kept[old] else -1 for number, old in row.items()
    }


def _boxes(
    raw: Raw,
    origin: dict[str, Any],
    row: dict[Any, int],
    category: dict[Any, int],
    images: pd.DataFrame,
    classes: list[str],
    findings: Findings,
) -> pd.DataFrame:
    entries = (
        raw.annotations
        if isinstance(raw.annotations, Annotations)
        else Annotations.of(raw.annotations)
    )
    at_file = entries.column("position") if raw.coco else entries.column("at")
    findings.add(
        "entry_incomplete",
        (
            {
                **origin,
                "entry": entry_name(position if raw.coco else entry.get("at")),
                "before": entry,
                "note": f"lacks one of {', '.join(REQUIRED)}",
            }
            for position, entry in entries.incomplete.items()
        ),
    )
    absent, unlisted = -2, -2
    image_ids, category_ids = entries.column("image_id"), entries.column("category_id")
    image = _rows_of(image_ids, row, absent)
    label = _rows_of(category_ids, category, unlisted)
    for key, index, ids, listed in (
        ("image_id", image, image_ids, row),
        ("category_id", label, category_ids, category),
    ):
        findings.rows(
            "id_not_integer",
            _matched_by_text(ids, index, listed, absent),
            lambda at, key=key, ids=ids, listed=listed: {
                **origin,
                "entry": entry_name(at_file[at]),
                "before": f"{key} {_plain_id(ids[at])!r}",
                "after": f"{key} {_as_listed(_plain_id(ids[at]), listed)!r}",
            },
        )

    def place(at: int) -> dict[str, Any]:
        return {
            **origin,
            "entry": entry_name(at_file[at]),
            "file": images["file_name"].iat[image[at]] if image[at] >= 0 else None,
            "label": classes[label[at]] if label[at] >= 0 else None,
        }

    findings.rows(
        "annotation_image_unknown",
        np.flatnonzero(image == absent),
        lambda at: {**place(at), "before": f"image_id {image_ids[at]}"},
    )
    findings.rows(
        "annotation_category_unknown",
        np.flatnonzero(label == unlisted),
        lambda at: {**place(at), "before": f"category_id {category_ids[at]}"},
    )
    boxes = entries.column("bbox")
    malformed = np.zeros(len(boxes), dtype=bool)
    malformed[list(entries.malformed)] = True
    unknown = np.flatnonzero((label == -1) & (image >= 0))
    if len(unknown) and findings.action("category_unknown") == "drop":
        # One fault per category, one row of the changes per box.
        for at in unknown:
            box = entries.malformed.get(int(at), boxes[at].tolist())
            findings.change(
                "category_unknown",
                {**place(at), "before": f"category_id {category_ids[at]}, bbox {shown(box)}"},
            )
    good = (image >= 0) & (label >= 0) & ~malformed
    findings.rows(
        "box_malformed",
        np.flatnonzero(malformed & (image >= 0) & (label >= 0)),
        lambda at: {**place(at), "before": entries.malformed[at]},
    )
    ids, crowd = entries.column("id"), entries.column("iscrowd")
    if raw.coco:
        _check_ids(ids, "annotations", origin, findings)
        findings.rows(
            "area_missing",
            np.flatnonzero(~entries.column("has_area")),
            lambda at: {**place(at), "after": "width x height"},
        )
    crowd, wrong = _flags(crowd)
    findings.rows(
        "iscrowd_invalid",
        np.flatnonzero(wrong),
        lambda at: {
            **place(at),
            "before": f"iscrowd {shown(entries.column('iscrowd')[at])}",
            "after": "0",
        },
    )
    # Any value that is true, as MMDetection reads it. VOC and YOLO have no such field.
    ignore = entries.column("ignore")
    ignored = (
        ignore != 0
        if isinstance(ignore, np.ndarray)
        else np.array(list(map(bool, ignore)), dtype=bool)
    )
    ignored = ignored & (crowd == 0) & good
    findings.rows(
        "ignore_as_crowd",
        np.flatnonzero(ignored),
        lambda at: {**place(at), "before": f"ignore {shown(ignore[at])}", "after": "iscrowd 1"},
    )
    if findings.action("ignore_as_crowd") == "repair":
        crowd[ignored] = 1
    boxes = _unrotated(boxes, entries.column("rotation"), good, place, findings)
    return pd.DataFrame(
        {
            "image": image,
            "label": label,
            **{name: boxes[:, column] for column, name in enumerate("xywh")},
            "area": entries.column("area"),
            "iscrowd": crowd,
            "source": pd.Series([raw.name] * len(boxes), dtype=object),
            # None for what cannot lead back, and is no JSON, such as NaN.
            "source_id": ids
            if isinstance(ids, np.ndarray)
            else pd.Series([value if is_id(value) else None for value in ids], dtype=object),
            "entry": pd.Series(at_file, dtype=np.int64 if raw.coco else object),
        }
    )[good].reset_index(drop=True)


def _unrotated(
    boxes: np.ndarray,
    degrees: np.ndarray,
    good: np.ndarray,
    place: Callable[[int], dict[str, Any]],
    findings: Findings,
) -> np.ndarray:
    """boxes (n, 4), those with a rotation about their middle replaced by the upright box around
    them."""
    turned = good & (np.abs(np.remainder(degrees + 90, 180) - 90) > _UPRIGHT)
    if not turned.any():
        return boxes
    cosine, sine = np.abs(np.cos(np.radians(degrees))), np.abs(np.sin(np.radians(degrees)))
    size = boxes[:, 2:]
    around = np.stack(
        [size[:, 0] * cosine + size[:, 1] * sine, size[:, 0] * sine + size[:, 1] * cosine], axis=1
    )
    upright = np.concatenate([boxes[:, :2] + (size - around) / 2, around], axis=1)
    action = findings.action("box_rotated")
    findings.rows(
        "box_rotated",
        np.flatnonzero(turned),
        lambda at: {
            **place(at),
            "box": upright[at].tolist(),
            "before": boxes[at].tolist(),
            "after": upright[at].tolist() if action == "repair" else None,
            "note": f"rotation {degrees[at]:g} degrees",
        },
    )
    if action == "drop":
        good &= ~turned
    return np.where(turned[:, None], upright, boxes) if action in ("repair", "fatal") else boxes


def _rows_of(ids: Any, listed: dict[Any, int], absent: int) -> np.ndarray:
    """(n,) what `listed` has for each id, by its text where not by itself."""
    if not isinstance(ids, np.ndarray):
        return np.array(
            [listed.get(_as_listed(value, listed), absent) for value in ids], dtype=np.int64
        )
    # Each id is looked up once: there are fewer images than boxes.
    different, inverse = np.unique(ids, return_inverse=True)
    rows = [listed.get(_as_listed(value, listed), absent) for value in different.tolist()]
    return np.array(rows, dtype=np.int64)[inverse]


def _matched_by_text(ids: Any, index: np.ndarray, listed: dict[Any, int], absent: int) -> list[int]:
    """Rows whose id is listed as text where it is a number, or the other way round."""
    if isinstance(ids, np.ndarray):
        different = np.unique(ids)
        odd = [value for value in different.tolist() if value not in listed]
        return np.flatnonzero(np.isin(ids, odd) & (index > absent)).tolist()
    return [at for at, value in enumerate(ids) if index[at] > absent and value not in listed]


def _plain_id(value: Any) -> Any:
    return value.item() if isinstance(value, np.integer) else value


def _flags(values: Any) -> tuple[np.ndarray, np.ndarray]:
    """(n,) 0 or 1, 0 for anything else, and where there was anything else."""
    if isinstance(values, np.ndarray):
        wrong = (values != 0) & (values != 1)
        return np.where(wrong, 0, values), wrong
    wrong = np.array([value not in (0, 1) for value in values], dtype=bool)
    return np.array(
        [0 if bad else int(value) for value, bad in zip(values, wrong)], dtype=np.int64
    ), wrong


def _as_listed(value: Any, listed: dict[Any, int]) -> Any:
    """The id of `listed` that `value` means: 3 is also found by "3", and "3" by 3."""
    if value in listed:
        return value
    if isinstance(value, str):
        return int(value) if value.isdecimal() and len(value) < 20 else value
    return str(value) if type(value) is int and abs(value) < 10**20 else value


def is_plain(value: Any) -> bool:
    """Nothing, text, or a number that JSON has."""
    return value is None or is_id(value)


def _group(value: Any) -> Any:
    """Nothing for what names no group: null, an empty text, NaN."""
    if isinstance(value, (list, dict)):
        return shown(value)
    return value if is_id(value) and value != "" else None


def _side(value: Any) -> int:
    return int(value) if type(value) in (int, float) and 0 < value < 2**31 else 0


def _check_ids(ids: Any, key: str, origin: dict[str, Any], findings: Findings) -> None:
    """Ids are renumbered whatever they are; what readers other than this one would have made of
    them is said."""
    values = [] if isinstance(ids, np.ndarray) else ids
    other = [(position, value) for position, value in enumerate(values) if type(value) is not int]
    missing = [position for position, value in other if value is None]
    if key == "annotations":
        findings.add(
            "annotation_id_missing",
            (
                {**origin, "entry": f"{key}[{position}]", "after": "numbered"}
                for position in missing
            ),
        )
        findings.add(
            "annotation_id_duplicate",
            (
                {
                    **origin,
                    "entry": f"{key}[{at}]",
                    "before": f"id {ids[at]} again",
                    "after": "renumbered",
                }
                for at in _repeated(ids)
            ),
        )
    findings.add(
        "id_not_integer",
        (
            {
                **origin,
                "entry": f"{key}[{position}]",
                "before": f"id {shown(value)} ({type(value).__name__})",
                "after": "renumbered",
            }
            for position, value in other
            if value is not None
        ),
    )
    has_zero = (
        (ids == 0).any()
        if isinstance(ids, np.ndarray)
        else any(type(value) is int and value == 0 for value in ids)
    )
    if has_zero:
        code = "image_ids_from_zero" if key == "images" else "annotation_ids_from_zero"
        findings.add(
            code,
            [
                {
                    **origin,
                    "entry": key,
                    "before": "0 ...",
                    "after": "1 ...",
                    "note": "source_id holds the former id",
                }
            ],
        )


def _repeated(ids: Any) -> list[int]:
    """Rows whose id an earlier row has."""
    if isinstance(ids, np.ndarray):
        order = np.argsort(ids, kind="stable")
        again = ids[order[1:]] == ids[order[:-1]]
        return np.sort(order[1:][again]).tolist()
    earlier: set[Any] = set()
    rows = []
    for at, value in enumerate(ids):
        if is_id(value) and value in earlier:
            rows.append(at)
        elif is_id(value):
            earlier.add(value)
    return rows
