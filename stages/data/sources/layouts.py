"""Recognises Pascal VOC and YOLO, which have a file of labels for each image, by what their files
hold and by where their names lead; and what every recogniser makes splits of."""

from __future__ import annotations

import codecs
import posixpath
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from stages.data.disk import Tree, stem_of, suffix
from stages.data.sources import yolo_splits
from stages.data.sources.image_folders import (
    LabelFiles,
    image_folders,
    is_below,
    only,
    split_of,
    stem_folders,
)
from stages.errors import InputError
from stages.study.params import Source
from stages.study.paths import SPLITS

# Files of a folder that are looked at, and bytes of each. Of YOLO's many may be empty, for images
# without objects.
_XML_FILES, _XML_BYTES = 20, 2**14
_TEXT_FILES, _TEXT_BYTES = 200, 2**12
_ANNOTATION = re.compile(rb"<(?:[\w.-]+:)?annotation[\s>]")
_FILENAME = re.compile(rb"<(?:[\w.-]+:)?filename>\s*([^<]+?)\s*</filename>")
_SIDES = re.compile(rb"<(?:[\w.-]+:)?(?:width|height)>\s*([0-9]{1,6})\s*<")
# Where read_voc looks for the files that a list names, and the lists of the devkit.
_ANNOTATIONS, _IMAGE_SETS = "Annotations", "ImageSets/Main"
_LISTS = {
    "train": ("train", "trainval", "default"),
    "val": ("val", "valid", "validation"),
    "test": ("test",),
}
# Lists that lie beside YOLO's labels.
_NO_LABELS = {"classes", "labels", "train", "valid", "val", "test", "readme"}


@dataclass
class Layout:
    """lost: some of the names of images that lead to no file, to look for them elsewhere, without a
    suffix where `stems`. notes: what somebody may have expected to be read and is not."""

    source: str
    sets: dict[str, Source]
    lost: list[str] = field(default_factory=list)
    stems: bool = False
    notes: list[str] = field(default_factory=list)


def recognise_voc(tree: Tree) -> Layout | None:
    """Folders of XML files, beside their images or in a tree of their own."""
    folders: dict[str, list[str]] = {}
    lost: list[str] = []
    notes: list[str] = []
    for folder in tree.files:
        said = _xml_files(tree, folder)
        if not said:
            continue
        sizes, suffixes = {}, {}
        for stem, image in said.items():
            if image.size:
                sizes[stem] = image.size
            if suffix(image.filename):
                suffixes[stem] = suffix(image.filename)
        labels = LabelFiles(folder, sizes, suffixes)
        images = stem_folders(tree, said, labels)
        if not images:
            filenames = [image.filename for image in said.values() if image.filename]
            images = image_folders(tree, filenames, LabelFiles(folder))
        if in_root_alone(folder, images):
            folders[folder] = images
            if not images:
                lost += list(said)[:5]
        else:
            notes.append(f"{folder} is left out: its name says no split, and others do")
    if not folders:
        return None
    lists: dict[str, Source] = {}
    for split, names in _LISTS.items():
        for name in names:
            if f"{name}.txt" in tree.files.get(_IMAGE_SETS, ()) and _ANNOTATIONS in folders:
                images = only(tree, "voc", _ANNOTATIONS, folders[_ANNOTATIONS]) or ""
                lists.setdefault(split, Source(f"{_IMAGE_SETS}/{name}.txt", images))
    sets = lists if "train" in lists else _sources(tree, "voc", folders, notes)
    return Layout("voc", sets, lost, stems=True, notes=notes)


def recognise_yolo(tree: Tree) -> Layout | None:
    """Folders of text files, a line of numbers per box, whose names are those of images."""
    folders: dict[str, list[str]] = {}
    lost = []
    named = _has_class_names(tree)
    for folder in tree.files:
        stems = _label_stems(tree, folder)
        if not stems:
            continue
        images = stem_folders(tree, stems, LabelFiles(folder))
        # Without images and names a table of numbers may be anything.
        if named or (images and in_root_alone(folder, images)):
            folders[folder] = images
            if not images:
                lost += stems[:5]
    if not folders:
        return None
    notes: list[str] = []
    sets = {}
    for split, source in _sources(tree, "yolo", folders, notes).items():
        # read_yolo takes "" for no folder at all.
        sets[split] = Source(source.annotations, source.images or ".")
    sets = yolo_splits.follow(tree, folders, sets, notes)
    return Layout("yolo", sets, lost, stems=True, notes=notes)


def check_class_names(tree: Tree) -> None:
    """Raises InputError where YOLO's classes lie in a file that read_yolo does not look at."""
    if _has_class_names(tree):
        return
    for path in (*tree.paths(".names"), *tree.paths(".txt")):
        if path.endswith((".names", "/classes.txt")):
            copy = shlex.join(("cp", str(tree.root / path), str(tree.root / "classes.txt")))
            raise InputError(
                f"{tree.root}: the names of the classes lie in {path}, where prepare does not "
                f"look; copy them: {copy}"
            )


def _has_class_names(tree: Tree) -> bool:
    """Whether the root has a file that read_yolo takes the names of the classes from."""
    is_listed = "classes.txt" in tree.files.get("", ())
    return is_listed or bool(tree.names("", ".yaml", ".yml", ".names"))


class _Said(NamedTuple):
    """What a VOC file says of its image; size: the smaller side and the larger, or None."""

    filename: str
    size: tuple[float, float] | None


def _xml_files(tree: Tree, folder: str) -> dict[str, _Said]:
    """What the first VOC files say, by their names without a suffix.

    LabelMe's XML has the same outermost element, and polygons in place of boxes.
    """
    said = {}
    for name in tree.names(folder, ".xml")[:_XML_FILES]:
        text = tree.beginning(posixpath.join(folder, name), _XML_BYTES)
        has_boxes = b"polygon>" not in text or b"bndbox>" in text
        if not has_boxes or not _ANNOTATION.search(text):
            continue
        match = _FILENAME.search(text)
        filename = match[1].decode(errors="replace") if match else ""
        sides = [float(side) for side in _SIDES.findall(text)[:2]]
        size = None
        if len(sides) == 2 and min(sides) > 0:
            size = (min(sides), max(sides))
        said[stem_of(name)] = _Said(filename, size)
    return said


def _label_stems(tree: Tree, folder: str) -> list[str]:
    """Names without a suffix of YOLO's label files; [] where none of them has a line of numbers."""
    stems = []
    has_boxes = False
    for name in tree.names(folder, ".txt")[:_TEXT_FILES]:
        if stem_of(name).lower() in _NO_LABELS:
            continue
        text = tree.beginning(posixpath.join(folder, name), _TEXT_BYTES).strip()
        if not text or _is_label(text):
            has_boxes |= bool(text)
            stems.append(stem_of(name))
    return stems if has_boxes else []


def _is_label(text: bytes) -> bool:
    """A whole number of a class, and four numbers or more."""
    try:
        numbers = list(map(float, text.removeprefix(codecs.BOM_UTF8).split(b"\n", 1)[0].split()))
    except ValueError:
        return False
    return len(numbers) >= 5 and numbers[0] >= 0 and numbers[0].is_integer()


def _sources(
    tree: Tree, source: str, folders: dict[str, list[str]], notes: list[str]
) -> dict[str, Source]:
    """folders: of annotations -> of images. Raises InputError where a split is not one folder, or
    the folder of its images cannot be told."""
    splits = by_split(folders, notes)
    sets = {}
    for split, own in splits.items():
        top = _common_folder(own)
        for name, elsewhere in splits.items():
            if name != split and any(is_below(folder, top) for folder in elsewhere):
                raise InputError(
                    f"{tree.root}: the labels of {split} lie in {' and '.join(own)}; put them into "
                    "one folder, and their images likewise"
                )
        images = [only(tree, source, folder, folders[folder]) for folder in own]
        sets[split] = Source(top or ".", _common_folder(filter(None, images)))
    return sets


def by_split(annotations: Iterable[str], notes: list[str]) -> dict[str, list[str]]:
    """The paths of annotations that each split has, by their names, in the order of SPLITS.

    Where none names train, those of no split are for training, or else those of the only split:
    folders called val_0 to val_4 are one set, and FiftyOne calls its only split val. Where one
    does, `notes` says which are left out.
    """
    named: dict[str, list[str]] = {}
    for path in annotations:
        named.setdefault(split_of(path) or "", []).append(path)
    if "train" not in named:
        named["train"] = named.pop(next(split for split in ("", *SPLITS) if split in named))
    for path in named.pop("", []):
        notes.append(f"{path or '.'} is left out: its name says no split, and others do")
    return {split: named[split] for split in SPLITS if split in named}


def in_root_alone(folder: str, images: list[str]) -> bool:
    """Whether a folder of annotations belongs to the root, rather than to a set of its own one
    level below.

    It does where it lies in the root itself, in a folder named for a split, or has its images
    elsewhere.
    """
    top = folder.split("/")[0]
    if not folder or split_of(top) is not None or not images:
        return True
    return not is_below(images[0], top)


def _common_folder(folders: Iterable[str]) -> str:
    """The deepest folder that holds all of `folders`, "" for the root."""
    shared = []
    for level in zip(*(filter(None, folder.split("/")) for folder in folders)):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return "/".join(shared)
