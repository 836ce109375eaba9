"""Checks the categories of an annotation file and gives each its place among the classes."""

from __future__ import annotations

import itertools
import json
import math
import re
import unicodedata
from typing import Any

from stages.data.findings import Findings, shown
from stages.data.sources.raw import Raw

_APART = "repair would not join them: two are of one file, or more than two are alike"


class Classes:
    """The classes of the study: those of the train files, in the order of their ids; other files
    are matched by name.

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
        numbers = sorted(cleaned, key=_order)
        first = not self.names
        own = list(dict.fromkeys(cleaned[number] for number in numbers))
        near = _Variants(self.names, own, raw.gathered)
        joined = near.report(where, findings)
        known = set(self.names)
        seen: dict[str, Any] = {}
        index = {}
        for number in numbers:
            given = cleaned[number]
            name = joined.get(given, given)
            if name == given and name in seen:
                findings.add(
                    "category_name_duplicate",
                    [
                        {
                            **where,
                            "label": name,
                            "before": f"ids {seen[name]} and {number}",
                            "after": "one class",
                            "note": _supercategories(entries, seen[name], number),
                        }
                    ],
                )
            seen.setdefault(name, number)
            if name not in known and split == "train":
                self.names.append(name)
                self._ids[name] = number
                known.add(name)
            if name not in known:
                findings.add(
                    "category_unknown",
                    [{**where, "label": name, "before": f"id {number}", "note": near.hint(name)}],
                )
                index[number] = -1
                continue
            index[number] = self.names.index(name)
            if not first and raw.coco and seen[name] == number and self._ids[name] != number:
                findings.add(
                    "category_ids_differ",
                    [
                        {
                            **where,
                            "label": name,
                            "before": f"id {number}",
                            "after": f"id {self._ids[name]}",
                        }
                    ],
                )
        if entries and not first:
            findings.add(
                "category_not_listed",
                ({**where, "label": name} for name in self.names if name not in seen),
            )
        return index


class _Variants:
    """Names that differ by case, separators or Unicode form only: of one file (`own`), and of it
    and those before.

    Two categories of one file have ids of their own and are two classes, whatever they are called.
    A name of another file may be the same class under another spelling; only the owner of the set
    knows, and says so by the policy. gathered: the names were collected from many files, so that
    none has an id of its own.
    """

    def __init__(self, known: list[str], own: list[str], gathered: bool) -> None:
        self._own, self._known, self._gathered = own, set(known), gathered
        self._alike: dict[str, list[str]] = {}
        for name in dict.fromkeys([*known, *own]):
            self._alike.setdefault(_key(name), []).append(name)

    def report(self, where: dict[str, Any], findings: Findings) -> dict[str, str]:
        """One finding per name that has variants before it. Name -> the earlier name as which the
        policy has it read."""
        repair = findings.action("category_name_variant") == "repair"
        joined = {}
        for name in self._own:
            alike = self._alike[_key(name)]
            before = alike[: alike.index(name)]
            if name in self._known or not before:
                continue
            into = self._target(name)
            if repair and into:
                joined[name] = into
                findings.add(
                    "category_name_variant",
                    [{**where, "label": into, "before": name, "after": into}],
                )
            else:
                findings.add(
                    "category_name_variant",
                    [
                        {
                            **where,
                            "label": name,
                            "before": f"{name} and {', '.join(before)}",
                            "note": None if into else _APART,
                        }
                    ],
                    "keep",
                )
        return joined

    def hint(self, name: str) -> str | None:
        """What a person can do about a class that the train files spell otherwise."""
        into = self._target(name)
        return (
            into
            and f"the train files have {into}; data.policy.category_name_variant: repair joins the two"
        )

    def _target(self, name: str) -> str | None:
        """The one name that `name` may be another spelling of."""
        alike = self._alike[_key(name)]
        if self._gathered:
            return (
                alike[0]
                if sum(other in self._known for other in alike) < 2 and alike[0] != name
                else None
            )
        here = [other for other in alike if other in self._own]
        return alike[0] if len(alike) == 2 and here == [name] else None


def _complete(raw: Raw, where: dict[str, Any], findings: Findings) -> list[dict[str, Any]]:
    entries = []
    for position, entry in enumerate(raw.categories):
        name = entry.get("name", "") if isinstance(entry, dict) else None
        if (
            isinstance(entry, dict)
            and is_id(entry.get("id"))
            and (name is None or isinstance(name, (str, int, float)))
        ):
            entries.append(
                {**entry, "name": _text(name, position, where, findings), "position": position}
            )
        else:
            findings.add(
                "entry_incomplete",
                [
                    {
                        **where,
                        "entry": f"categories[{position}]",
                        "before": entry,
                        "note": "lacks id or name",
                    }
                ],
            )
    return entries


def _text(name: Any, position: int, where: dict[str, Any], findings: Findings) -> str:
    """A name as text: JSON's own where it is a number, true or false."""
    if isinstance(name, str):
        return name
    if name is None:
        return ""
    text = shown(name) if isinstance(name, int) and not isinstance(name, bool) else json.dumps(name)
    findings.add(
        "category_name_not_text",
        [
            {
                **where,
                "entry": f"categories[{position}]",
                "label": text,
                "before": text,
                "after": repr(text),
            }
        ],
    )
    return text


def is_id(value: Any) -> bool:
    """Numbers and text can be told apart as ids; lists, mappings, nothing, NaN and infinity
    cannot."""
    return isinstance(value, (int, str)) or (isinstance(value, float) and math.isfinite(value))


def _check_doubles(
    entries: list[dict[str, Any]], where: dict[str, Any], findings: Findings
) -> None:
    """One id for several names, and entries that are there twice."""
    by_id: dict[Any, str] = {}
    for entry in entries:
        number, name = entry["id"], entry["name"]
        if number not in by_id:
            by_id[number] = name
        elif by_id[number] == name:
            findings.add(
                "category_name_duplicate",
                [{**where, "label": name, "before": f"id {number} twice", "after": "one class"}],
            )
        else:
            findings.add(
                "category_id_duplicate",
                [{**where, "before": f"id {number}: {by_id[number]} and {name}"}],
            )


def _check_ids(entries: list[dict[str, Any]], where: dict[str, Any], findings: Findings) -> None:
    ids = [entry["id"] for entry in entries]
    findings.add(
        "id_not_integer",
        (
            {
                **where,
                "entry": f"categories[{entry['position']}]",
                "before": f"id {entry['id']!r}",
                "after": "renumbered",
            }
            for entry in entries
            if type(entry["id"]) is not int
        ),
    )
    ordered = sorted(ids, key=_order)
    if ids != ordered:
        findings.add(
            "category_order",
            [
                {
                    **where,
                    "before": ", ".join(map(str, ids[:30])),
                    "after": ", ".join(map(str, ordered[:30])),
                }
            ],
        )
    whole = sorted({number for number in ids if type(number) is int})
    if 0 in whole:
        findings.add(
            "category_ids_from_zero", [{**where, "before": "0, 1, ...", "after": "1, 2, ..."}]
        )
    gaps = [(low, high) for low, high in itertools.pairwise(whole) if high > low + 1]
    findings.counted(
        "category_id_gaps",
        len(gaps),
        **where,
        after="renumbered",
        before=", ".join(f"{low}, then {high}" for low, high in gaps[:10]),
    )


def _clean(entry: dict[str, Any], where: dict[str, Any], findings: Findings) -> str:
    """The name with single spaces; control characters and halves of surrogate pairs, which no later
    tool takes, go."""
    name = entry["name"]
    trimmed = " ".join(
        "".join(
            " " if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in name
        ).split()
    )
    place = {**where, "entry": f"categories[{entry['position']}]", "before": repr(name)}
    if not trimmed:
        findings.add("category_name_empty", [place])
    elif trimmed != name:
        findings.add("category_name_spaces", [{**place, "label": trimmed, "after": repr(trimmed)}])
        if findings.action("category_name_spaces") == "keep":
            return name
    return trimmed


def _supercategories(entries: list[dict[str, Any]], first: Any, second: Any) -> str | None:
    """Said where they differ: the two may be meant as two classes."""
    parents = {entry["id"]: entry.get("supercategory") for entry in entries}
    if parents[first] == parents[second]:
        return None
    return f"of the supercategories {shown(parents[first])} and {shown(parents[second])}"


def _key(name: str) -> str:
    """Equal for names that differ by case, separators or Unicode form; a name of separators alone
    stands for itself."""
    name = unicodedata.normalize("NFC", name)
    return re.sub(r"[\s_-]+", " ", name.casefold()).strip() or name


def _order(number: Any) -> tuple[bool, float, str]:
    """Numbers by their value, then text; text that is a number counts as one."""
    try:
        value = float(number)
    except (ValueError, OverflowError):
        return True, 0.0, "" if isinstance(number, int) else number
    return (True, 0.0, str(number)) if math.isnan(value) else (False, value, "")
