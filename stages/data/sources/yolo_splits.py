"""Follows train, val and test of a YOLO set's YAML file, where they name folders of the set; where
they do not, a line says so: somebody has chosen them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

import yaml

from stages.data.disk import IMAGE_SUFFIXES, Tree
from stages.data.sources.image_folders import is_below
from stages.data.sources.yolo_names import yaml_files
from stages.study.params import Source

_KEYS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


def follow(
    tree: Tree, folders: Mapping[str, list[str]], sets: dict[str, Source], notes: list[str]
) -> dict[str, Source]:
    """`sets`, which the names of folders have given, as the YAML file has them. folders: of labels
    -> of their images."""
    file, named = _named(tree)
    if "train" not in named:
        return sets
    followed: dict[str, Source] = {}
    for split, entries in named.items():
        places = [_place(tree, entry) for entry in entries]
        source, reason = None, ""
        if None in places:
            reason = "the set has no such folder or file"
        elif any(place.endswith(".txt") for place in places):
            if not _is_listed(tree, places, sets.get(split)):
                reason = (
                    "lists of images are not read; move the images into a folder for each split"
                )
        else:
            source, reason = _source(folders, places, followed)
        if source:
            followed[split] = source
            _take_back(notes, folders, source)
        elif reason:
            notes.append(f"{file}: {split}: {', '.join(entries)} is not followed: {reason}")
    if "train" not in followed:
        return sets
    kept = {}
    for split, source in sets.items():
        if split not in followed and not _overlaps(source, followed):
            kept[split] = source
    return {**kept, **followed}


def _take_back(notes: list[str], folders: Mapping[str, list[str]], source: Source) -> None:
    """Of the lines on folders whose names say no split, those on labels that are read now."""
    for folder in folders:
        if is_below(folder, source.annotations.removeprefix(".")):
            start = f"{folder or '.'} is left out"
            notes[:] = [note for note in notes if not note.startswith(start)]


def _named(tree: Tree) -> tuple[str, dict[str, list[str]]]:
    """The YAML file that the names of the classes are taken from, and what it says of each
    split."""
    for path in yaml_files(tree.root):
        if not tree.is_inside(path.name):
            continue
        try:
            content: Any = yaml.BaseLoader(path.read_bytes()).get_single_data()
        except (OSError, yaml.YAMLError, ValueError, RecursionError):
            continue
        if not isinstance(content, dict) or not content.get("names"):
            continue
        named = {}
        for key, value in content.items():
            split = _KEYS.get(str(key).casefold())
            entries = value if isinstance(value, list) else [value]
            if split and entries and all(isinstance(entry, str) and entry for entry in entries):
                named[split] = entries
        return path.name, named
    return "", {}


def _place(tree: Tree, entry: str) -> str | None:
    """The folder or the list of the set that an entry means, perhaps on another machine."""
    parts = [part for part in entry.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    if not parts:
        return ""
    for start in range(len(parts)):
        path = "/".join(parts[start:])
        folder, name = posixpath.split(path)
        if path in tree.files or name in tree.files.get(folder, ()):
            return path
    return None


def _source(
    folders: Mapping[str, list[str]], places: list[str], earlier: dict[str, Source]
) -> tuple[Source | None, str]:
    """The labels whose images lie in `places`, or why it cannot be they."""
    if len(places) > 1:
        return None, "one folder for each split is read; put the others below it"
    [place] = places
    labels = []
    for folder, images in folders.items():
        if any(is_below(path, place) for path in images):
            labels.append(folder)
    if not labels:
        return None, "no labels of these images were found"
    # The folder that holds all of them, which is one of them or above.
    top = posixpath.commonpath(labels) if "" not in labels else ""
    if any(is_below(folder, top) for folder in folders if folder not in labels):
        return None, f"their labels lie in {top or '.'}, which has those of other images too"
    source = Source(top or ".", place or ".")
    if _overlaps(source, earlier):
        return None, "an earlier split has the same images"
    return source, ""


def _overlaps(source: Source, sets: dict[str, Source]) -> bool:
    for earlier in sets.values():
        first, second = source.images, earlier.images
        if "." in (first, second) or is_below(first, second) or is_below(second, first):
            return True
    return False


def _is_listed(tree: Tree, places: list[str], source: Source | None) -> bool:
    """Whether the lists name the images of the split's folder and no others."""
    if source is None:
        return False
    listed = set()
    for place in places:
        text = tree.beginning(place, 2**24).decode(errors="replace")
        for line in filter(None, map(str.strip, text.splitlines())):
            listed.add(posixpath.basename(line.replace("\\", "/")))
    top = source.images.removeprefix(".")
    images = set()
    for folder in tree.files:
        if is_below(folder, top):
            images.update(tree.names(folder, *IMAGE_SUFFIXES))
    return listed == images
