"""accepted.json: which digests of the code that decides bits were shown to make the same bits. It belongs into git."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stages.files import read_json, replacing
from stages.study.params import ROOT

FILE = Path("accepted.json")


def read(root: Path = ROOT) -> list[dict[str, Any]]:
    """The entries, oldest first: date, from (commit), then and now (digests of the code), cells, shown_by (cells that
    were trained on both sides), steps."""
    path = root / FILE
    return read_json(path) if path.is_file() else []


def add(entry: dict[str, Any], root: Path = ROOT) -> None:
    with replacing(root / FILE) as beside:
        beside.write_text(json.dumps([*read(root), entry], indent=1) + "\n", encoding="utf-8")


def newest(digest: str, entries: list[dict[str, Any]]) -> str:
    """The digest of the newest code that was shown to make the same bits as the code of `digest`."""
    for entry in entries:
        if digest in entry["then"]:
            digest = entry["now"]
    return digest
