"""Looks at the beginning of a JSON file and of its lists: a COCO file may have half a gigabyte."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Bytes that are decoded of a file, or of one of its lists.
WINDOW = 2**18
_BLANK = re.compile(r"[\s,]*")
_SPACE = re.compile(r"\s*")
_LIST = re.compile(rb"\s*:\s*\[")


@dataclass(frozen=True)
class Shape:
    """kind: "{", "[" or "" for what is no JSON. keys: of the outermost object, each with the first
    character of its value, as far as the beginning of the file goes; of a list, those of its first
    entry. inner: the keys of the first object inside."""

    kind: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    inner: frozenset[str] = frozenset()


def shape(beginning: bytes) -> Shape:
    """Of the first WINDOW bytes of a file. Never raises for what they are."""
    text = beginning.decode("utf-8-sig", errors="replace")
    start = _SPACE.match(text).end()
    kind = text[start : start + 1]
    if kind == "[":
        entries = list(_decoded(text, start + 1, 1))
        return _shape_of_list(entries, text)
    if kind != "{":
        return Shape()
    keys: dict[str, str] = {}
    inner: frozenset[str] = frozenset()
    for key, first, value in _pairs(text, start + 1):
        keys[key] = first
        if not inner:
            inner = _keys_inside(value)
    return Shape("{", keys, inner)


def entries(path: Path, key: str, most: int) -> list[Any] | None:
    """The first entries of the list `key` of a JSON object; None where there is no such list.

    The file is searched, not parsed: a list deeper inside is taken as well.
    """
    word = f'"{key}"'.encode()
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at = data.find(word)
            while at >= 0:
                begin = _LIST.match(data, at + len(word))
                if begin:
                    window = data[begin.end() : begin.end() + WINDOW]
                    text = window.decode("utf-8", errors="replace")
                    return list(_decoded(text, 0, most))
                at = data.find(word, at + 1)
    except (OSError, ValueError):  # ValueError: an empty file cannot be mapped
        return None
    return None


def is_json(path: Path) -> bool:
    """Whether all of the file can be read as UTF-8 and parsed."""
    try:
        json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return True


def _decoded(text: str, start: int, most: int) -> Iterator[Any]:
    """Entries of a list from behind its bracket on, until one is not whole."""
    decoder = json.JSONDecoder()
    for _ in range(most):
        start = _BLANK.match(text, start).end()
        if text[start : start + 1] in ("", "]"):
            return
        try:
            value, start = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            return
        yield value


def _pairs(text: str, start: int) -> Iterator[tuple[str, str, Any]]:
    """Key, first character of the value, and the value (the first entry of a list that is not
    whole) of an object."""
    decoder = json.JSONDecoder()
    while True:
        start = _BLANK.match(text, start).end()
        if text[start : start + 1] != '"':
            return
        try:
            key, start = decoder.raw_decode(text, start)
            start = _SPACE.match(text, text.index(":", start) + 1).end()
        except (ValueError, RecursionError):
            return
        first = text[start : start + 1]
        try:
            value, start = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            value = None
            if first == "[":
                value = list(_decoded(text, start + 1, 1))
            yield key, first, value
            return
        yield key, first, value


def _shape_of_list(items: list[Any], text: str) -> Shape:
    keys: dict[str, str] = {}
    inner: frozenset[str] = frozenset()
    if items and isinstance(items[0], dict):
        for key, value in items[0].items():
            keys[key] = _first(value)
            inner = inner or _keys_inside(value)
    elif not items and "{" in text:
        # An entry that is longer than what was read, as one of thousands of boxes is.
        for key, _, _ in _pairs(text, text.find("{") + 1):
            keys[key] = ""
    return Shape("[", keys, inner)


def _keys_inside(value: Any) -> frozenset[str]:
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return frozenset()
    return frozenset(value)


def _first(value: Any) -> str:
    return {dict: "{", list: "["}.get(type(value), '"')
