"""Checks the annotations of a file, a box each, and makes a table of those that can be used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from stages.data.findings import Findings, short_text
from stages.data.labels import entry_name
from stages.data.sources.annotations import REQUIRED, Annotations, Raw, is_id

# Degrees: less moves no edge of a box by a pixel.
_UPRIGHT = 0.01
# Text that is no.
_FALSE = {"", "0", "0.0", "false", "no", "none", "null"}
# In place of a row: an id that no list has. -1 is one that a list has and that cannot be used.
_ABSENT = -2


class BoxEntries:
    """The boxes of one file on their way into the table.

    origin: split and file of the findings. image: (n,) row of the image of each entry, -1 where its
    id is on several images, _ABSENT where it is on none; label: likewise the index of the class, -1
    for a class that the train files do not have. good: which entries are boxes that can be used.
    """

    def __init__(
        self,
        raw: Raw,
        images: pd.DataFrame,
        row: dict[Any, int],
        category: dict[Any, int],
        classes: list[str],
        findings: Findings,
    ) -> None:
        self.raw, self.origin, self.findings = raw, raw.origin, findings
        self.images, self.classes = images, classes
        self.entries = raw.annotations
        if not isinstance(self.entries, Annotations):
            self.entries = Annotations.of(self.entries)
        # Position in COCO's list, or the place in a label file.
        self.position = self.entries.column("position" if raw.coco else "at")
        self._report_incomplete()
        self.image = self._matched("image_id", row)
        self.label = self._matched("category_id", category)
        self.xywh = self.entries.column("bbox")
        self.good = (self.image >= 0) & (self.label >= 0)

    def place(self, at: int) -> dict[str, Any]:
        image, label = self.image[at], self.label[at]
        return {
            **self.origin,
            "entry": entry_name(self.position[at]),
            "file": self.images["file_name"].iat[image] if image >= 0 else None,
            "label": self.classes[label] if label >= 0 else None,
        }

    def report(self, code: str, mask: np.ndarray, details: Callable[[int], dict[str, Any]]) -> None:
        """details: what comes to the place of the entry in this row."""
        self.findings.rows(code, np.flatnonzero(mask), lambda at: {**self.place(at), **details(at)})

    def report_field(self, code: str, mask: np.ndarray, name: str, **details: str) -> None:
        """As `report`, with what the entries have in the field `name`."""
        if not mask.any():
            return
        values = self.entries.column(name)
        self.report(
            code, mask, lambda at: {"before": f"{name} {short_text(values[at])}", **details}
        )

    def table(self) -> pd.DataFrame:
        """Labels.boxes, with all that is wrong reported."""
        self._check_references()
        self._check_malformed()
        ids = self.entries.column("id")
        if self.raw.coco:
            check_ids(ids, "annotations", self.origin, self.findings)
            no_area = ~self.entries.column("has_area")
            self.report("area_missing", no_area, lambda at: {"after": "width x height"})
        crowd = self._crowd()
        self._turn_upright()
        if not isinstance(ids, np.ndarray):
            # None for what cannot lead back, and is no JSON, such as NaN.
            ids = pd.Series([value if is_id(value) else None for value in ids], dtype=object)
        columns = {"image": self.image, "label": self.label}
        for column, name in enumerate("xywh"):
            columns[name] = self.xywh[:, column]
        columns["area"] = self.entries.column("area")
        columns["iscrowd"] = crowd
        columns["source"] = pd.Series([self.raw.name] * len(self.xywh), dtype=object)
        columns["source_id"] = ids
        dtype = np.int64 if self.raw.coco else object
        columns["entry"] = pd.Series(self.position, dtype=dtype)
        return pd.DataFrame(columns)[self.good].reset_index(drop=True)

    def _report_incomplete(self) -> None:
        note = f"lacks one of {', '.join(REQUIRED)}"
        for position, entry in self.entries.incomplete.items():
            name = entry_name(position if self.raw.coco else entry.get("at"))
            self.findings.report(
                "entry_incomplete", self.origin, entry=name, before=entry, note=note
            )

    def _matched(self, key: str, listed: dict[Any, int]) -> np.ndarray:
        """(n,) what `listed` has for the ids of `key` or for their text; _ABSENT for others."""
        ids = self.entries.column(key)
        values, inverse = ids, np.arange(len(ids))
        if isinstance(ids, np.ndarray):
            # Each id is looked up once: there are fewer images than boxes.
            different, inverse = np.unique(ids, return_inverse=True)
            values = different.tolist()
        index = [listed.get(_as_listed(value, listed), _ABSENT) for value in values]
        rows = np.array(index, dtype=np.int64)[inverse]
        self._check_numbering(key, values, listed)
        as_text = np.array([value not in listed for value in values], dtype=bool)[inverse]

        def place(at: int) -> dict[str, Any]:
            number = values[inverse[at]]
            return {
                **self.origin,
                "entry": entry_name(self.position[at]),
                "before": f"{key} {number!r}",
                "after": f"{key} {_as_listed(number, listed)!r}",
            }

        self.findings.rows("id_not_integer", np.flatnonzero(as_text & (rows > _ABSENT)), place)
        return rows

    def _check_numbering(self, key: str, values: Iterable[Any], listed: dict[Any, int]) -> None:
        """Reports ids that are the listed ones plus or minus 1: counted from 0 in one list, and from
        1 in the other. Most of them are listed too, for another image or class."""
        used = set(map(_whole, values)) - {None}
        # YOLO labels from 1 have a check of their own, and a repair.
        if used <= set(map(_whole, listed)) or (0 in listed and not self.raw.coco):
            return
        for shift in (-1, 1):
            shifted = {number + shift for number in map(_whole, listed) if number is not None}
            if used != shifted:
                continue
            before = f"{key} {min(used)} to {max(used)},"
            note = f"but the ids listed are {min(used) - shift} to {max(used) - shift}"
            self.findings.report("ids_off_by_one", self.origin, before=before, note=note)

    def _check_references(self) -> None:
        self.report_field("annotation_image_unknown", self.image == _ABSENT, "image_id")
        self.report_field("annotation_category_unknown", self.label == _ABSENT, "category_id")
        unlisted = np.flatnonzero((self.label == -1) & (self.image >= 0))
        if not len(unlisted) or self.findings.action("category_unknown") != "drop":
            return
        category_ids = self.entries.column("category_id")
        # One fault per category, one row of the changes per box.
        for at in unlisted:
            box = short_text(self.entries.malformed.get(int(at), self.xywh[at].tolist()))
            before = f"category_id {category_ids[at]}, bbox {box}"
            self.findings.change("category_unknown", {**self.place(at), "before": before})

    def _check_malformed(self) -> None:
        boxes = self.entries.malformed
        malformed = np.zeros(len(self.xywh), dtype=bool)
        malformed[list(boxes)] = True
        self.report("box_malformed", malformed & self.good, lambda at: {"before": boxes[at]})
        self.good &= ~malformed

    def _crowd(self) -> np.ndarray:
        """(n,) 0 or 1: iscrowd, and whatever else says that a box is not to be learnt."""
        crowd, wrong = _flags(self.entries.column("iscrowd"))
        self.report_field("iscrowd_invalid", wrong, "iscrowd", after="0")
        # Any value that is true, as MMDetection reads it, but for text that says otherwise. VOC and
        # YOLO have no such field.
        ignored = _truths(self.entries.column("ignore")) & (crowd == 0) & self.good
        self.report_field("ignore_as_crowd", ignored, "ignore", after="iscrowd 1")
        if self.findings.action("ignore_as_crowd") == "repair":
            crowd[ignored] = 1
        return crowd

    def _turn_upright(self) -> None:
        """Replaces boxes with a rotation about their middle by the upright box around them."""
        degrees = self.entries.column("rotation")
        rotated = self.good & (np.abs(np.remainder(degrees + 90, 180) - 90) > _UPRIGHT)
        if not rotated.any():
            return
        cosine, sine = np.abs(np.cos(np.radians(degrees))), np.abs(np.sin(np.radians(degrees)))
        boxes, size = self.xywh, self.xywh[:, 2:]
        width = size[:, 0] * cosine + size[:, 1] * sine
        height = size[:, 0] * sine + size[:, 1] * cosine
        around = np.stack([width, height], axis=1)
        upright = np.concatenate([boxes[:, :2] + (size - around) / 2, around], axis=1)
        action = self.findings.action("box_rotated")
        self.report(
            "box_rotated",
            rotated,
            lambda at: {
                "box": upright[at].tolist(),
                "before": boxes[at].tolist(),
                "after": upright[at].tolist() if action == "repair" else None,
                "note": f"rotation {degrees[at]:g} degrees",
            },
        )
        if action == "drop":
            self.good &= ~rotated
        if action in ("repair", "fatal"):
            self.xywh = np.where(rotated[:, None], upright, boxes)


def _truths(values: Any) -> np.ndarray:
    """(n,) which values are true; the text "false" is not."""
    if isinstance(values, np.ndarray):
        return np.asarray(values != 0)
    truths = []
    for value in values:
        is_false = isinstance(value, str) and value.strip().casefold() in _FALSE
        truths.append(bool(value) and not is_false)
    return np.array(truths, dtype=bool)


def _flags(values: Any) -> tuple[np.ndarray, np.ndarray]:
    """(n,) 0 or 1, 0 for anything else, and where there was anything else."""
    if isinstance(values, np.ndarray):
        return (values == 1).astype(np.int64), (values != 0) & (values != 1)
    flags = np.array([value == 1 for value in values], dtype=np.int64)
    return flags, np.array([value not in (0, 1) for value in values], dtype=bool)


def _whole(value: Any) -> int | None:
    """The whole number that an id is, or means as text or as 3.0."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        return int(value)
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    return None


def _as_listed(value: Any, listed: dict[Any, int]) -> Any:
    """The id of `listed` that `value` means: 3 is also found by "3", and "3" by 3."""
    if value in listed:
        return value
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        return int(value)
    if type(value) is int and abs(value) < 10**20:
        return str(value)
    return value


def check_ids(ids: Any, key: str, origin: dict[str, Any], findings: Findings) -> None:
    """Ids are renumbered whatever they are; what readers other than this one would have made of
    them is said. ids: of the list `key`, an array where all are whole numbers."""
    if isinstance(ids, np.ndarray):
        usable, has_zero = pd.Series(ids), (ids == 0).any()
    else:
        usable = pd.Series([value if is_id(value) else None for value in ids], dtype=object)
        has_zero = any(type(value) is int and value == 0 for value in ids)
        for position, value in enumerate(ids):
            place = {**origin, "entry": f"{key}[{position}]"}
            if value is None:
                findings.report("annotation_id_missing", place, after="numbered")
            elif type(value) is not int:
                before = f"id {short_text(value)} ({type(value).__name__})"
                findings.report("id_not_integer", place, before=before, after="renumbered")
    if key == "annotations":
        for position in np.flatnonzero(usable.duplicated() & usable.notna()):
            place = {**origin, "entry": f"{key}[{position}]", "before": f"id {ids[position]} again"}
            findings.report("annotation_id_duplicate", place, after="renumbered")
    if has_zero:
        code = "image_ids_from_zero" if key == "images" else "annotation_ids_from_zero"
        note = "source_id holds the former id"
        findings.report(code, origin, entry=key, before="0 ...", after="1 ...", note=note)
