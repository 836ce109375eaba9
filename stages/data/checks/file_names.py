"""Checks the file names of images against the rules of a safe path and against what lies on the disk."""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.data.findings import Findings
from stages.data.labels import Labels
from stages.data.sources.raw import IMAGE_SUFFIXES

# What ext4, NTFS and APFS take at most for one name, in bytes, and Linux for a path.
_LONGEST, _LONGEST_PATH = 255, 4095


def is_absolute(name: str) -> bool:
    """By the rules of Linux and of Windows."""
    return name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]", name) is not None


def check_names(labels: Labels, split: str, root: Path, findings: Findings) -> None:
    """Mends the names in place and leaves out images whose name leads out of `root`. Looks at no file."""
    names = labels.images["file_name"].tolist()
    ids = labels.images["source_id"].tolist()
    keep = np.ones(len(names), dtype=bool)

    def place(row: int, before: str, after: str | None = None) -> dict[str, Any]:
        return {"split": split, "source": labels.images["source"].iat[row], "entry": f"image id {ids[row]}",
                "file": after or before, "before": before, "after": after}

    for row, name in enumerate(names):
        if not _is_possible(name, root):
            findings.add("path_invalid", [{**place(row, repr(name)), "file": None}])
            keep[row] = False
            continue
        if "\\" in name:
            mended = name.replace("\\", "/")
            findings.add("path_backslash", [place(row, name, mended)])
            name = mended
        if is_absolute(name):
            inside = _inside(name, root)
            findings.add("path_absolute", [place(row, name, inside or None)], "" if inside else "drop")
            keep[row] = bool(inside) and findings.action("path_absolute") != "drop"
            name = inside or name
        short = posixpath.normpath(name)
        if short.split("/", 1)[0] == "..":
            findings.add("path_climbs", [{**place(row, name), "file": None}])
            keep[row] = False
        elif short != name:
            findings.add("path_not_normal", [place(row, name, short)])
        names[row] = short
    _rename(labels, names)
    folded: dict[str, str] = {}
    for name, kept in zip(names, keep):
        other = folded.setdefault(name.casefold(), name) if kept else name
        if other != name:
            findings.add("path_case_clash", [{"split": split, "file": name, "before": f"{other} and {name}"}])
    merge_same(labels, split, keep, findings)
    if not keep.all():
        labels.keep_images(keep)


def check_files(labels: Labels, split: str, root: Path, findings: Findings) -> set[str]:
    """Compares the names with the folders that they are in; returns all image files of these folders.

    Names that differ from a file's by case or Unicode form alone take the file's. Missing files and links that lead
    out of `root` are left out, as the policy says.
    """
    names = labels.images["file_name"].tolist()
    disk = _Disk(root)
    keep = np.ones(len(names), dtype=bool)
    used = {name for name in names if disk.has(name)}
    for row, name in enumerate(names):
        place = {"split": split, "source": labels.images["source"].iat[row], "file": name}
        if name not in used:
            near = disk.near(name)
            if near is None or near in used:
                findings.add("image_missing", [{**place, "note": str(root / name)}])
                keep[row] = False
                continue
            same = unicodedata.normalize("NFC", near) == unicodedata.normalize("NFC", name)
            findings.add("path_unicode_form" if same else "path_case_mismatch", [
                {**place, "file": near, "before": name, "after": near}])
            names[row] = name = near
        target = disk.outside(name)
        if target:
            findings.add("path_link_outside", [{**place, "before": target}])
            keep[row] = findings.action("path_link_outside") == "keep"
    _rename(labels, names)
    labels.keep_images(keep)
    return {path for folder in {posixpath.dirname(name) for name in names} for path in disk.files(folder)
            if posixpath.splitext(path)[1].lower() in IMAGE_SUFFIXES}


def merge_same(labels: Labels, split: str, keep: np.ndarray, findings: Findings) -> None:
    """Entries whose names became the same once they were mended are one image."""
    first: dict[str, int] = {}
    move = np.arange(len(labels.images))
    ids, sources = labels.images["source_id"].tolist(), labels.images["source"].tolist()
    for row, name in enumerate(labels.images["file_name"]):
        if keep[row] and first.setdefault(name, row) != row:
            move[row] = first[name]
            keep[row] = False
            before, after = (f"{sources[at]} id {ids[at]}" for at in (row, first[name]))
            findings.add("file_name_duplicate", [{
                "split": split, "source": sources[row], "file": name, "before": before, "after": after}])
    labels.boxes["image"] = move[labels.boxes["image"].to_numpy()]


class _Disk:
    """What lies in the folders under `root` that names lead into. Each is read once."""

    def __init__(self, root: Path) -> None:
        self.root, self.top = root, os.path.realpath(root)
        # Of a folder: its entries by name, and whether each is a link.
        self._listed: dict[str, dict[str, bool]] = {}
        self._real: dict[str, str] = {}

    def has(self, name: str) -> bool:
        folder, last = posixpath.split(name)
        return last in self._list(folder)

    def near(self, name: str) -> str | None:
        """The one path that differs from `name` by case or Unicode form alone, in its folders too."""
        path = ""
        for part in name.split("/"):
            there = self._list(path)
            if part not in there:
                alike = [other for other in there if _form(other) == _form(part)]
                # Two that differ by case only: neither is meant more than the other.
                if len(alike) != 1:
                    return None
                part = alike[0]
            path = posixpath.join(path, part)
        return path

    def outside(self, name: str) -> str:
        """Where a link leads that leaves the root, or ""."""
        folder, last = posixpath.split(name)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(self.root / folder)
        target = os.path.join(self._real[folder], last)  # noqa: PTH118
        if self._list(folder)[last]:
            target = os.path.realpath(target)
        return "" if Path(target).is_relative_to(self.top) else target

    def files(self, folder: str) -> list[str]:
        return [posixpath.join(folder, name) for name in self._list(folder)]

    def _list(self, folder: str) -> dict[str, bool]:
        if folder not in self._listed:
            try:
                with os.scandir(self.root / folder) as entries:
                    self._listed[folder] = {entry.name: entry.is_symlink() for entry in entries}
            except OSError:  # no folder, or one that may not be read
                self._listed[folder] = {}
        return self._listed[folder]


def _rename(labels: Labels, names: list[str]) -> None:
    # pandas would take a list or an array of texts to Arrow, which refuses halves of surrogate pairs.
    labels.images["file_name"] = pd.Series(names, dtype=object)


def _inside(name: str, root: Path) -> str:
    """The absolute `name` from `root`, "" where it is not in there."""
    path = Path(posixpath.normpath(name))
    for top in (root.absolute(), root.resolve()):
        if path.is_relative_to(top) and path != top:
            return path.relative_to(top).as_posix()
    return ""


def _is_possible(name: str, root: Path) -> bool:
    try:
        whole = os.fsencode(root.absolute() / name)
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return bool(name.strip()) and len(whole) <= _LONGEST_PATH and all(
        len(part) <= _LONGEST for part in whole.split(b"/")) and not any(
        unicodedata.category(letter) == "Cc" for letter in name)


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
