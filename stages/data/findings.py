"""Collects what the checks find: counted, with examples, and every repair and drop with its before
and after."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.data.catalogue import CHECKS, DONE, SEVERITIES, Check, checked
from stages.errors import InputError

EXAMPLES = 20
# Characters of an example or of a cell of the changes: an entry as it stands in a file may be a
# thousand points long.
LONGEST_TEXT = 300
# What alters the set, and so is written to the file of changes.
CHANGES = ("repair", "drop")
GRAVEST = ("fatal", "dropped", "repaired", "kept")
PLACE = ("split", "source", "file", "entry", "label", "box", "before", "after", "note")


class Findings:
    """What was found so far. Changes go to a file at once: they may be as many as the boxes."""

    def __init__(self, policy: dict[str, str], changes: Path) -> None:
        """policy: actions that differ from the defaults. Raises StudyError where one cannot be."""
        self._actions = checked(policy)
        self._by_code: dict[str, dict[str, Any]] = {}
        self.changed = 0
        # A lone surrogate, which JSON may hold, is no UTF-8.
        self._file = changes.open("w", encoding="utf-8", errors="backslashreplace", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow(("code", "action", *PLACE))

    def close(self) -> None:
        self._file.close()

    def action(self, code: str) -> str:
        """keep, repair, drop or fatal."""
        return self._actions[code]

    def report(self, code: str, place: dict[str, Any], action: str = "", **fields: Any) -> None:
        """One fault at `place`: keys of PLACE, those that apply; `fields` come to it. `action`
        where it is not the policy's for this one; a policy of "fatal" holds for all."""
        self.rows(code, (0,), lambda _: {**place, **fields}, action)

    def rows(
        self, code: str, rows: Any, place: Callable[[int], dict[str, Any]], action: str = ""
    ) -> None:
        """As `report`, for rows of a table; `place` is called for those shown or written alone."""
        if not len(rows):
            return
        if not action or self._actions[code] == "fatal":
            action = self._actions[code]
        finding = self._finding(code, action)
        finding["count"] += len(rows)
        if action not in CHANGES:
            rows = rows[: EXAMPLES - len(finding["examples"])]
        for row in rows:
            at = place(int(row))
            if len(finding["examples"]) < EXAMPLES:
                finding["examples"].append({key: _plain(at.get(key)) for key in PLACE})
            if action in CHANGES:
                self.change(code, at, action)

    def change(self, code: str, place: dict[str, Any], action: str = "") -> None:
        """A row of the changes alone, such as each box of an image that is one fault."""
        self.changed += 1
        action = action or self._actions[code]
        self._rows.writerow((code, DONE[action], *(_text(place.get(key)) for key in PLACE)))

    def counted(self, code: str, count: int, **place: Any) -> None:
        """`count` faults that share one place, such as ids that were all renumbered."""
        if count:
            self.report(code, place)
            self._by_code[code]["count"] += count - 1

    def stop_if_fatal(self) -> None:
        """Raises InputError with one line for the first fatal finding."""
        for finding in self._by_code.values():
            if finding["action"] == "fatal":
                raise InputError(_stop_message(finding))

    def as_list(self) -> list[dict[str, Any]]:
        """The findings for the report, worst first."""

        def rank(finding: dict[str, Any]) -> tuple[bool, int, int]:
            severity, action = finding["severity"], finding["action"]
            return action != "fatal", SEVERITIES.index(severity), GRAVEST.index(action)

        return sorted((self._by_code[code] for code in CHECKS if code in self._by_code), key=rank)

    def _finding(self, code: str, action: str) -> dict[str, Any]:
        check = CHECKS[code]
        fresh = {
            "code": code,
            "severity": check.severity,
            "action": DONE[action],
            "title": check.title,
            "count": 0,
            "unit": check.unit,
            "help": _help(check, self._actions[code]),
            "examples": [],
        }
        finding = self._by_code.setdefault(code, fresh)
        # One code may repair some places and drop others; the graver of the two is what a reader
        # must see.
        finding["action"] = min(finding["action"], DONE[action], key=GRAVEST.index)
        return finding


def _stop_message(finding: dict[str, Any]) -> str:
    """The code, the first place, the remedy, and the policies that would not stop."""
    code, place = finding["code"], finding["examples"][0]
    names = [str(place[key]) for key in ("source", "entry", "file", "label") if place[key]]
    message = f"{code}: {' '.join(names)}"
    details = [str(place[key]) for key in ("before", "note") if place[key] is not None]
    if any(details):
        message += f": {' '.join(details)}"
    if finding["count"] > 1:
        message += f", and {finding['count'] - 1} more"
    message += f". {finding['help']}"
    alternatives = [action for action in CHECKS[code].actions if action != "fatal"]
    if alternatives:
        message += f" Or set data.policy.{code} to {' or '.join(alternatives)}."
    return one_line(message)


def _help(check: Check, action: str) -> str:
    """The catalogue's sentences say what is done by default."""
    done = {
        "keep": "nothing was changed",
        "drop": "they were left out",
        "repair": "they were repaired",
    }
    if action == check.actions[0] or action not in done:
        return check.help
    return f"data.policy says {action}: {done[action]}. Without it: {check.help}"


def _is_box(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(type(number) is float for number in value)


def _plain(value: Any) -> Any:
    """What JSON has, no NaN among it."""
    if value is None:
        return None
    if not _is_box(value):
        return short_text(value)
    return [round(side, 2) if math.isfinite(side) else str(side) for side in value]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not _is_box(value):
        return short_text(value)
    return " ".join(f"{side:.2f}" for side in value)


def short_text(value: Any) -> str:
    """Anything that JSON may hold as text of at most LONGEST_TEXT characters."""
    try:
        text = str(value)
    except (ValueError, RecursionError):  # a number of over 4300 digits, a list of lists of lists
        return f"{type(value).__name__} too long to show"
    if len(text) > LONGEST_TEXT:
        return text[: LONGEST_TEXT - 3] + "..."
    return text


def one_line(text: str) -> str:
    """Names may hold line ends, marks that turn the text round, and halves of characters."""
    letters = []
    for letter in text:
        if not letter.isprintable():
            letter = letter.encode("unicode_escape").decode("ascii")
        letters.append(letter)
    return "".join(letters)
