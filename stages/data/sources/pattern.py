"""Reads COCO annotations that differ in their numbers alone as columns, without an object for each.

Programs that write boxes and no masks write one line after the other of the form
{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1.5, 2, 30, 40], "area": 1200, "iscrowd": 0}
and Python takes three times as long to make and to empty these objects as to read the numbers.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from stages.data.sources.annotations import FIELDS, REQUIRED

# The numbers of an entry that are without exponent consist of these.
_DIGITS = "0123456789.-"
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class Pattern:
    """The text of an annotation with its numbers taken out, and which field each number belongs
    to."""

    def __init__(self, entry: dict[str, Any], pieces: list[str], between: str) -> None:
        """pieces: the text before, between and after the numbers of `entry`. between: from the
        brace that ends an entry to the one that begins the next."""
        self._entry = entry
        self._width = len(pieces) - 1
        self._head, self._tail = pieces[0], pieces[-1]
        # Every key is in one of these; between the numbers of a list there are commas as it is.
        joint = self._tail + between[1:-1] + self._head
        self._names = [joint, *(piece for piece in pieces[1:-1] if ":" in piece)]
        self._rest = "".join(pieces).encode()
        self._comma = between[1:-1].encode()

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
        if len(pieces) - 1 != sum(map(_count, entry.values())) or set(_DIGITS) & set(
            "".join(pieces)
        ):
            return None
        return cls(entry, pieces, between)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self._entry)

    def read(self, text: str) -> dict[str, Any] | None:
        """The fields that detection needs as lists of their values, bbox as an array (n, 4); None
        where an entry of `text` is not of this pattern, has an id that is no whole number, or a
        number too large for an array.

        The text without digits has to be the pattern's, again and again. With every name replaced
        by a comma it then is a list of numbers, in the order of the pattern; a name with a digit
        inside remains, and is no list of numbers.
        """
        if not text.isascii():
            return None
        rest = text.encode().translate(None, _DIGITS.encode())
        count = (len(rest) + len(self._comma)) // (len(self._rest) + len(self._comma))
        if rest != (self._rest + self._comma) * (count - 1) + self._rest:
            return None
        if not (text.startswith(self._head) and text.endswith(self._tail)):
            return None
        numbers = text[len(self._head) : len(text) - len(self._tail)]
        for name in self._names:
            numbers = numbers.replace(name, ",")
        try:
            values = json.loads(f"[{numbers}]")
        except ValueError:
            return None
        if len(values) != count * self._width:
            return None
        return self._columns(values, count)

    def _columns(self, values: list[int | float], count: int) -> dict[str, Any] | None:
        columns: dict[str, Any] = {}
        start = 0
        for name, value in self._entry.items():
            size = _count(value)
            if name == "bbox":
                sides = [np.array(values[at :: self._width]) for at in range(start, start + size)]
                if any(side.dtype.kind not in "if" for side in sides):
                    return None
                columns[name] = np.stack(sides, axis=1).astype(np.float64, copy=False)
            elif name in FIELDS and size:
                columns[name] = values[start :: self._width]
            elif name in FIELDS:
                columns[name] = [value] * count
            start += size
        ids = set(map(type, columns["image_id"])) | set(map(type, columns["category_id"]))
        if ids != {int}:
            return None
        return columns


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
