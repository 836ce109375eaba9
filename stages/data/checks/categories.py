"""Checks the categories of an annotation file and gives each its place among the classes."""

from __future__ import annotations

import itertools
import json
import math
import re
import unicodedata
from typing import Any

from stages.data.findings import Findings, short_text
from stages.data.sources.annotations import Raw, is_id

# Control characters, halves of surrogate pairs.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_APART = "repair would not join them: two are of one file, or more than two are alike"


class Classes:
    """The classes of the study: those of the train files, in the order of their ids; other files
    are matched by name.

    `names` grows in place while train files are read.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._ids: dict[str, Any] = {}

    def read(self, raw: Raw, findings: Findings) -> dict[Any, int]:
        """Category id -> index into `names`; -1 for a class that the train files do not have.

        A test file without categories has nothing to match.
        """
        origin = raw.origin
        entries = _complete(raw, findings)
        _check_doubles(entries, origin, findings)
        if raw.coco:
            _check_ids(entries, origin, findings)
        cleaned = {entry["id"]: _clean(entry, origin, findings) for entry in entries}
        numbers = sorted(cleaned, key=_order)
        is_first_file = not self.names
        own_names = list(dict.fromkeys(cleaned[number] for number in numbers))
        variants = _Variants(self.names, own_names, raw.gathered)
        joined = variants.report(origin, findings)
        # Name -> the first id of this file that has it.
        first_ids: dict[str, Any] = {}
        index = {}
        for number in numbers:
            name = joined.get(cleaned[number], cleaned[number])
            if name == cleaned[number] and name in first_ids:
                place = {**origin, "label": name, "before": f"ids {first_ids[name]} and {number}"}
                note = _supercategories(entries, first_ids[name], number)
                findings.report("category_name_duplicate", place, after="one class", note=note)
            first_ids.setdefault(name, number)
            if name not in self._ids and raw.split == "train":
                self.names.append(name)
                self._ids[name] = number
            place = {**origin, "label": name, "before": f"id {number}"}
            if name not in self._ids:
                findings.report("category_unknown", place, note=variants.hint(name))
                index[number] = -1
                continue
            index[number] = self.names.index(name)
            is_first_id = first_ids[name] == number
            if not is_first_file and raw.coco and is_first_id and self._ids[name] != number:
                findings.report("category_ids_differ", place, after=f"id {self._ids[name]}")
        if entries and not is_first_file:
            for name in self.names:
                if name not in first_ids:
                    findings.report("category_not_listed", origin, label=name)
        return index


class _Variants:
    """Names that differ by case, separators or Unicode form only: of one file (`own`), and of it
    and of those before (`earlier`).

    Two categories of one file have ids of their own and are two classes, whatever they are called.
    A name of another file may be the same class under another spelling; only the owner of the set
    knows, and says so by the policy. gathered: the names were collected from many files, so that
    none has an id of its own.
    """

    def __init__(self, earlier: list[str], own: list[str], gathered: bool) -> None:
        self._own, self._earlier, self._gathered = own, set(earlier), gathered
        self._alike: dict[str, list[str]] = {}
        for name in dict.fromkeys([*earlier, *own]):
            self._alike.setdefault(_key(name), []).append(name)

    def report(self, origin: dict[str, Any], findings: Findings) -> dict[str, str]:
        """A finding per name with variants before it. Name -> what the policy makes of it."""
        code = "category_name_variant"
        repair = findings.action(code) == "repair"
        joined = {}
        for name in self._own:
            alike = self._alike[_key(name)]
            before = alike[: alike.index(name)]
            if name in self._earlier or not before:
                continue
            into = self._target(name)
            if repair and into:
                joined[name] = into
                findings.report(code, origin, label=into, before=name, after=into)
                continue
            note = None if into else _APART
            spellings = f"{name} and {', '.join(before)}"
            findings.report(code, origin, "keep", label=name, before=spellings, note=note)
        return joined

    def hint(self, name: str) -> str | None:
        """What a person can do about a class that the train files spell otherwise."""
        into = self._target(name)
        if into is None:
            return None
        return (
            f"the train files have {into}; data.policy.category_name_variant: repair joins the two"
        )

    def _target(self, name: str) -> str | None:
        """The one name that `name` may be another spelling of."""
        alike = self._alike[_key(name)]
        if self._gathered:
            is_clear = len(self._earlier.intersection(alike)) < 2 and alike[0] != name
        else:
            own = [spelling for spelling in alike if spelling in self._own]
            is_clear = len(alike) == 2 and own == [name]
        return alike[0] if is_clear else None


def _complete(raw: Raw, findings: Findings) -> list[dict[str, Any]]:
    """The entries with an id and a name, as text; a missing name is an empty one, another fault."""
    entries = []
    for position, entry in enumerate(raw.categories):
        place = {**raw.origin, "entry": f"categories[{position}]"}
        name = entry.get("name") if isinstance(entry, dict) else None
        is_usable = name is None or isinstance(name, (str, int, float))
        if not isinstance(entry, dict) or not is_id(entry.get("id")) or not is_usable:
            findings.report("entry_incomplete", place, before=entry, note="lacks id or name")
            continue
        text = "" if name is None else name
        if not isinstance(text, str):
            # JSON's own text of a number, true or false.
            is_whole = isinstance(name, int) and not isinstance(name, bool)
            text = short_text(name) if is_whole else json.dumps(name)
            findings.report(
                "category_name_not_text", place, label=text, before=text, after=repr(text)
            )
        entries.append({**entry, "name": text, "position": position})
    return entries


def _check_doubles(
    entries: list[dict[str, Any]], origin: dict[str, Any], findings: Findings
) -> None:
    """One id for several names, and entries that are there twice."""
    by_id: dict[Any, str] = {}
    for entry in entries:
        number, name = entry["id"], entry["name"]
        if number not in by_id:
            by_id[number] = name
        elif by_id[number] == name:
            place = {**origin, "label": name, "before": f"id {number} twice"}
            findings.report("category_name_duplicate", place, after="one class")
        else:
            before = f"id {number}: {by_id[number]} and {name}"
            findings.report("category_id_duplicate", origin, before=before)


def _check_ids(entries: list[dict[str, Any]], origin: dict[str, Any], findings: Findings) -> None:
    ids = [entry["id"] for entry in entries]
    for entry in entries:
        if type(entry["id"]) is not int:
            place = {**origin, "entry": f"categories[{entry['position']}]"}
            before = f"id {entry['id']!r}"
            findings.report("id_not_integer", place, before=before, after="renumbered")
    ordered = sorted(ids, key=_order)
    if ids != ordered:
        before = ", ".join(map(str, ids[:30]))
        after = ", ".join(map(str, ordered[:30]))
        findings.report("category_order", origin, before=before, after=after)
    whole = sorted({number for number in ids if type(number) is int})
    if 0 in whole:
        findings.report("category_ids_from_zero", origin, before="0, 1, ...", after="1, 2, ...")
    gaps = []
    for low, high in itertools.pairwise(whole):
        if high > low + 1:
            gaps.append(f"{low}, then {high}")
    findings.counted(
        "category_id_gaps", len(gaps), **origin, after="renumbered", before=", ".join(gaps[:10])
    )


def _clean(entry: dict[str, Any], origin: dict[str, Any], findings: Findings) -> str:
    """The name with single spaces, and without the characters that no later tool takes."""
    name = entry["name"]
    trimmed = " ".join(_CONTROL.sub(" ", name).split())
    place = {**origin, "entry": f"categories[{entry['position']}]", "before": repr(name)}
    if not trimmed:
        findings.report("category_name_empty", place)
    elif trimmed != name:
        findings.report("category_name_spaces", place, label=trimmed, after=repr(trimmed))
        if findings.action("category_name_spaces") == "keep":
            return name
    return trimmed


def _supercategories(entries: list[dict[str, Any]], first: Any, second: Any) -> str | None:
    """Said where they differ: the two may be meant as two classes."""
    parents = {entry["id"]: entry.get("supercategory") for entry in entries}
    if parents[first] == parents[second]:
        return None
    return f"of the supercategories {short_text(parents[first])} and {short_text(parents[second])}"


def _key(name: str) -> str:
    """Equal for names that differ by case, separators (unless that is all) or Unicode form."""
    name = unicodedata.normalize("NFC", name)
    return re.sub(r"[\s_-]+", " ", name.casefold()).strip() or name


def _order(number: Any) -> tuple[bool, float, str]:
    """Numbers by their value, then text; text that is a number counts as one."""
    try:
        value = float(number)
    except (ValueError, OverflowError):
        return True, 0.0, "" if isinstance(number, int) else number
    if math.isnan(value):
        return True, 0.0, str(number)
    return False, value, ""
