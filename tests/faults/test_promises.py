"""docs/promises.md and the tests of this folder name each other: no promise without a test, no test without a row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "promises.md"
COLUMNS = ["event", "what survives", "what you do", "tried", "test"]
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def rows() -> list[list[str]]:
    """The cells of every row of every table, header and rule left out."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in table if row != COLUMNS and not set("".join(row)) <= set("-")]


def written() -> set[tuple[str, str]]:
    """(file, function) of each test in this folder, this file's own left out: they are no events."""
    return {
        (path.name, node.name)
        for path in FOLDER.glob("test_*.py")
        if path != Path(__file__)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_row_names_tests_that_exist():
    assert len(rows()) >= 40
    for row in rows():
        assert len(row) == len(COLUMNS) and all(row), row
        named = set(NAMED.findall(row[-1]))
        assert named and named <= written(), f"{row[0]}: no such test: {named - written()}"
        assert re.fullmatch(r"\d+", row[-2]) and int(row[-2]) > 0, (
            f"{row[0]}: tried how often? {row[-2]!r}"
        )


def test_every_test_has_a_row():
    named = {pair for row in rows() for pair in NAMED.findall(row[-1])}
    assert written() - named == set()


def test_no_event_is_promised_twice():
    events = [row[0] for row in rows()]
    assert len(events) == len(set(events)) and len(events) >= 40
