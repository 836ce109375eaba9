"""Checks the file names of images against the rules of a safe path and against what lies on the
disk."""

from __future__ import annotations

import posixpath
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.data.checks.disk import Disk
from stages.data.checks.paths import SIMPLE, inside, is_absolute, is_possible, longest_name
from stages.data.findings import Findings
from stages.data.labels import Labels
from stages.data.sources.raw import IMAGE_SUFFIXES


def check_names(labels: Labels, split: str, root: Path, findings: Findings) -> None:
    """Mends the names in place and leaves out images whose name leads out of `root`. Looks at no
    file."""
    names = labels.images["file_name"].tolist()
    ids = labels.images["source_id"].tolist()
    keep = np.ones(len(names), dtype=bool)

    def place(row: int, before: str, after: str | None = None) -> dict[str, Any]:
        return {
            "split": split,
            "source": labels.images["source"].iat[row],
            "entry": f"image id {ids[row]}",
            "file": after or before,
            "before": before,
            "after": after,
        }

    longest = longest_name(root)
    for row, name in enumerate(names):
        if len(name) <= longest and SIMPLE.fullmatch(name):
            continue
        if not is_possible(name, root):
            findings.add("path_invalid", [{**place(row, repr(name)), "file": None}])
            keep[row] = False
            continue
        if "\\" in name:
            mended = name.replace("\\", "/")
            findings.add("path_backslash", [place(row, name, mended)])
            name = mended
        if is_absolute(name):
            path = inside(name, root)
            findings.add("path_absolute", [place(row, name, path or None)], "" if path else "drop")
            keep[row] = bool(path) and findings.action("path_absolute") != "drop"
            if not path:
                continue
            name = path
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
            findings.add(
                "path_case_clash", [{"split": split, "file": name, "before": f"{other} and {name}"}]
            )
    merge_same(labels, split, keep, findings)
    if not keep.all():
        labels.keep_images(keep)


def check_files(labels: Labels, split: str, root: Path, findings: Findings) -> set[str]:
    """Compares the names with the folders that they are in; returns all image files of these
    folders.

    Names that differ from a file's by case or Unicode form alone take the file's. Missing files and
    links that lead out of `root` are left out, as the policy says.
    """
    names = labels.images["file_name"].tolist()
    disk = Disk(root)
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
            findings.add(
                "path_unicode_form" if same else "path_case_mismatch",
                [{**place, "file": near, "before": name, "after": near}],
            )
            names[row] = name = near
        target = disk.outside(name)
        if target:
            findings.add("path_link_outside", [{**place, "before": target}])
            keep[row] = findings.action("path_link_outside") == "keep"
    _rename(labels, names)
    labels.keep_images(keep)
    return {
        path
        for folder in {posixpath.dirname(name) for name in names}
        for path in disk.files(folder)
        if posixpath.splitext(path)[1].lower() in IMAGE_SUFFIXES
    }


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
            findings.add(
                "file_name_duplicate",
                [
                    {
                        "split": split,
                        "source": sources[row],
                        "file": name,
                        "before": before,
                        "after": after,
                    }
                ],
            )
    labels.boxes["image"] = move[labels.boxes["image"].to_numpy()]


def _rename(labels: Labels, names: list[str]) -> None:
    # pandas would take a list or an array of texts to Arrow, which refuses halves of surrogate
    # pairs.
    labels.images["file_name"] = pd.Series(names, dtype=object)
