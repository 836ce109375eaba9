"""Recognises sets with a file of labels for each image: Pascal VOC's XML and YOLO's lines of
numbers."""

from __future__ import annotations

import posixpath
import re

from stages.data.layouts.tree import Layout, Tree, by_split, common_folder, in_root_alone, is_below
from stages.errors import InputError
from stages.study.params import Source

# Files of a folder that are looked at, and bytes of each. Of YOLO's many may be empty, for images
# without objects.
_XML_FILES, _XML_BYTES = 20, 2**14
_TEXT_FILES, _TEXT_BYTES = 200, 2**12
_FILENAME = re.compile(rb"<filename>\s*([^<]+?)\s*</filename>")
# Where voc.read looks for the files that a list names, and the lists of the devkit.
_ANNOTATIONS, _IMAGE_SETS = "Annotations", "ImageSets/Main"
_LISTS = {"train": ("train", "trainval", "default"), "val": ("val",), "test": ("test",)}
# Lists that lie beside YOLO's labels.
_NO_LABELS = {"classes", "labels", "train", "valid", "val", "test", "readme"}


def voc(tree: Tree) -> Layout | None:
    """Folders of XML files, beside their images or in a tree of their own."""
    folders: dict[str, str | None] = {}
    examples = []
    for folder in tree.files:
        stems = _xml_stems(tree, folder)
        if not stems:
            continue
        images = tree.stem_folder(stems, folder)
        if images is None:
            images = tree.image_folder(_file_names(tree, folder), folder)
        if in_root_alone(folder, images):
            folders[folder] = images
            if images is None:
                examples += stems[:5]
    if not folders:
        return None
    notes: list[str] = []
    lists = _lists(tree)
    if lists and _ANNOTATIONS in folders:
        images = folders[_ANNOTATIONS] or ""
        sets = {split: Source(name, images) for split, name in lists.items()}
    else:
        sets = _sources(tree, folders, notes)
    return Layout("voc", sets, not examples, examples, stems=True, notes=notes)


def yolo(tree: Tree) -> Layout | None:
    """Folders of text files, a line of numbers per box, whose names are those of images."""
    folders: dict[str, str | None] = {}
    examples = []
    named = _has_class_names(tree)
    for folder in tree.files:
        stems = _label_stems(tree, folder)
        if not stems:
            continue
        images = tree.stem_folder(stems, folder)
        # Without images and names a table of numbers may be anything.
        if images is None and not named:
            continue
        if named or in_root_alone(folder, images):
            folders[folder] = images
            if images is None:
                examples += stems[:5]
    if not folders:
        return None
    notes: list[str] = []
    sets = {}
    for split, source in _sources(tree, folders, notes).items():
        # yolo.read takes "" for no folder at all.
        sets[split] = Source(source.annotations, source.images or ".")
    return Layout("yolo", sets, not examples, examples, stems=True, notes=notes)


def check_class_names(tree: Tree) -> None:
    """Raises InputError where the names of YOLO's classes lie in a file that yolo.read does not
    look at."""
    if _has_class_names(tree):
        return
    for path in (*tree.paths(".names"), *tree.paths(".txt")):
        if path.endswith((".names", "/classes.txt")):
            raise InputError(
                f"{tree.root}: the names of the classes lie in {path}, where prepare does not "
                f"look; copy them: cp '{tree.root / path}' '{tree.root / 'classes.txt'}'"
            )


def _has_class_names(tree: Tree) -> bool:
    """Whether the root has a file that yolo.read takes the names of the classes from."""
    is_listed = "classes.txt" in tree.files.get("", ())
    return is_listed or bool(tree.names("", ".yaml", ".yml", ".names"))


def _sources(tree: Tree, folders: dict[str, str | None], notes: list[str]) -> dict[str, Source]:
    """A source for each split. folders: of annotations -> of their images. Raises InputError where
    a split is not one folder."""
    splits = by_split(folders, notes)
    sets = {}
    for split, own in splits.items():
        top = common_folder(own)
        for name, elsewhere in splits.items():
            if name != split and any(is_below(folder, top) for folder in elsewhere):
                raise InputError(
                    f"{tree.root}: the labels of {split} lie in {' and '.join(own)}; put them into "
                    "one folder, and their images likewise"
                )
        images = [folders[folder] for folder in own if folders[folder] is not None]
        sets[split] = Source(top or ".", common_folder(images))
    return sets


def _xml_stems(tree: Tree, folder: str) -> list[str]:
    """Names without a suffix of XML files that are VOC's; [] where the first ones are not.

    LabelMe's XML has the same outermost element, and polygons in place of boxes.
    """
    stems = []
    for name in tree.names(folder, ".xml")[:_XML_FILES]:
        text = tree.beginning(posixpath.join(folder, name), _XML_BYTES)
        has_boxes = b"<polygon>" not in text or b"<bndbox>" in text
        if has_boxes and re.search(rb"<annotation[\s>]", text):
            stems.append(posixpath.splitext(name)[0])
    return stems


def _file_names(tree: Tree, folder: str) -> list[str]:
    names = []
    for name in tree.names(folder, ".xml")[:_XML_FILES]:
        match = _FILENAME.search(tree.beginning(posixpath.join(folder, name), _XML_BYTES))
        if match:
            names.append(match[1].decode(errors="replace"))
    return names


def _lists(tree: Tree) -> dict[str, str]:
    """The devkit's lists by split; {} where there is none for training."""
    lists = {}
    for split, names in _LISTS.items():
        for name in names:
            if f"{name}.txt" in tree.files.get(_IMAGE_SETS, ()):
                lists.setdefault(split, f"{_IMAGE_SETS}/{name}.txt")
    return lists if "train" in lists else {}


def _label_stems(tree: Tree, folder: str) -> list[str]:
    """Names without a suffix of YOLO's label files; [] where none of them has a line of numbers."""
    stems = []
    has_boxes = False
    for name in tree.names(folder, ".txt")[:_TEXT_FILES]:
        stem = posixpath.splitext(name)[0]
        if stem.lower() in _NO_LABELS:
            continue
        text = tree.beginning(posixpath.join(folder, name), _TEXT_BYTES)
        if text.strip() and not _is_label(text):
            continue
        has_boxes = has_boxes or bool(text.strip())
        stems.append(stem)
    return stems if has_boxes else []


def _is_label(text: bytes) -> bool:
    """A whole number of a class, and four numbers or more."""
    words = text.split(b"\n", 1)[0].split()
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return False
    return len(numbers) >= 5 and numbers[0] >= 0 and numbers[0].is_integer()
