"""What was measured, a line at a time, on disk before the next thing begins: a kill at any moment
keeps it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu import wording
from stages.errors import InputError

JSON, MARKDOWN, LOG = "results.jsonl", "results.md", "log.txt"


class Lines:
    """Appends to results.jsonl and, in words, to results.md in a folder. Raises InputError where it
    has those of an earlier run, whose histories would be taken for this one's."""

    def __init__(self, folder: Path) -> None:
        if (folder / JSON).exists():
            raise InputError(f"{folder}: has the results of an earlier run; name another folder")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def write(self, kind: str, **values: Any) -> None:
        entry = {"kind": kind, "time": round(time.time(), 1), **values}
        text = wording.line(entry)
        _append(self.folder / JSON, json.dumps(entry) + "\n")
        _append(self.folder / MARKDOWN, text + "\n")
        print(text, flush=True)


def read(folder: Path) -> list[dict[str, Any]]:
    """The entries of a folder; a last line that was cut by a kill is left out."""
    entries = []
    for text in (folder / JSON).read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(text))
        except ValueError:
            continue
    return entries


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
