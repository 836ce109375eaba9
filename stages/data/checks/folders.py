"""Checks for folders of the set whose images take no part."""

from __future__ import annotations

import posixpath
from pathlib import Path

from stages.data.disk import IMAGE_SUFFIXES, walk
from stages.data.findings import Findings
from stages.data.sources.image_folders import split_of


def check_unread(root: Path, used: set[str], findings: Findings) -> None:
    """Reports folders with images below `root` and none of `used`, the paths of images.

    Masks, thumbnails and drawn boxes have the names of the images that they were made of: a folder
    of these is reported only where it is called like a split.
    """
    folders = set(map(posixpath.dirname, used))
    stems = {_stem(path) for path in used}
    tree = walk(root)
    for folder in sorted(tree.files):
        names = tree.names(folder, *IMAGE_SUFFIXES)
        if not names or folder in folders:
            continue
        derived = [name for name in names if _stem(name) in stems]
        if split_of(folder) is None and 2 * len(derived) > len(names):
            continue
        place = {"entry": f"{folder or '.'}/"}
        findings.report("folder_unread", place, before=f"{len(names)} images")


def _stem(path: str) -> str:
    return posixpath.splitext(posixpath.basename(path))[0]
