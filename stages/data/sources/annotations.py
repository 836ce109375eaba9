"""The annotations of one file as columns: an object for each box would take ten times the
memory."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from stages.data.checks.categories import is_id

REQUIRED = ("image_id", "category_id", "bbox")
# Fields of an annotation that detection needs; others are counted and stay where they are.
FIELDS = frozenset((*REQUIRED, "id", "area", "iscrowd", "ignore"))
# What an entry without the field has.
_DEFAULTS = {"id": None, "iscrowd": 0, "ignore": 0, "at": None, "area": None}


class Annotations:
    """What is complete, as columns of equal length, and the few other entries as they were found.

    A column is an array where all values are whole numbers, and a list of the values otherwise.
    """

    def __init__(self) -> None:
        self._total = 0
        self._blocks: dict[str, list[Any]] = {}
        # Position in the file -> entry that lacks a required field.
        self.incomplete: dict[int, Any] = {}
        # Row of the columns -> box that is not four numbers.
        self.malformed: dict[int, Any] = {}
        # Name -> entries with a field that detection does not need.
        self.unread: Counter[str] = Counter()

    @classmethod
    def of(cls, entries: Sequence[Any]) -> Annotations:
        made = cls()
        made.extend(entries)
        return made

    def __len__(self) -> int:
        return self._total

    def extend(self, entries: Sequence[Any]) -> None:
        """Adds entries as a COCO file has them, or as a reader of another format makes them."""
        start, row = self._total, self._total - len(self.incomplete)
        self._total += len(entries)
        positions = range(start, self._total)
        fields: Counter[str] = Counter()
        if set(map(type, entries)) == {dict}:
            fields.update(chain.from_iterable(entries))
        if any(fields[name] < len(entries) for name in REQUIRED) or not _have_plain_ids(entries):
            complete = [_is_complete(entry) for entry in entries]
            self.incomplete.update(
                (at, entry) for at, entry, good in zip(positions, entries, complete) if not good
            )
            positions = [at for at, good in zip(positions, complete) if good]
            entries = [entry for entry, good in zip(entries, complete) if good]
            fields = Counter(chain.from_iterable(entries))
        self._count_unread(fields)
        values = {
            name: [entry.get(name, default) for entry in entries]
            for name, default in _DEFAULTS.items()
            if fields[name]
        }
        for name in ("image_id", "category_id"):
            values[name] = [entry[name] for entry in entries]
        boxes = [entry["bbox"] for entry in entries]
        values["bbox"], malformed = _numbers(boxes)
        self.malformed.update((row + int(at), boxes[at]) for at in np.flatnonzero(malformed))
        if fields["attributes"]:
            values["rotation"] = _rotations(entries)
        self._append(np.fromiter(positions, dtype=np.int64, count=len(entries)), values)

    def extend_columns(self, fields: Sequence[str], values: dict[str, Any]) -> None:
        """Adds complete entries that all have the same `fields`. values: as Pattern.read gives
        them."""
        start, count = self._total, len(values["bbox"])
        self._total += count
        self._count_unread(dict.fromkeys(fields, count))
        self._append(np.arange(start, self._total), values)

    def column(self, name: str) -> Any:
        """position, image_id, category_id, id, iscrowd, ignore and at: an array of whole numbers or
        a list; area, has_area, rotation (degrees, 0 for none) and bbox (n, 4): an array, NaN for
        what is missing and infinity for what is no number."""
        blocks = self._blocks.get(name) or [np.zeros((0, 4) if name == "bbox" else 0)]
        if all(isinstance(block, np.ndarray) for block in blocks):
            joined: Any = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
        else:
            joined = list(
                chain.from_iterable(
                    block.tolist() if isinstance(block, np.ndarray) else block for block in blocks
                )
            )
        self._blocks[name] = [joined]
        return joined

    def _count_unread(self, fields: Mapping[str, int]) -> None:
        self.unread.update({name: count for name, count in fields.items() if name not in FIELDS})

    def _append(self, positions: np.ndarray, values: dict[str, Any]) -> None:
        """values: a list for each field, what _DEFAULTS has for those that are not among them; bbox
        and rotation: arrays."""
        count = len(positions)
        for name, default in _DEFAULTS.items():
            values.setdefault(name, [default] * count)
        self._add("position", positions)
        for name in ("image_id", "category_id", "id", "iscrowd", "ignore", "at"):
            self._add(name, _column(values[name]))
        self._add("area", _areas(values["area"]))
        self._add("has_area", np.array([value is not None for value in values["area"]], dtype=bool))
        self._add("rotation", values.get("rotation", np.zeros(count)))
        self._add("bbox", values["bbox"])

    def _add(self, name: str, block: Any) -> None:
        self._blocks.setdefault(name, []).append(block)


def _have_plain_ids(entries: Sequence[dict[str, Any]]) -> bool:
    types = set(map(type, (entry["image_id"] for entry in entries)))
    return types | set(map(type, (entry["category_id"] for entry in entries))) <= {int}


def _is_complete(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and all(name in entry for name in REQUIRED)
        and is_id(entry["image_id"])
        and is_id(entry["category_id"])
    )


def _column(values: list[Any]) -> Any:
    # True is no id, though it is a number to NumPy.
    if set(map(type, values)) != {int}:
        return values
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return values


def _areas(values: list[Any]) -> np.ndarray:
    """NaN: to be filled from the box; infinity: something that is no number."""
    if set(map(type, values)) == {float}:
        return np.array(values)
    return np.array(
        [np.nan if value is None else _real(value) for value in values], dtype=np.float64
    )


def _rotations(entries: Sequence[dict[str, Any]]) -> np.ndarray:
    """CVAT and Datumaro write the degrees by which a rectangle is turned about its middle among its
    attributes."""
    degrees = []
    for entry in entries:
        attributes = entry.get("attributes")
        value = attributes.get("rotation") if isinstance(attributes, dict) else None
        real = _real(value)
        degrees.append(real if math.isfinite(real) else 0.0)
    return np.array(degrees, dtype=np.float64)


def _numbers(boxes: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4) floats and where a box is not four numbers."""
    try:
        table = np.array(boxes)
    except ValueError:
        table = np.array(None)
    if table.ndim == 2 and table.shape[1] == 4 and table.dtype.kind in "if":
        return table.astype(np.float64, copy=False), np.zeros(len(boxes), dtype=bool)
    good = [
        isinstance(box, list)
        and len(box) == 4
        and all(type(number) in (int, float) for number in box)
        for box in boxes
    ]
    rows = [box if fits else [np.nan] * 4 for box, fits in zip(boxes, good)]
    return np.array([[_real(number) for number in box] for box in rows]).reshape(-1, 4), ~np.array(
        good, dtype=bool
    )


def _real(value: Any) -> float:
    try:
        return float(value) if type(value) in (int, float) else np.inf
    except OverflowError:
        return np.inf
