"""Settings and tables as texts of which a diff can be read, for the files of tests/golden/."""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "golden"
COMMAND = "python -m pytest tests/project/test_golden.py --write-golden"


def check(name: str, text: str, write: bool) -> None:
    """Compares a text with the file of that name, line by line, or writes the file."""
    path = FOLDER / name
    if write:
        path.write_text(text, encoding="utf-8")
    expected = path.read_text(encoding="utf-8")
    lines = difflib.unified_diff(
        expected.splitlines(), text.splitlines(), name, "now", n=0, lineterm=""
    )
    difference = "\n".join(lines)
    if difference:
        pytest.fail(f"{difference}\n\nif this is meant: {COMMAND}", pytrace=False)


def settings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every setting of a config with its dotted key, as JSON; dicts in a list are numbered from 0."""
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from settings(part, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple) and any(isinstance(part, dict) for part in value):
        for number, part in enumerate(value):
            yield from settings(part, f"{key}[{number}]")
    else:
        yield key, json.dumps(value)


def beside_each_other(configs: Mapping[str, dict[str, Any]]) -> str:
    """The settings of several configs: a line for each value, with the numbers of those that have it, if not all."""
    lines = [f"{number} {name}" for number, name in enumerate(configs, 1)]
    values: dict[tuple[str, str], list[int]] = {}
    for number, config in enumerate(configs.values(), 1):
        for setting in settings(config):
            values.setdefault(setting, []).append(number)
    for (key, value), numbers in sorted(values.items()):
        line = f"{key} = {value}"
        if len(numbers) < len(configs):
            line += f"    # {' '.join(map(str, numbers))}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The settings that differ: "-" for what is gone, "+" for what is new."""
    old, new = dict(settings(before)), dict(settings(after))
    lines = []
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            lines += [
                f"{sign} {key} = {side[key]}"
                for sign, side in (("-", old), ("+", new))
                if key in side
            ]
    return lines


def transposed(table: str) -> list[str]:
    """A table in CSV with a line for each column. Numbers in six digits: the last depend on the machine."""
    return [
        " | ".join(map(_rounded, column))
        for column in zip(*csv.reader(table.splitlines()), strict=True)
    ]


def _rounded(text: str) -> str:
    try:
        return f"{float(text):.6g}"
    except ValueError:
        return text
