"""Recognises COCO: any file with COCO's lists in the root, or in a folder of the root."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path

from stages.data.layouts import json_peek
from stages.data.layouts.tree import Layout, Tree, by_split, in_root_alone
from stages.errors import InputError
from stages.study.params import Source

# Names of a file that are looked up, and files of one folder that are looked at, the largest first:
# a folder with a JSON file per image has more.
_NAMES, _FILES = 200, 50
# What an entry of COCO's `images` has at least one of.
_IMAGE_KEYS = {"file_name", "id", "coco_url"}


@dataclass(frozen=True)
class _File:
    """images: the folder from which its names lead to files, None where none does."""

    path: str
    names: tuple[str, ...]
    images: str | None
    keypoints: bool
    size: int


def recognise(tree: Tree) -> Layout | None:
    """Raises InputError where the files of a split name images of several folders, which
    params.yaml cannot say."""
    files, candidates = [], 0
    for folder in tree.files:
        if "/" in folder:
            continue
        for file in _coco_files(tree, folder):
            candidates += 1
            if in_root_alone(folder, file.images):
                files.append(file)
    without_images = [file for file in files if file.images is None]
    # Beside a folder that is a set of its own, annotations without images are no part of the root
    # either.
    if not files or (len(files) < candidates and files == without_images):
        return None
    notes: list[str] = []
    by_path = {file.path: file for file in files}
    sources = {}
    for split, paths in by_split(by_path, notes).items():
        chosen = _without_doubles([by_path[path] for path in paths], notes)
        sources[split] = _source(tree, split, chosen)
    examples: list[str] = []
    for file in without_images:
        examples += file.names[:5]
    return Layout("coco", sources, not without_images, examples, notes=notes)


def _source(tree: Tree, split: str, files: list[_File]) -> Source:
    """Raises InputError where the files name images of several folders."""
    # Folder of images -> a file that has its images there.
    folders = {file.images: file.path for file in files if file.images is not None}
    if len(folders) > 1:
        places = [f"of {path} in {folder or '.'}" for folder, path in folders.items()]
        raise InputError(
            f"{tree.root}: the images of {split} lie in several folders: those "
            f"{' and '.join(places)}; name each split by its file (train.json, val.json, "
            "test.json), or join the folders"
        )
    paths = sorted(file.path for file in files)
    if len(paths) == 1:
        paths = paths[0]
    return Source(paths, next(iter(folders), ""))


def broken_files(tree: Tree) -> list[str]:
    """JSON files of the root that no reader takes: prepare is to say what is wrong with them."""
    broken = []
    for folder in ("", "annotations"):
        for name in tree.names(folder, ".json"):
            path = posixpath.join(folder, name)
            if tree.is_inside(path) and not json_peek.is_json(tree.root / path):
                broken.append(path)
    return broken


def _coco_files(tree: Tree, folder: str) -> list[_File]:
    sizes = {}
    for name in tree.names(folder, ".json"):
        path = posixpath.join(folder, name)
        if tree.is_inside(path):
            sizes[path] = _size(tree, path)
    files = []
    for path in sorted(sizes, key=lambda path: -sizes[path])[:_FILES]:
        images = json_peek.entries(tree.root / path, "images", _NAMES)
        if images is None or (images and not _is_image(images[0])):
            continue
        fields = _annotation_fields(tree.root / path)
        # Captions and panoptic segments are COCO too, without boxes.
        if "caption" in fields or "segments_info" in fields:
            continue
        names = []
        for image in images:
            if isinstance(image, dict) and image.get("file_name"):
                names.append(str(image["file_name"]))
        image_folder = tree.image_folder(names, folder)
        files.append(_File(path, tuple(names), image_folder, "keypoints" in fields, sizes[path]))
    return files


def _annotation_fields(path: Path) -> set[str]:
    """Those of the first annotation; none where there is none, or where it is no object."""
    annotations = json_peek.entries(path, "annotations", 1)
    if not annotations or not isinstance(annotations[0], dict):
        return set()
    return set(annotations[0])


def _without_doubles(files: list[_File], notes: list[str]) -> list[_File]:
    """Of files that name the same images, such as COCO's instances and person_keypoints, one:
    without keypoints, called instances, the largest."""

    def rank(file: _File) -> tuple:
        return (
            file.keypoints,
            "instances" not in posixpath.basename(file.path),
            -file.size,
            file.path,
        )

    different: list[_File] = []
    for file in sorted(files, key=rank):
        twin = next((earlier for earlier in different if _share(file, earlier)), None)
        if twin is None:
            different.append(file)
        else:
            notes.append(f"{file.path} is left out: it names the images of {twin.path}")
    return different


def _share(file: _File, twin: _File) -> bool:
    """Whether more than half of the names looked at are the same, and mean the same files."""
    names = set(file.names)
    same_place = file.images == twin.images or None in (file.images, twin.images)
    return same_place and 2 * len(names & set(twin.names)) > max(len(names), 1)


def _is_image(entry: object) -> bool:
    """Also for an entry that is broken, as long as it is no plain text."""
    return isinstance(entry, dict) and (not entry or bool(_IMAGE_KEYS & entry.keys()))


def _size(tree: Tree, path: str) -> int:
    try:
        return (tree.root / path).stat().st_size
    except OSError:
        return 0
