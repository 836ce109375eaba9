"""Names of the machine that a set was labelled on: addresses, and paths that lead nowhere here."""

from __future__ import annotations

import posixpath
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from stages.data.disk import Disk, Tree, form, inside, is_absolute, is_possible, walk
from stages.data.findings import Findings
from stages.data.labels import Labels
from stages.data.sources.layouts import split_of

CODE = "path_foreign"
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
    files = [_File(labels, *_pending(labels, root, disk)) for labels in parts]
    if not any(file.rows for file in files):
        return
    matches = match(*_names_and_paths(files, root, disk))
    for file in files:
        names = file.labels.images["file_name"].tolist()
        hits = [row for row in file.rows if names[row] in matches]
        # Names that are neither addresses nor lead out may as well be those of images that are
        # missing.
        if not file.is_whole or 2 * len(hits) > len(file.rows):
            _rename(file.labels, hits, matches, findings)


@dataclass
class _File:
    """rows: of the images to look up; is_whole: all of them, because no name of the file leads to
    an image."""

    labels: Labels
    rows: list[int]
    is_whole: bool


def _names_and_paths(files: list[_File], root: Path, disk: Disk) -> tuple[set[str], Tree, set[str]]:
    """The names to look up, the files of the set, and those of them that have a name already."""
    names: set[str] = set()
    named: set[str] = set()
    for file in files:
        column = file.labels.images["file_name"].tolist()
        names.update(column[row] for row in file.rows)
        for row in set(range(len(column))) - set(file.rows):
            named.add(_path(column[row], root, disk) or "")
    return names, walk(root), named


def match(names: set[str], tree: Tree, named: set[str]) -> dict[str, str]:
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


def parts_of(name: str) -> Iterator[list[str]]:
    """The folders and the last name that a name may mean, as they are written and without an
    address's escapes."""
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
    """How many parts are the same at the end of the name and of the one path that has most of
    them."""
    for parts in parts_of(name):
        if not parts:
            continue
        ranked: dict[int, list[str]] = {}
        split = split_of("/".join(parts[:-1]))
        for path in tree.images.get(form(parts[-1]), ()):
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
        if form(part) != form(path_part):
            break
        count += 1
    return count


def _pending(labels: Labels, root: Path, disk: Disk) -> tuple[list[int], bool]:
    """As _File's rows and is_whole."""
    names = labels.images["file_name"].tolist()
    rows = [row for row, name in enumerate(names) if _leads_out(name, root)]
    rest = set(range(len(names))) - set(rows)
    if rest and not any(_path(names[row], root, disk) for row in sorted(rest)):
        return list(range(len(names))), True
    return rows, False


def _leads_out(name: str, root: Path) -> bool:
    if not _SUSPECT.search(name) or not is_possible(name, root):
        return False
    slashes = name.replace("\\", "/")
    if is_absolute(slashes):
        return not inside(slashes, root)
    return posixpath.normpath(slashes).split("/", 1)[0] == ".."


def _path(name: str, root: Path, disk: Disk) -> str | None:
    """The path of the set that a name means once it is written as it should be, None where there is
    no file."""
    if not is_possible(name, root) or _leads_out(name, root):
        return None
    path = name.replace("\\", "/")
    if is_absolute(path):
        path = inside(path, root)
    path = posixpath.normpath(path)
    if disk.has(path):
        return path
    return disk.near(path)


def _rename(labels: Labels, rows: list[int], matches: dict[str, str], findings: Findings) -> None:
    names = labels.images["file_name"].tolist()
    ids = labels.images["source_id"].tolist()
    keep = np.ones(len(names), dtype=bool)
    for row in rows:
        path = matches[names[row]]
        place = {**labels.place(row), "entry": f"image id {ids[row]}"}
        findings.report(CODE, place, file=path, before=names[row], after=path)
        names[row] = path
        keep[row] = findings.action(CODE) != "drop"
    labels.images["file_name"] = pd.Series(names, dtype=object)
    if not keep.all():
        labels.keep_images(keep)
