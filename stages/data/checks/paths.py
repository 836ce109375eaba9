"""Rules of safe file names, and how names are compared."""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from pathlib import Path

# What ext4, NTFS and APFS take at most for one name, in bytes, and Linux for a path.
_LONGEST, _LONGEST_PATH = 255, 4095
# Nothing is to be said of such a name: relative, in its shortest form, of letters that every file
# system takes.
SIMPLE = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*")
# C:\data\a.jpg, s3://bucket/a.jpg
_ABSOLUTE = re.compile(r"[A-Za-z]:[/\\]|[A-Za-z][A-Za-z0-9+.-]+://")


def is_absolute(name: str) -> bool:
    """By the rules of Linux and of Windows; an address (https://, s3://) is absolute too."""
    return name.startswith(("/", "\\")) or _ABSOLUTE.match(name) is not None


def inside(name: str, root: Path) -> str:
    """The absolute `name` from `root`, "" where it is not in there."""
    path = Path(posixpath.normpath(name))
    for top in (root.absolute(), root.resolve()):
        if path.is_relative_to(top) and path != top:
            return path.relative_to(top).as_posix()
    return ""


def longest_name(root: Path) -> int:
    """Characters that a SIMPLE name below `root` may have at most, however many folders it
    names."""
    return min(_LONGEST, _LONGEST_PATH - len(os.fsencode(root.absolute())) - 1)


def is_possible(name: str, root: Path) -> bool:
    """Whether a file below `root` may have this name."""
    try:
        whole = os.fsencode(root.absolute() / name)
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    if not name.strip() or len(whole) > _LONGEST_PATH:
        return False
    if max(map(len, whole.split(b"/"))) > _LONGEST:
        return False
    return "Cc" not in map(unicodedata.category, name)


def form(name: str) -> str:
    """What names have in common that differ by case or Unicode form alone."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
