"""Checks the file names of images against the rules of a safe path and against what lies on the
disk."""

from __future__ import annotations

import posixpath
import unicodedata
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.data.disk import (
    IMAGE_SUFFIXES,
    SIMPLE,
    Disk,
    inside,
    is_absolute,
    is_possible,
    longest_name,
)
from stages.data.findings import Findings
from stages.data.labels import Labels


def check_names(labels: Labels, root: Path, findings: Findings) -> None:
    """Mends the names in place and leaves out images whose name leads out of `root`. Looks at no
    file."""
    names = labels.images["file_name"].tolist()
    ids = labels.images["source_id"].tolist()
    keep = np.ones(len(names), dtype=bool)
    longest = longest_name(root)
    for row, name in enumerate(names):
        if len(name) <= longest and SIMPLE.fullmatch(name):
            continue
        place = {**labels.place(row), "file": None, "entry": f"image id {ids[row]}"}
        path = _safe_path(name, place, root, findings)
        if path is None:
            keep[row] = False
        else:
            names[row] = path
    _rename(labels, names)
    folded: dict[str, str] = {}
    for name in compress(names, keep):
        first = folded.setdefault(name.casefold(), name)
        if first != name:
            place = {"split": labels.split, "file": name}
            findings.report("path_case_clash", place, before=f"{first} and {name}")
    if not keep.all():
        labels.keep_images(keep)
    merge_same(labels, findings)


def _safe_path(name: str, place: dict[str, Any], root: Path, findings: Findings) -> str | None:
    """The path from `root` that `name` means, in its shortest form; None where it is left out."""
    if not is_possible(name, root):
        findings.report("path_invalid", place, before=repr(name))
        return None
    path = name
    if "\\" in path:
        before, path = path, path.replace("\\", "/")
        findings.report("path_backslash", place, file=path, before=before, after=path)
    if is_absolute(path):
        before, path = path, inside(path, root)
        if not path:
            findings.report("path_absolute", place, "drop", file=before, before=before)
            return None
        findings.report("path_absolute", place, file=path, before=before, after=path)
        if findings.action("path_absolute") == "drop":
            return None
    before, path = path, posixpath.normpath(path)
    if path.split("/", 1)[0] == "..":
        findings.report("path_climbs", place, before=before)
        return None
    if path != before:
        findings.report("path_not_normal", place, file=path, before=before, after=path)
    return path


def check_files(labels: Labels, root: Path, findings: Findings) -> set[str]:
    """Compares the names with the folders that they are in; returns all image files of these
    folders.

    Names that differ from a file's by case or Unicode form alone take the file's. Missing files and
    links that lead out of `root` are left out, as the policy says.
    """
    names = labels.images["file_name"].tolist()
    disk = Disk(root)
    keep = np.ones(len(names), dtype=bool)
    exact = {name for name in names if disk.has(name)}
    for row, name in enumerate(names):
        if name not in exact:
            place = labels.place(row)
            near = disk.near(name)
            if near is None or near in exact:
                findings.report("image_missing", place, note=str(root / name))
                keep[row] = False
                continue
            same_letters = unicodedata.normalize("NFC", near) == unicodedata.normalize("NFC", name)
            code = "path_unicode_form" if same_letters else "path_case_mismatch"
            findings.report(code, {**place, "file": near}, before=name, after=near)
            names[row] = name = near
        target = disk.outside(name)
        if target:
            findings.report("path_link_outside", labels.place(row), before=target)
            keep[row] = findings.action("path_link_outside") == "keep"
    _rename(labels, names)
    labels.keep_images(keep)
    images = set()
    for folder in set(map(posixpath.dirname, names)):
        for path in disk.files(folder):
            if posixpath.splitext(path)[1].lower() in IMAGE_SUFFIXES:
                images.add(path)
    return images


def merge_same(labels: Labels, findings: Findings) -> None:
    """Entries whose names became the same once they were mended, or that are in several files, are
    one image that has the boxes of all."""
    names = labels.images["file_name"].tolist()
    if len(set(names)) == len(names):
        return
    first: dict[str, int] = {}
    move = np.arange(len(names))
    keep = np.ones(len(names), dtype=bool)
    ids, sources = labels.images["source_id"].tolist(), labels.images["source"].tolist()
    for row, name in enumerate(names):
        if first.setdefault(name, row) != row:
            move[row] = first[name]
            keep[row] = False
            findings.report(
                "file_name_duplicate",
                labels.place(row),
                before=f"{sources[row]} id {ids[row]}",
                after=f"{sources[first[name]]} id {ids[first[name]]}",
            )
    labels.boxes["image"] = move[labels.boxes["image"].to_numpy()]
    labels.keep_images(keep)


def _rename(labels: Labels, names: list[str]) -> None:
    # pandas would take a list or an array of texts to Arrow, which refuses halves of surrogate
    # pairs.
    labels.images["file_name"] = pd.Series(names, dtype=object)
