"""Parses the text of a COCO file without holding an object for each annotation.

Programs that write boxes and no masks write one line after the other of the form
{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1.5, 2, 30, 40], "area": 1200, "iscrowd": 0}
and Python takes three times as long to make and to empty these objects as to read the numbers:
annotations that differ in their numbers alone become columns at once, others a block at a time.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from json.decoder import scanstring
from typing import Any

import numpy as np
import pandas as pd

from stages.data.sources.annotations import FIELDS, REQUIRED, Annotations

# Characters of annotations that are read at a time: a few megabytes of columns.
_BLOCK = 2**20
_SPACE = re.compile(r"[ \t\n\r]*")
# What follows an entry of a list.
_MARK = re.compile(r"[ \t\n\r]*([,\]])[ \t\n\r]*")
_BETWEEN = re.compile(r"\}[ \t\n\r]*,[ \t\n\r]*\{")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# What the numbers of an entry that are without exponent consist of.
_DIGITS = b"0123456789.-"
# Python reads no whole number of more than 4300 digits.
_LONGEST = 4000


class Reader:
    """Walks through the top level of the file; what is below it, Python's own scanner reads."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.oddities = oddities = Oddities()
        self.decoder = json.JSONDecoder(
            object_pairs_hook=oddities.entry, parse_constant=oddities.literal
        )

    def read(self) -> dict[str, Any]:
        """Raises ValueError, IndexError, StopIteration or RecursionError for all but an object."""
        content: list[tuple[str, Any]] = []
        at = self._after("{", 0)
        while True:
            key, at = scanstring(self.text, self._after('"', at), True)
            at = self._skip(self._after(":", at))
            if key == "annotations" and self.text[at] == "[":
                value, at = self._annotations(at + 1)
            else:
                value, at = self.decoder.scan_once(self.text, at)
            content.append((key, value))
            at = self._skip(at)
            if self.text[at] == "}":
                break
            at = self._after(",", at)
        if self._skip(at + 1) != len(self.text):
            raise ValueError
        return self.oddities.entry(content)

    def _annotations(self, at: int) -> tuple[Any, int]:
        """From after the opening bracket. Returns the columns, [] where there are none, and the
        place after the list."""
        at = self._skip(at)
        if self.text[at] == "]":
            return [], at + 1
        annotations = Annotations()
        first = at
        block, mark, at = self._each(at, at + 1)
        # From the brace that ends an entry to the one that begins the next.
        between = self.text[max(self.text.rfind("}", 0, at), 0) : at + 1]
        if not _BETWEEN.fullmatch(between):
            between = "}, {"
        pattern = Pattern.of(self.text[first : self.text.rfind("}", first, at) + 1], between)
        annotations.extend(block)
        while mark != "]":
            stop = self.text.rfind(between, at, at + _BLOCK) + 1
            if stop <= at:
                stop = at + _BLOCK
            elif self._add(self.text[at:stop], pattern, annotations):
                at = stop + len(between) - 2
                continue
            block, mark, at = self._each(at, stop)
            annotations.extend(block)
        return annotations, at

    def _add(self, text: str, pattern: Pattern | None, annotations: Annotations) -> bool:
        """Adds the entries of `text` in one go; False where these are not whole entries, which the
        end of an object inside of one may look like."""
        if pattern and pattern.add(text, annotations):
            return True
        return self._add_objects(text, annotations)

    def _add_objects(self, text: str, annotations: Annotations) -> bool:
        oddities, text = self.oddities, f"[{text}]"
        literals, repeated_keys = len(oddities.literals), len(oddities.repeated_keys)
        try:
            block, end = self.decoder.scan_once(text, 0)
        except (ValueError, StopIteration):
            block, end = [], 0
        if block and end == len(text):
            annotations.extend(block)
            return True
        del oddities.literals[literals:], oddities.repeated_keys[repeated_keys:]
        return False

    def _each(self, at: int, stop: int) -> tuple[list[Any], str, int]:
        """The entries that begin before `stop`, the mark after the last, and the place after it."""
        block = []
        while True:
            entry, at = self.decoder.scan_once(self.text, at)
            block.append(entry)
            mark = _MARK.match(self.text, at)
            if mark is None:
                raise ValueError
            at = mark.end()
            if mark[1] == "]" or at >= stop:
                return block, mark[1], at

    def _skip(self, at: int) -> int:
        return _SPACE.match(self.text, at).end()

    def _after(self, mark: str, at: int) -> int:
        at = self._skip(at)
        if self.text[at] != mark:
            raise ValueError
        return at + 1


class Oddities:
    """What Python's decoder met. Apart from the reader: a decoder that leads back to it would keep
    the whole text in memory until Python looks for circles."""

    def __init__(self) -> None:
        self.repeated_keys: list[str] = []
        self.literals: list[str] = []

    def entry(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entry = dict(pairs)
        if len(entry) < len(pairs):
            most_common, _ = Counter(key for key, _ in pairs).most_common(1)[0]
            self.repeated_keys.append(most_common)
        return entry

    def literal(self, name: str) -> float:
        self.literals.append(name)
        return float(name)


class Pattern:
    """The text of an annotation without its numbers, and the field that each belongs to."""

    def __init__(self, entry: dict[str, Any], pieces: list[str], between: str) -> None:
        """pieces: the text before, between and after the numbers of `entry`. between: from one
        entry's last brace to the next one's first."""
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
            entry = json.loads(text)
        except ValueError:
            return None
        # For every key there is a colon: no object inside, no key twice, and no colon in a text.
        if type(entry) is not dict or len(entry) != text.count(":") or not text.isascii():
            return None
        lists = [name for name in entry if name in FIELDS and isinstance(entry[name], list)]
        if lists != ["bbox"] or not entry.keys() >= set(REQUIRED):
            return None
        if len(entry["bbox"]) != 4 or not set(map(type, entry["bbox"])) <= {int, float}:
            return None
        pieces = _NUMBER.split(text)
        # As many as the values have: no name and no text has a digit in it.
        has_digit = set(_DIGITS) & set("".join(pieces).encode())
        if has_digit or len(pieces) - 1 != sum(map(_count, entry.values())):
            return None
        return cls(entry, pieces, between)

    def add(self, text: str, annotations: Annotations) -> bool:
        """Adds the entries of `text`; False where one is not of this pattern, has an id that is no
        whole number, or a number too large for an array.

        The text without its numbers has to be the pattern's, again and again, with the numbers
        between the same characters.
        """
        if not text.isascii() or not text.startswith("{") or not text.endswith("}"):
            return False
        data = text.encode()
        rest = data.translate(None, _DIGITS)
        step = len(self._rest) + len(self._comma)
        count = (len(rest) + len(self._comma)) // step
        if rest != (self._rest + self._comma) * (count - 1) + self._rest:
            return False
        numbers = _Numbers(data)
        before = np.arange(count)[:, None] * step + self._before
        if not np.array_equal(numbers.before, before.ravel()) or not numbers.are_json():
            return False
        columns = self._columns(numbers.table(self._width), count)
        if columns is None:
            return False
        annotations.extend_columns(tuple(self._entry), columns)
        return True

    def _columns(self, table: pd.DataFrame, count: int) -> dict[str, Any] | None:
        """The fields that detection needs as arrays of their values, bbox (n, 4), or as lists where
        all have the value that is no number. table: a row for each entry, a column for each number
        of the pattern."""
        columns: dict[str, Any] = {}
        start = 0
        for name, value in self._entry.items():
            part = table.iloc[:, start : start + _count(value)]
            start += _count(value)
            if name not in FIELDS:
                continue
            kinds = {dtype.kind for dtype in part.dtypes}
            if name == "bbox" and kinds <= {"i", "f"}:
                columns[name] = part.to_numpy(dtype=np.float64)
            elif name == "area" and kinds and kinds <= {"i", "f"}:
                columns[name] = part.to_numpy(dtype=np.float64)[:, 0]
            # 1.0 is no whole number in JSON.
            elif kinds == {"i"}:
                columns[name] = part.iloc[:, 0].to_numpy()
            elif kinds or name in REQUIRED:
                return None
            else:
                columns[name] = [value] * count
        return columns


class _Numbers:
    """The numbers in an ASCII text. before: (n,) other characters before each of them."""

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
        """In rows of `width`; a column with something like 1-2 is one of objects."""
        lines = self._data.copy()
        lines[self._ends] = ord(",")
        lines[self._ends[width - 1 :: width]] = ord("\n")
        is_part = self._is_digit.copy()
        is_part[self._ends] = True
        file = io.BytesIO(lines[is_part].tobytes())
        return pd.read_csv(file, header=None, na_filter=False, low_memory=False)


def _count(value: Any) -> int:
    """Numbers in a value, those of lists in lists too."""
    if isinstance(value, list):
        return sum(map(_count, value))
    return int(type(value) in (int, float))
