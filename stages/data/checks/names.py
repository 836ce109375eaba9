"""Checks the file names of images against the rules of a safe path and against what lies on the
disk, and finds the images of names that belong to the machine a set was labelled on."""

from __future__ import annotations

import posixpath
import re
import unicodedata
import urllib.parse
from collections.abc import Iterator
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.data.disk import (
    IMAGE_SUFFIXES,
    SIMPLE,
    Disk,
    Tree,
    is_absolute,
    is_possible,
    longest_name,
    name_form,
    path_inside,
    suffix,
    walk,
)
from stages.data.findings import Findings
from stages.data.labels import Labels
from stages.data.sources.image_folders import split_of

# What an ordinary name below the root has none of; sets of 100,000 images have little else.
_SUSPECT = re.compile(r"^[/\\]|:[/\\]|(^|[/\\])\.\.([/\\]|$)")


def check_foreign(parts: list[Labels], root: Path, findings: Findings) -> None:
    """Gives images whose name leads nowhere the file of the set that ends alike, where there is one
    for one.

    parts: the labels of each annotation file; their names are changed in place. Two kinds
    of names are looked up: addresses and those that lead out of `root`; and all names of a file of
    which none leads to an image, because a file of which some do lacks the images of the rest.
    These must find more than half of their images.
    """
    disk = Disk(root)
    files = []
    for labels in parts:
        names = labels.images["file_name"].tolist()
        files.append((labels, names, *_pending(names, root, disk)))
    if not any(rows for _, _, rows, _ in files):
        return
    pending: set[str] = set()
    named: set[str] = set()
    for _, names, rows, _ in files:
        pending.update(names[row] for row in rows)
        for row in set(range(len(names))) - set(rows):
            named.add(_path(names[row], root, disk))
    matches = _match(pending, walk(root), named)
    for labels, names, rows, is_whole in files:
        hits = [row for row in rows if names[row] in matches]
        # Names that do not lead out may as well be those of images that are missing.
        if is_whole and 2 * len(hits) <= len(rows):
            continue
        keep = np.ones(len(names), dtype=bool)
        for row in hits:
            before, names[row] = names[row], matches[names[row]]
            place = {**_place(labels, row), "file": names[row]}
            findings.report("path_foreign", place, before=before, after=names[row])
            keep[row] = findings.action("path_foreign") != "drop"
        _rename(labels, names)
        labels.keep_images(keep)


def _pending(names: list[str], root: Path, disk: Disk) -> tuple[list[int], bool]:
    """Rows of the names to look up, and whether these are all, because none leads to an image."""
    rows = []
    for row, name in enumerate(names):
        if _SUSPECT.search(name) and is_possible(name, root) and not _shortest(name, root):
            rows.append(row)
    rest = set(range(len(names))) - set(rows)
    if rest and not any(_path(names[row], root, disk) for row in sorted(rest)):
        return list(range(len(names))), True
    return rows, False


def _shortest(name: str, root: Path) -> str:
    """The path from `root` that a name means, in its shortest form; "" where it leads out."""
    path = name.replace("\\", "/")
    if is_absolute(path):
        path = path_inside(path, root)
    path = posixpath.normpath(path or "..")
    return "" if path.split("/", 1)[0] == ".." else path


def _path(name: str, root: Path, disk: Disk) -> str:
    """The path of the set that a name means once it is well written, "" where there is no file."""
    path = ""
    if is_possible(name, root):
        path = _shortest(name, root)
    if path and not disk.has(path):
        path = disk.near(path) or ""
    return path


def _match(names: set[str], tree: Tree, named: set[str]) -> dict[str, str]:
    """name -> path of the image of the set with the longest common end. Only where no image ends as
    well, and no name claims the same image with an end as long; `named` belong to names already."""
    claims: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        best = _best(name, tree)
        if best and best[1] not in named:
            claims.setdefault(best[1], []).append((best[0], name))
    matches = {}
    for path, claimants in claims.items():
        claimants.sort(reverse=True)
        if len(claimants) == 1 or claimants[0][0] > claimants[1][0]:
            matches[claimants[0][1]] = path
    return matches


def _parts_of(name: str) -> Iterator[list[str]]:
    """The parts of the path that a name may mean, as written and without an address's escapes."""
    text = name.replace("\\", "/")
    # Label Studio: /data/local-files/?d=folder/a.jpg
    local = re.search(r"[?&]d=([^&]+)", text)
    address = re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/+", text)
    if local:
        text = local[1]
    elif address:
        text = text[address.end() :].split("?")[0].split("#")[0]
    for form_of_text in dict.fromkeys((text, urllib.parse.unquote(text))):
        yield [part for part in form_of_text.split("/") if part not in ("", ".", "..")]


def _best(name: str, tree: Tree) -> tuple[int, str] | None:
    """The one path with most parts in common at the name's end, and their number before it."""
    for parts in _parts_of(name):
        if not parts:
            continue
        ranked: dict[int, list[str]] = {}
        split = split_of("/".join(parts[:-1]))
        for path in tree.images.get(name_form(parts[-1]), ()):
            # train/1.jpg is not val/1.jpg, however many of them are missing.
            path_split = split_of(posixpath.dirname(path))
            if split is None or path_split is None or split == path_split:
                ranked.setdefault(_common_end(parts, path.split("/")), []).append(path)
        if ranked:
            longest = max(ranked)
            if len(ranked[longest]) > 1:
                return None
            return longest, ranked[longest][0]
    return None


def _common_end(parts: list[str], path: list[str]) -> int:
    count = 0
    for part, path_part in zip(reversed(parts), reversed(path)):
        if name_form(part) != name_form(path_part):
            break
        count += 1
    return count


def check_names(labels: Labels, root: Path, findings: Findings) -> None:
    """Mends names and leaves out images whose name leads out of `root`. Looks at no file."""
    names = labels.images["file_name"].tolist()
    keep = np.ones(len(names), dtype=bool)
    longest = longest_name(root)
    for row, name in enumerate(names):
        if len(name) <= longest and SIMPLE.fullmatch(name):
            continue
        place = {**_place(labels, row), "file": None}
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
        before, path = path, path_inside(path, root)
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
            if suffix(path) in IMAGE_SUFFIXES:
                images.add(path)
    return images


def merge_same(labels: Labels, findings: Findings) -> None:
    """Entries of one (mended) name, in one file or in several, are one image with all boxes."""
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
            before = f"{sources[row]} id {ids[row]}"
            after = f"{sources[first[name]]} id {ids[first[name]]}"
            findings.report("file_name_duplicate", labels.place(row), before=before, after=after)
    labels.boxes["image"] = move[labels.boxes["image"].to_numpy()]
    labels.keep_images(keep)


def _place(labels: Labels, row: int) -> dict[str, Any]:
    return {**labels.place(row), "entry": f"image id {labels.images['source_id'].iat[row]}"}


def _rename(labels: Labels, names: list[str]) -> None:
    # pandas would take a list of texts to Arrow, which refuses halves of surrogate pairs.
    labels.images["file_name"] = pd.Series(names, dtype=object)
