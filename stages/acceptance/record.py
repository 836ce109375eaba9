"""accepted.json: which digests of the code that decides bits were shown to make the same bits. It
belongs into git."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.files import read_json, write_json
from stages.study import paths
from stages.study.params import ROOT, Cell
from stages.tracking import provenance

FILE = Path("accepted.json")


def read(root: Path = ROOT) -> list[dict[str, Any]]:
    """The entries, oldest first: date, from (commit), then and now (digests of the code), cells,
    shown_by (cells that were trained on both sides), steps."""
    path = root / FILE
    return read_json(path) if path.is_file() else []


def add(entry: dict[str, Any], root: Path = ROOT) -> None:
    """Appends an entry of read()."""
    write_json(root / FILE, [*read(root), entry])


def newest(digest: str, entries: list[dict[str, Any]]) -> str:
    """The digest of the newest code that was shown to make the same bits as the code of
    `digest`."""
    for entry in entries:
        if digest in entry["then"]:
            digest = entry["now"]
    return digest


def trained_by_other_code(cells: Mapping[str, Cell], root: Path = ROOT) -> list[str]:
    """The finished cells whose code was not shown to make the same bits as that of `root`."""
    current = provenance.code_digest(root)
    entries = read(root)
    names = []
    for name, cell in cells.items():
        try:
            digest = read_json(root / paths.record(name, cell) / "run.json")["code_digest"]
        # Not finished, or damaged: its training says so.
        except (OSError, InputError, KeyError, TypeError):
            continue
        if newest(digest, entries) != current:
            names.append(name)
    return names
