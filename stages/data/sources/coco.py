"""COCO: recognises it by any file with COCO's lists in the root, or in a folder of the root, and
reads such a file."""

from __future__ import annotations

import json
import mmap
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.data.disk import Tree
from stages.data.findings import Findings
from stages.data.sources.annotations import Annotations, Raw, read_text
from stages.data.sources.coco_text import Reader
from stages.data.sources.image_folders import (
    LabelFiles,
    Layout,
    by_split,
    image_folders,
    in_root_alone,
    left_out,
    only,
    split_of,
)
from stages.errors import InputError
from stages.study.params import Source

# Names of a file that are looked up, and files of one folder that are looked at, the largest first:
# a folder with a JSON file per image has more.
_NAMES, _FILES = 200, 50
# Bytes of a list that are decoded: a COCO file may have half a gigabyte.
_WINDOW = 2**18
_LIST = re.compile(rb"\s*:\s*\[")
_BLANK = re.compile(r"[\s,]*")
# What an entry of COCO's `images` has at least one of.
_IMAGE_KEYS = {"file_name", "id", "coco_url"}


def read_coco(root: Path, name: str, folder: str, split: str, findings: Findings) -> Raw | None:
    """name: the file, from `root`. None, and a fatal finding, where it is missing, empty, not
    UTF-8, not JSON or not COCO.

    Annotations of a test file may be absent: its split then has no labels.
    """
    origin = {"split": split, "source": name}
    text = read_text(root / name, origin, findings)
    if text is None:
        return None
    content = parse_coco(text, origin, findings)
    if content is None:
        return None
    lists = {key: content.get(key) for key in ("images", "annotations", "categories")}
    for key, values in lists.items():
        if split == "test" and key != "images" and not lists["annotations"] and not values:
            lists[key] = []
        elif not isinstance(values, (list, Annotations)) or not values:
            note = "its list is empty" if values == [] else "there is no such list"
            findings.report("coco_list_missing", origin, entry=key, note=note)
            return None
    if isinstance(lists["annotations"], Annotations):
        for key, count in sorted(lists["annotations"].unread.items()):
            findings.counted("fields_not_copied", count, **origin, before=key)
    return Raw(split, name, folder, **lists, coco=True)


def parse_coco(text: str, origin: dict[str, Any], findings: Findings) -> dict[str, Any] | None:
    """What json.loads gives of an object, {} for anything else; but a list "annotations" at the
    top that is not empty comes as Annotations.

    None, and a fatal finding, where it is no JSON.
    """
    reader = Reader(text)
    try:
        content = reader.read()
    except (ValueError, IndexError, StopIteration, RecursionError):
        # No object: json.loads says what is wrong with it, and where.
        return _explained(text, origin, findings)
    for literal in reader.oddities.literals:
        findings.report("json_nan", origin, before=literal)
    for key in reader.oddities.repeated_keys:
        findings.report("json_duplicate_key", origin, before=key)
    return content


def _explained(text: str, origin: dict[str, Any], findings: Findings) -> dict[str, Any] | None:
    """{} where the text is JSON; None, and a fatal finding, where it is not."""
    code = "json_invalid"
    try:
        json.loads(text)
        return {}
    except json.JSONDecodeError as error:
        if _is_cut(text, error):
            code = "json_truncated"
        note = f"line {error.lineno}, column {error.colno}: {error.msg}"
    except RecursionError:
        note = "nested too deeply"
    except ValueError:  # Python reads no whole number of more than 4300 digits
        note = "a number of thousands of digits"
    findings.report(code, origin, note=note)
    return None


def _is_cut(text: str, error: json.JSONDecodeError) -> bool:
    """A file cut short fails at its end, at the quote of its last text, or in its last word."""
    rest = text[error.pos :].rstrip()
    if error.msg.startswith("Unterminated string") or (len(rest) < 6 and "escape" in error.msg):
        return True
    return any(word.startswith(rest) for word in ("true", "false", "null", "NaN", "-Infinity"))


@dataclass(frozen=True)
class _File:
    """images: the folder from which its names lead to files; several where nothing tells which is
    meant, [] where there is none."""

    path: str
    names: list[str]
    images: list[str]
    keypoints: bool
    size: int


def recognise_coco(tree: Tree) -> Layout | None:
    """Raises InputError where the files of a split name images of several folders, which
    params.yaml cannot say."""
    files: list[_File] = []
    apart: list[_File] = []
    for folder in tree.files:
        if "/" in folder:
            continue
        for file in _coco_files(tree, folder):
            part = files if in_root_alone(folder, file.images) else apart
            part.append(file)
    without_images = [file for file in files if not file.images]
    # Beside a folder that is a set of its own, annotations without images are no part of the root
    # either.
    if not files or (apart and files == without_images):
        return None
    notes = [left_out(file.path) for file in apart]
    by_path = {file.path: file for file in files}
    sources = {}
    for split, paths in by_split(by_path, notes).items():
        chosen = _without_doubles([by_path[path] for path in paths], notes)
        sources[split] = _source(tree, split, chosen)
        files_of_train = sources[split].files
        if split == "train" and len(files_of_train) > 1 and not any(map(split_of, files_of_train)):
            joined = " and ".join(files_of_train)
            notes.append(f"{joined} are joined for training: their names say no split")
    lost: list[str] = []
    for file in without_images:
        lost += file.names[:5]
    return Layout("coco", sources, lost, notes=notes)


def broken_files(tree: Tree) -> list[str]:
    """JSON files of the root that no reader takes: prepare is to say what is wrong with them."""
    broken = []
    for folder in ("", "annotations"):
        for name in tree.names(folder, ".json"):
            path = posixpath.join(folder, name)
            if not tree.is_inside(path):
                continue
            try:
                json.loads((tree.root / path).read_text(encoding="utf-8-sig"))
            except (OSError, ValueError, RecursionError):
                broken.append(path)
    return broken


def first_entries(
    path: Path, key: str, most: int, fits: Callable[[list[Any]], bool] | None = None
) -> list[Any] | None:
    """The first entries of the list `key` of a JSON object; None where there is no such list.

    The file is searched, not parsed: a list deeper inside is taken as well. fits: takes the first
    entries of a list; one that does not fit is passed over.
    """
    word = f'"{key}"'.encode()
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at = data.find(word)
            while at >= 0:
                begin = _LIST.match(data, at + len(word))
                if begin:
                    window = data[begin.end() : begin.end() + _WINDOW]
                    values = _decoded(window.decode("utf-8", errors="replace"), most)
                    if fits is None or fits(values):
                        return values
                at = data.find(word, at + 1)
    except (OSError, ValueError):  # ValueError: an empty file cannot be mapped
        pass
    return None


def _decoded(text: str, most: int) -> list[Any]:
    """Entries of a list from behind its bracket on, until one is not whole."""
    decoder = json.JSONDecoder()
    values: list[Any] = []
    at = _BLANK.match(text).end()
    while len(values) < most and text[at : at + 1] not in ("", "]"):
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        values.append(value)
        at = _BLANK.match(text, at).end()
    return values


def _coco_files(tree: Tree, folder: str) -> list[_File]:
    sizes = {}
    for name in tree.names(folder, ".json"):
        path = posixpath.join(folder, name)
        if tree.is_inside(path):
            sizes[path] = (tree.root / path).stat().st_size
    files = []
    for path in sorted(sizes, key=lambda path: -sizes[path])[:_FILES]:
        images = first_entries(tree.root / path, "images", _NAMES, _are_images)
        if images is None:
            continue
        fields: set[str] = set()
        for annotation in first_entries(tree.root / path, "annotations", 1) or []:
            if isinstance(annotation, dict):
                fields.update(annotation)
        # Captions and panoptic segments are COCO too, without boxes.
        if "caption" in fields or "segments_info" in fields:
            continue
        names = []
        sides = {}
        for image in images:
            if isinstance(image, dict) and image.get("file_name"):
                name = str(image["file_name"])
                names.append(name)
                size = (image.get("width"), image.get("height"))
                if all(isinstance(side, int | float) for side in size):
                    sides[name] = (min(size), max(size))
        places = image_folders(tree, names, LabelFiles(path, sides))
        files.append(_File(path, names, places, "keypoints" in fields, sizes[path]))
    return files


def _are_images(values: list[Any]) -> bool:
    """Also for a first entry that is broken, as long as it is no plain text; info may have a list
    called images too."""
    if not values:
        return True
    first = values[0]
    return isinstance(first, dict) and (not first or bool(_IMAGE_KEYS & first.keys()))


def _without_doubles(files: list[_File], notes: list[str]) -> list[_File]:
    """Of files that name the same images, such as COCO's instances and person_keypoints, one:
    without keypoints, called instances, the largest."""

    def rank(file: _File) -> tuple:
        is_other = "instances" not in posixpath.basename(file.path)
        return (file.keypoints, is_other, -file.size, file.path)

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
    same_place = file.images == twin.images or not (file.images and twin.images)
    return same_place and 2 * len(names & set(twin.names)) > max(len(names), 1)


def _source(tree: Tree, split: str, files: list[_File]) -> Source:
    """Raises InputError where the files name images of several folders."""
    # Folder of images -> a file that has its images there.
    folders: dict[str, str] = {}
    for file in files:
        folder = only(tree, "coco", file.path, file.images)
        if folder is not None:
            folders[folder] = file.path
    if len(folders) > 1:
        places = [f"of {path} in {folder or '.'}" for folder, path in folders.items()]
        raise InputError(
            f"{tree.root}: the images of {split} lie in several folders: those "
            f"{' and '.join(places)}; name each split by its file (train.json, val.json, "
            "test.json), or join the folders"
        )
    paths = sorted(file.path for file in files)
    return Source(paths if len(paths) > 1 else paths[0], next(iter(folders), ""))
