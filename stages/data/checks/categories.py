"""Checks the categories of an annotation file and gives each its place among the classes."""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from typing import Any

from stages.data.findings import Findings
from stages.data.sources.raw import Raw


class Classes:
    """The classes of the study: those of the train files, in the order of their ids; other files are matched by name.

    `names` grows in place while train files are read.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._ids: dict[str, Any] = {}

    def read(self, raw: Raw, split: str, findings: Findings) -> dict[Any, int]:
        """Category id -> index into `names`; -1 for a class that the train files do not have.

        A test file without categories has nothing to match.
        """
        where = {"split": split, "source": raw.name}
        entries = _complete(raw, where, findings)
        _check_doubles(entries, where, findings)
        if raw.coco:
            _check_ids(entries, where, findings)
        cleaned = {entry["id"]: _clean(entry, where, findings) for entry in entries}
        first = not self.names
        known = set(self.names)
        spelling = {_key(name): name for name in self.names}
        seen: dict[str, Any] = {}
        index = {}
        for number in sorted(cleaned, key=_order):
            given = cleaned[number]
            name = self._spelt(given, known, spelling, where, findings)
            if name == given and name in seen:
                findings.add("category_name_duplicate", [{
                    **where, "label": name, "before": f"ids {seen[name]} and {number}", "after": "one class"}])
            seen.setdefault(name, number)
            if name not in known and split == "train":
                self.names.append(name)
                self._ids[name] = number
                known.add(name)
                spelling.setdefault(_key(name), name)
            if name not in known:
                findings.add("category_unknown", [{**where, "label": name, "before": f"id {number}"}])
                index[number] = -1
                continue
            index[number] = self.names.index(name)
            if not first and raw.coco and seen[name] == number and self._ids[name] != number:
                findings.add("category_ids_differ", [{
                    **where, "label": name, "before": f"id {number}", "after": f"id {self._ids[name]}"}])
        if entries and not first:
            findings.add("category_not_listed", ({**where, "label": name} for name in self.names if name not in seen))
        return index

    def _spelt(self, name: str, known: set[str], spelling: dict[str, str], where: dict[str, Any],
               findings: Findings) -> str:
        """`name`, or what came first of the names that differ from it by case or separators only."""
        if name in known or _key(name) not in spelling:
            return name
        other = spelling[_key(name)]
        if findings.action("category_name_variant") == "repair":
            findings.add("category_name_variant", [{**where, "label": other, "before": name, "after": other}])
            return other
        findings.add("category_name_variant", [{**where, "label": name, "before": f"{name} and {other}"}])
        return name


def _complete(raw: Raw, where: dict[str, Any], findings: Findings) -> list[dict[str, Any]]:
    entries = []
    for position, entry in enumerate(raw.categories):
        name = entry.get("name", "") if isinstance(entry, dict) else None
        # Of YOLO's data.yaml, a name may be a number, or yes and no.
        if isinstance(entry, dict) and is_id(entry.get("id")) and (name is None or isinstance(name, (str, int, float))):
            entries.append({"id": entry["id"], "name": "" if name is None else str(name), "position": position})
        else:
            findings.add("entry_incomplete", [{
                **where, "entry": f"categories[{position}]", "before": entry, "note": "lacks id or name"}])
    return entries


def is_id(value: Any) -> bool:
    """Numbers and text can be told apart as ids; lists, mappings, nothing, NaN and infinity cannot."""
    return isinstance(value, (int, str)) or (isinstance(value, float) and math.isfinite(value))


def _check_doubles(entries: list[dict[str, Any]], where: dict[str, Any], findings: Findings) -> None:
    """One id for several names, and entries that are there twice."""
    by_id: dict[Any, str] = {}
    for entry in entries:
        number, name = entry["id"], entry["name"]
        if number not in by_id:
            by_id[number] = name
        elif by_id[number] == name:
            findings.add("category_name_duplicate", [{
                **where, "label": name, "before": f"id {number} twice", "after": "one class"}])
        else:
            findings.add("category_id_duplicate", [{**where, "before": f"id {number}: {by_id[number]} and {name}"}])


def _check_ids(entries: list[dict[str, Any]], where: dict[str, Any], findings: Findings) -> None:
    ids = [entry["id"] for entry in entries]
    findings.add("id_not_integer", ({
        **where, "entry": f"categories[{entry['position']}]", "before": f"id {entry['id']!r}", "after": "renumbered"}
        for entry in entries if type(entry["id"]) is not int))
    ordered = sorted(ids, key=_order)
    if ids != ordered:
        findings.add("category_order", [{
            **where, "before": ", ".join(map(str, ids[:30])), "after": ", ".join(map(str, ordered[:30]))}])
    whole = sorted({number for number in ids if type(number) is int})
    if 0 in whole:
        findings.add("category_ids_from_zero", [{**where, "before": "0, 1, ...", "after": "1, 2, ..."}])
    gaps = [(low, high) for low, high in itertools.pairwise(whole) if high > low + 1]
    findings.counted("category_id_gaps", len(gaps), **where, after="renumbered", before=", ".join(
        f"{low}, then {high}" for low, high in gaps[:10]))


def _clean(entry: dict[str, Any], where: dict[str, Any], findings: Findings) -> str:
    """The name with single spaces; control characters and halves of surrogate pairs, which no later tool takes, go."""
    name = entry["name"]
    trimmed = " ".join("".join(
        " " if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in name).split())
    place = {**where, "entry": f"categories[{entry['position']}]", "before": repr(name)}
    if not trimmed:
        findings.add("category_name_empty", [place])
    elif trimmed != name:
        findings.add("category_name_spaces", [{**place, "label": trimmed, "after": repr(trimmed)}])
        if findings.action("category_name_spaces") == "keep":
            return name
    return trimmed


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.casefold()).strip()


def _order(number: Any) -> tuple[bool, float, str]:
    """Numbers by their value, then text; text that is a number counts as one."""
    try:
        value = float(number)
    except (ValueError, OverflowError):
        return True, 0.0, "" if isinstance(number, int) else number
    return (True, 0.0, str(number)) if math.isnan(value) else (False, value, "")
