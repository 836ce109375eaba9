"""Reads COCO annotations that differ in their numbers alone as columns, without an object for each.

Programs that write boxes and no masks write one line after the other of the form
{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1.5, 2, 30, 40], "area": 1200, "iscrowd": 0}
and Python takes three times as long to make and to empty these objects as to read the numbers.
"""

from __future__ import annotations

import io
import json
import re
from typing import Any

import numpy as np
import pandas as pd

from stages.data.sources.annotations import FIELDS, REQUIRED

# The numbers of an entry that are without exponent consist of these.
_DIGITS = b"0123456789.-"
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# Python reads no whole number of more than 4300 digits.
_LONGEST = 4000


class Pattern:
    """The text of an annotation with its numbers taken out, and which field each number belongs
    to."""

    def __init__(self, entry: dict[str, Any], pieces: list[str], between: str) -> None:
        """pieces: the text before, between and after the numbers of `entry`. between: from the
        brace that ends an entry to the one that begins the next."""
        self._entry = entry
        self._width = len(pieces) - 1
        self._rest = "".join(pieces).encode()
        self._comma = between[1:-1].encode()
        # Characters of an entry before each number, other numbers aside.
        self._before = np.cumsum(list(map(len, pieces[:-1])))

    @classmethod
    def of(cls, text: str, between: str) -> Pattern | None:
        """The pattern of an annotation's text; None where its fields are no columns of numbers."""
        try:
            entry = json.loads(text, parse_constant=_refuse)
        except ValueError:
            return None
        # For every key there is a colon: no object inside, no key twice, and no colon in a text.
        if type(entry) is not dict or len(entry) != text.count(":") or not text.isascii():
            return None
        if not all(_is_column(name, value) for name, value in entry.items()):
            return None
        if not entry.keys() >= set(REQUIRED):
            return None
        pieces = _NUMBER.split(text)
        # As many as the values have: no name and no text has a digit in it.
        has_digit = set(_DIGITS) & set("".join(pieces).encode())
        if has_digit or len(pieces) - 1 != sum(map(_count, entry.values())):
            return None
        return cls(entry, pieces, between)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self._entry)

    def read(self, text: str) -> dict[str, Any] | None:
        """The fields that detection needs as arrays of their values, bbox (n, 4), or as lists where
        all have the value that is no number; None where an entry of `text` is not of this pattern,
        has an id that is no whole number, or a number too large for an array.

        The text without its numbers has to be the pattern's, again and again, with the numbers
        between the same characters.
        """
        if not text.isascii() or not text.startswith("{") or not text.endswith("}"):
            return None
        data = text.encode()
        rest = data.translate(None, _DIGITS)
        step = len(self._rest) + len(self._comma)
        count = (len(rest) + len(self._comma)) // step
        if rest != (self._rest + self._comma) * (count - 1) + self._rest:
            return None
        numbers = _Numbers(data)
        before = np.arange(count)[:, None] * step + self._before
        if not np.array_equal(numbers.before, before.ravel()) or not numbers.are_json():
            return None
        return self._columns(numbers.table(self._width), count)

    def _columns(self, table: pd.DataFrame, count: int) -> dict[str, Any] | None:
        """table: a row for each entry, a column for each number of the pattern."""
        columns: dict[str, Any] = {}
        start = 0
        for name, value in self._entry.items():
            size = _count(value)
            part = table.iloc[:, start : start + size]
            start += size
            if name in FIELDS and not size:
                columns[name] = [value] * count
            elif name in ("bbox", "area"):
                if not {dtype.kind for dtype in part.dtypes} <= {"i", "f"}:
                    return None
                values = part.to_numpy(dtype=np.float64)
                columns[name] = values if name == "bbox" else values[:, 0]
            elif name in FIELDS:
                columns[name] = part.iloc[:, 0].to_numpy()
                # 1.0 is no whole number in JSON.
                if columns[name].dtype != np.int64:
                    return None
        if not all(isinstance(columns[name], np.ndarray) for name in ("image_id", "category_id")):
            return None
        return columns


class _Numbers:
    """The numbers in a text of ASCII characters. before: (n,) characters of other kinds before each
    of them."""

    def __init__(self, data: bytes) -> None:
        self._data = np.frombuffer(data, dtype=np.uint8)
        self._is_digit = (self._data - ord("-") <= ord("9") - ord("-")) & (self._data != ord("/"))
        edges = np.flatnonzero(self._is_digit[1:] != self._is_digit[:-1]) + 1
        self._starts, self._ends = edges[::2], edges[1::2]
        lengths = self._ends - self._starts
        self.before = self._starts - np.cumsum(lengths) + lengths

    def are_json(self) -> bool:
        """Without zeros before a number, without a point at its end, and none too long."""
        data, starts = self._data, self._starts
        first = starts + (data[starts] == ord("-"))
        has_zero = (data[first] == ord("0")) & (data[first + 1] >= ord("0"))
        has_zero &= data[first + 1] <= ord("9")
        is_digit = (data[first] >= ord("0")) & (data[first] <= ord("9"))
        ends_in_digit = data[self._ends - 1] >= ord("0")
        is_short = self._ends - starts <= _LONGEST
        return bool((is_digit & ~has_zero & ends_in_digit & is_short).all())

    def table(self, width: int) -> pd.DataFrame:
        """The numbers in rows of `width`; a column with something that is none, such as 1-2, is one
        of objects."""
        lines = self._data.copy()
        lines[self._ends] = ord(",")
        lines[self._ends[width - 1 :: width]] = ord("\n")
        is_part = self._is_digit.copy()
        is_part[self._ends] = True
        file = io.BytesIO(lines[is_part].tobytes())
        return pd.read_csv(file, header=None, na_filter=False, low_memory=False)


def _refuse(name: str) -> None:
    raise ValueError(name)


def _is_column(name: str, value: Any) -> bool:
    if name == "bbox":
        return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))
    return name not in FIELDS or not isinstance(value, list)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _count(value: Any) -> int:
    """Numbers in a value, those of lists in lists too."""
    if isinstance(value, list):
        return sum(map(_count, value))
    return int(_is_number(value))
