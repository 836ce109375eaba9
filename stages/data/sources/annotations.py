"""What a reader hands over: the entries of one annotation file as they were found, its annotations
as columns, because an object for each box would take ten times the memory."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from stages.data.findings import Findings

REQUIRED = ("image_id", "category_id", "bbox")
_REQUIRED = frozenset(REQUIRED)
# Fields of an annotation that detection needs; others are counted and stay where they are.
FIELDS = frozenset((*REQUIRED, "id", "area", "iscrowd", "ignore"))
# What an entry without the field has.
_DEFAULTS = {"id": None, "iscrowd": 0, "ignore": 0, "at": None, "area": None}


@dataclass
class Raw:
    """The file of `split` that reports call `name`; `folder`, relative to data.root, is where
    file_name starts from.

    relative: bbox holds shares of the image's width and height instead of pixels. coco: the file
    has COCO's own fields, ids and areas; otherwise the reader made them, and "at" in each
    annotation says where it was. gathered: categories are the names met in many label files, not a
    list in which each has an id of its own.
    """

    split: str
    name: str
    folder: str
    images: list[Any] = field(default_factory=list)
    annotations: list[Any] | Annotations = field(default_factory=list)
    categories: list[Any] = field(default_factory=list)
    relative: bool = False
    coco: bool = False
    gathered: bool = False

    @property
    def origin(self) -> dict[str, Any]:
        """Where findings say that its entries are."""
        return {"split": self.split, "source": self.name}

    def add_image(self, name: str, **size: Any) -> None:
        """With an id from 1."""
        self.images.append({"id": len(self.images) + 1, "file_name": name, **size})

    def add_box(self, label: Any, box: list[Any], at: str, **fields: Any) -> None:
        """Of the image that was added last, with an id from 1."""
        ids = {"id": len(self.annotations) + 1, "image_id": len(self.images)}
        self.annotations.append({**ids, "category_id": label, "bbox": box, **fields, "at": at})


def read_text(path: Path, origin: dict[str, Any], findings: Findings) -> str | None:
    """The file's text without a byte order mark; None, and a fatal finding, where there is none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        findings.report("annotation_file_missing", origin, file=path)
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        note = getattr(error, "strerror", None) or str(error)
        findings.report("annotation_file_unreadable", origin, file=path, note=note)
        return None
    if data.startswith(b"\xef\xbb\xbf"):
        findings.report("file_bom", origin, before="EF BB BF", after="skipped")
        data = data[3:]
    if not data.strip():
        findings.report("annotation_file_empty", origin, file=path)
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        note = f"byte 0x{data[error.start]:02x} in line {line}"
        findings.report("file_not_utf8", origin, note=note)
        return None


def is_id(value: Any) -> bool:
    """Numbers and text are ids; lists, mappings, nothing, NaN and infinity are none."""
    return isinstance(value, (int, str)) or (isinstance(value, float) and math.isfinite(value))


def as_number(text: str | None) -> float | str | None:
    """What is no number as it stands."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return text


def are_finite(values: Sequence[Any]) -> bool:
    return all(isinstance(value, float) and math.isfinite(value) for value in values)


class Annotations:
    """What is complete, as columns of equal length, and the few other entries as they were found.

    A column is an array where all values are whole numbers, and a list of the values otherwise.
    """

    def __init__(self) -> None:
        self._total = 0
        self._blocks: dict[str, list[Any]] = defaultdict(list)
        # Position in the file -> entry that lacks a required field.
        self.incomplete: dict[int, Any] = {}
        # Row of the columns -> box that is not four numbers.
        self.malformed: dict[int, Any] = {}
        # Name -> entries with a field that detection does not need.
        self.unread: Counter[str] = Counter()

    @classmethod
    def of(cls, entries: Sequence[Any]) -> Annotations:
        annotations = cls()
        annotations.extend(entries)
        return annotations

    def __len__(self) -> int:
        return self._total

    def extend(self, entries: Sequence[Any]) -> None:
        """Adds entries as a COCO file has them, or as a reader of another format makes them."""
        start, row = self._total, self._total - len(self.incomplete)
        self._total += len(entries)
        positions: Sequence[int] = range(start, self._total)
        if not _are_complete(entries):
            complete = {}
            for position, entry in zip(positions, entries):
                if _is_complete(entry):
                    complete[position] = entry
                else:
                    self.incomplete[position] = entry
            positions, entries = list(complete), list(complete.values())
        fields = Counter(chain.from_iterable(entries))
        self._count_unread(fields)
        values: dict[str, Any] = {}
        for name, default in _DEFAULTS.items():
            if fields[name]:
                values[name] = [entry.get(name, default) for entry in entries]
        for name in ("image_id", "category_id"):
            values[name] = list(map(itemgetter(name), entries))
        boxes = list(map(itemgetter("bbox"), entries))
        values["bbox"], malformed = _numbers(boxes)
        for at in np.flatnonzero(malformed).tolist():
            self.malformed[row + at] = boxes[at]
        if fields["attributes"]:
            values["rotation"] = np.array(list(map(_rotation, entries)), dtype=np.float64)
        self._append(np.array(positions, dtype=np.int64), values)

    def extend_columns(self, fields: Sequence[str], values: dict[str, Any]) -> None:
        """Adds complete entries of the same `fields`. values: of those that detection needs."""
        start, count = self._total, len(values["bbox"])
        self._total += count
        self._count_unread(dict.fromkeys(fields, count))
        self._append(np.arange(start, self._total), values)

    def column(self, name: str) -> Any:
        """position, image_id, category_id, id, iscrowd, ignore and at: an array of whole numbers or
        a list; area, has_area, rotation (degrees, 0 for none) and bbox (n, 4): an array, NaN for
        what is missing and infinity for what is no number."""
        blocks = self._blocks.get(name) or [np.zeros((0, 4) if name == "bbox" else 0)]
        if len(blocks) == 1:
            return blocks[0]
        if set(map(type, blocks)) == {np.ndarray}:
            joined = np.concatenate(blocks)
        else:
            joined = []
            for block in blocks:
                joined += block.tolist() if isinstance(block, np.ndarray) else block
        self._blocks[name] = [joined]
        return joined

    def _count_unread(self, fields: Mapping[str, int]) -> None:
        for name, count in fields.items():
            if name not in FIELDS:
                self.unread[name] += count

    def _append(self, positions: np.ndarray, values: dict[str, Any]) -> None:
        """values: a list or an array for each field that is not as in _DEFAULTS."""
        count = len(positions)
        for name, default in _DEFAULTS.items():
            values.setdefault(name, [default] * count)
        columns = {"position": positions, "rotation": np.zeros(count), **values}
        for name in ("image_id", "category_id", "id", "iscrowd", "ignore", "at"):
            columns[name] = _column(values[name])
        columns["area"] = _areas(values["area"])
        columns["has_area"] = np.array([value is not None for value in values["area"]], dtype=bool)
        for name, column in columns.items():
            self._blocks[name].append(column)


def _are_complete(entries: Sequence[Any]) -> bool:
    """Whether all have what is required, and whole numbers as ids, as those of most files have."""
    if set(map(type, entries)) != {dict}:
        return False
    if not all(entry.keys() >= _REQUIRED for entry in entries):
        return False
    ids = chain.from_iterable(map(itemgetter("image_id", "category_id"), entries))
    return set(map(type, ids)) == {int}


def _is_complete(entry: Any) -> bool:
    if not isinstance(entry, dict) or not entry.keys() >= _REQUIRED:
        return False
    return is_id(entry["image_id"]) and is_id(entry["category_id"])


def _column(values: Any) -> Any:
    # True is no id, though it is a number to NumPy.
    if isinstance(values, np.ndarray) or set(map(type, values)) != {int}:
        return values
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return values


def _areas(values: Any) -> np.ndarray:
    """NaN: to be filled from the box; infinity: something that is no number."""
    if isinstance(values, np.ndarray):
        return values
    if set(map(type, values)) != {float}:
        values = [np.nan if value is None else _real(value) for value in values]
    return np.array(values, dtype=np.float64)


def _rotation(entry: dict[str, Any]) -> float:
    """Degrees about the middle, as CVAT and Datumaro write them; 0 where there are none."""
    attributes = entry.get("attributes")
    if not isinstance(attributes, dict):
        return 0.0
    degrees = _real(attributes.get("rotation"))
    return degrees if math.isfinite(degrees) else 0.0


def _numbers(boxes: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4) floats and where a box is not four numbers."""
    malformed = np.zeros(len(boxes), dtype=bool)
    try:
        table = np.array(boxes)
    except ValueError:
        table = np.array(None)
    if table.ndim == 2 and table.shape[1] == 4 and table.dtype.kind in "if":
        return table.astype(np.float64, copy=False), malformed
    table = np.full((len(boxes), 4), np.nan)
    for row, box in enumerate(boxes):
        if isinstance(box, list) and len(box) == 4 and set(map(type, box)) <= {int, float}:
            table[row] = list(map(_real, box))
        else:
            malformed[row] = True
    return table, malformed


def _real(value: Any) -> float:
    if type(value) not in (int, float):
        return np.inf
    try:
        return float(value)
    except OverflowError:
        return np.inf
