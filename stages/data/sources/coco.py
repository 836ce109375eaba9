"""Reads a COCO annotation file without holding an object for each annotation."""

from __future__ import annotations

import json
import re
from json.decoder import scanstring
from pathlib import Path
from typing import Any

from stages.data.findings import Findings
from stages.data.sources.annotations import Annotations, Raw, read_text
from stages.data.sources.pattern import Pattern

# Characters of annotations that are objects at a time: enough for columns to be made fast, a few
# megabytes.
_BLOCK = 2**20
_SPACE = re.compile(r"[ \t\n\r]*")
# What follows an entry of a list.
_MARK = re.compile(r"[ \t\n\r]*([,\]])[ \t\n\r]*")
_BETWEEN = re.compile(r"\}[ \t\n\r]*,[ \t\n\r]*\{")


def read(root: Path, name: str, folder: str, split: str, findings: Findings) -> Raw | None:
    """name: the file, from `root`. None, and a fatal finding, where it is missing, empty, not
    UTF-8, not JSON or not COCO.

    Annotations of a test file may be absent: its split then has no labels.
    """
    origin = {"split": split, "source": name}
    text = read_text(root / name, origin, findings)
    if text is None:
        return None
    content = parse(text, origin, findings)
    if content is None:
        return None
    if not isinstance(content, dict):
        content = {}
    lists = {key: content.get(key) for key in ("images", "annotations", "categories")}
    for key, entries in lists.items():
        if split == "test" and key != "images" and not lists["annotations"] and not entries:
            lists[key] = []
        elif not isinstance(entries, (list, Annotations)) or not entries:
            note = "its list is empty" if entries == [] else "there is no such list"
            findings.report("coco_list_missing", origin, entry=key, note=note)
            return None
    if isinstance(lists["annotations"], Annotations):
        unread = lists["annotations"].unread
        for key in sorted(unread):
            findings.counted("fields_not_copied", unread[key], **origin, before=key)
    return Raw(split, name, folder, **lists, coco=True)


def parse(text: str, origin: dict[str, Any], findings: Findings) -> Any:
    """What json.loads gives, but for a list "annotations" at the top, which comes as Annotations
    where it is not empty.

    None, and a fatal finding, where it is no JSON.
    """
    reader = _Reader(text)
    try:
        content = reader.read()
    except (ValueError, IndexError, StopIteration, RecursionError):
        # Not what a COCO file is: json.loads says what is wrong with it, and where.
        reader = _Reader(text)
        content = _loads(reader, origin, findings)
        if content is None:
            return None
    for literal in reader.oddities.literals:
        findings.report("json_nan", origin, before=literal)
    for key in reader.oddities.repeated_keys:
        findings.report("json_duplicate_key", origin, before=key)
    return content


def _loads(reader: _Reader, origin: dict[str, Any], findings: Findings) -> Any:
    try:
        content = reader.decoder.decode(reader.text)
    except json.JSONDecodeError as error:
        code = "json_truncated" if _is_cut(reader.text, error) else "json_invalid"
        note = f"line {error.lineno}, column {error.colno}: {error.msg}"
        findings.report(code, origin, note=note)
        return None
    except RecursionError:
        findings.report("json_invalid", origin, note="nested too deeply")
        return None
    except ValueError:  # Python reads no whole number of more than 4300 digits
        findings.report("json_invalid", origin, note="a number of thousands of digits")
        return None
    if content is None:
        return {}
    if isinstance(content, dict):
        entries = content.get("annotations")
        if isinstance(entries, list) and entries:
            content["annotations"] = Annotations.of(entries)
    return content


def _is_cut(text: str, error: json.JSONDecodeError) -> bool:
    """A file that was cut short fails at its end, at the opening quote of its last text, or in its
    last word."""
    rest = text[error.pos :].rstrip()
    if error.msg.startswith("Unterminated string") or (len(rest) < 6 and "escape" in error.msg):
        return True
    return any(word.startswith(rest) for word in ("true", "false", "null", "NaN", "-Infinity"))


class _Reader:
    """Walks through the top level of the file; what is below it, Python's own scanner reads."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.oddities = oddities = _Oddities()
        self.decoder = json.JSONDecoder(
            object_pairs_hook=oddities.entry, parse_constant=oddities.literal
        )
        self._plain = json.JSONDecoder(parse_constant=oddities.literal)

    def read(self) -> dict[str, Any]:
        """Raises ValueError, IndexError, StopIteration or RecursionError for anything but an object
        whose keys differ."""
        content: dict[str, Any] = {}
        at = self._after("{", 0)
        while True:
            at = self._after('"', at)
            key, at = scanstring(self.text, at, True)
            if key in content:
                raise ValueError
            at = self._skip(self._after(":", at))
            if key == "annotations" and self.text[at] == "[":
                content[key], at = self._annotations(at + 1)
            else:
                content[key], at = self.decoder.scan_once(self.text, at)
            at = self._skip(at)
            if self.text[at] == "}":
                break
            at = self._after(",", at)
        if self._skip(at + 1) != len(self.text):
            raise ValueError
        return content

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
            if stop > at and self._add(annotations, pattern, self.text[at:stop]):
                at = stop + len(between) - 2
                continue
            if stop <= at:
                stop = at + _BLOCK
            block, mark, at = self._each(at, stop)
            annotations.extend(block)
        return annotations, at

    def _add(self, annotations: Annotations, pattern: Pattern | None, text: str) -> bool:
        """Adds the entries of `text` in one go; False where that cannot be."""
        if pattern:
            columns = pattern.read(text)
            if columns:
                annotations.extend_columns(pattern.fields, columns)
                return True
        block = self._whole(text)
        if block:
            annotations.extend(block)
        return bool(block)

    def _whole(self, text: str) -> list[Any]:
        """The entries of `text`; [] where these are not whole entries, or where some have objects
        inside or a key twice: for every key there is a colon."""
        text = f"[{text}]"
        literals = len(self.oddities.literals)
        try:
            block, end = self._plain.scan_once(text, 0)
        except (ValueError, StopIteration):
            block, end = [], 0
        is_whole = end == len(text) and set(map(type, block)) == {dict}
        if is_whole and sum(map(len, block)) == text.count(":"):
            return block
        del self.oddities.literals[literals:]
        return []

    # What cannot be had in one go: an entry at a time, each of its objects looked at.
    def _each(self, at: int, stop: int) -> tuple[list[Any], str, int]:
        """The entries that begin before `stop`, the mark after the last, and the place after the
        mark."""
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


class _Oddities:
    """What Python's decoder met. Apart from the reader: a decoder that leads back to it would keep
    the whole text in memory until Python looks for circles."""

    def __init__(self) -> None:
        self.repeated_keys: list[str] = []
        self.literals: list[str] = []

    def entry(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entry = dict(pairs)
        if len(entry) < len(pairs):
            self.repeated_keys.append(_first_repeated(pairs))
        return entry

    def literal(self, name: str) -> float:
        self.literals.append(name)
        return float(name)


def _first_repeated(pairs: list[tuple[str, Any]]) -> str:
    """The first key that an earlier pair has."""
    keys = set()
    for key, _ in pairs:
        if key in keys:
            return key
        keys.add(key)
    raise ValueError("no key is there twice")
