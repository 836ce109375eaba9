"""What lies in a set and keeps DVC from reading it: DVC would end in another line than ours, or wait
without end, before prepare starts."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from stages.data.findings import one_line

# Folders that DVC passes over.
_SKIPPED = {".git", ".hg", ".dvc"}
# What Python makes of a byte in a name that is no UTF-8.
_NO_UTF8 = re.compile("[\ud800-\udfff]")


def obstacle(root: Path) -> str:
    """The first entry of the set that DVC cannot take, why, and the remedy; "" where all is well."""
    if _NO_UTF8.search(str(root)):
        return f"{_shown(root)}: the name is not UTF-8, which DVC refuses; rename the folder"
    for place, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        for name in (*folders, *names):
            if _NO_UTF8.search(name):
                path = _shown(Path(place, name))
                return f"{path}: the name is not UTF-8, which DVC refuses; rename it, with convmv for one"
        for name in names:
            reason = _reason(Path(place, name))
            if reason:
                path = _shown(Path(place, name))
                return f"{path}: {reason}, which DVC refuses; move it out of the set"
    return ""


def _reason(path: Path) -> str:
    if path.name == ".dvcignore":
        return "a .dvcignore within a set"
    try:
        mode = path.stat().st_mode
    except OSError:
        return "a link that leads to no file"
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return "neither a file nor a folder"
    return ""


def _shown(path: Path) -> str:
    """In one line, a byte that is no UTF-8 as \\xfc."""
    return one_line(os.fsencode(path).decode("utf-8", errors="backslashreplace"))
