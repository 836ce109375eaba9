"""Recognises Pascal VOC: folders of XML files, beside their images or in a tree of their own."""

from __future__ import annotations

import posixpath
import re

from stages.data.layouts.layout import Layout, in_root_alone
from stages.data.layouts.tree import Tree, common_folder, is_below, split_of
from stages.errors import InputError
from stages.study.params import Source

# XML files of a folder that are looked at, and bytes of each.
_FILES, _BYTES = 20, 2**14
_FILENAME = re.compile(rb"<filename>\s*([^<]+?)\s*</filename>")
# Where voc.read looks for the files that a list names.
_ANNOTATIONS = "Annotations"
_LISTS = {"train": ("train", "trainval", "default"), "val": ("val",), "test": ("test",)}


def recognise(tree: Tree) -> Layout | None:
    folders = {}
    examples = []
    for folder in tree.files:
        stems = _stems(tree, folder)
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
    has_images = not examples
    lists = _lists(tree)
    if lists and _ANNOTATIONS in folders:
        images = folders[_ANNOTATIONS] or ""
        sets = {split: Source(name, images) for split, name in lists.items()}
        return Layout("voc", sets, has_images, examples, stems=True)
    sets, notes = sets_of(tree, folders)
    return Layout("voc", sets, has_images, examples, stems=True, notes=notes)


def sets_of(tree: Tree, folders: dict[str, str | None]) -> tuple[dict[str, Source], list[str]]:
    """A source for each split that the paths of `folders` (of annotations -> of their images) name;
    one is for train where none is called so; and what is left out. Raises InputError where a split
    is not one folder."""
    splits: dict[str, list[str]] = {}
    for folder in folders:
        splits.setdefault(split_of(folder) or "", []).append(folder)
    notes = []
    if "train" in splits:
        for folder in splits.pop("", []):
            notes.append(f"{folder or '.'} is left out: its name says no split, and others do")
    else:
        # As FiftyOne does, whose only split is called val where nobody says another.
        splits["train"] = splits.pop(
            next(split for split in ("", "val", "test") if split in splits)
        )
    sets = {}
    for split in ("train", "val", "test"):
        if split in splits:
            top = _common_top(tree, split, splits)
            images = [folders[folder] for folder in splits[split] if folders[folder] is not None]
            sets[split] = Source(top or ".", common_folder(images))
    return sets, notes


def _common_top(tree: Tree, split: str, splits: dict[str, list[str]]) -> str:
    """The folder that holds all folders of a split. Raises InputError where it holds one of another
    split too."""
    top = common_folder(splits[split])
    for name, folders in splits.items():
        if name != split and any(is_below(folder, top) for folder in folders):
            raise InputError(
                f"{tree.root}: the labels of {split} lie in {' and '.join(splits[split])}; put "
                "them into one folder, and their images likewise"
            )
    return top


def _stems(tree: Tree, folder: str) -> list[str]:
    """Names without a suffix of XML files that are VOC's; [] where the first ones are not."""
    stems = []
    for name in tree.names(folder, ".xml")[:_FILES]:
        text = tree.beginning(posixpath.join(folder, name), _BYTES)
        if is_voc(text):
            stems.append(posixpath.splitext(name)[0])
    return stems


def _file_names(tree: Tree, folder: str) -> list[str]:
    names = []
    for name in tree.names(folder, ".xml")[:_FILES]:
        match = _FILENAME.search(tree.beginning(posixpath.join(folder, name), _BYTES))
        if match:
            names.append(match[1].decode(errors="replace"))
    return names


def is_voc(text: bytes) -> bool:
    """By the beginning of an XML file. LabelMe's has the same outermost element, and polygons in
    place of boxes."""
    return re.search(rb"<annotation[\s>]", text) is not None and (
        b"<polygon>" not in text or b"<bndbox>" in text
    )


def _lists(tree: Tree) -> dict[str, str]:
    """ImageSets/Main of the devkit, where it has a list for training."""
    lists = {}
    for split, names in _LISTS.items():
        for name in names:
            if f"{name}.txt" in tree.files.get("ImageSets/Main", ()):
                lists.setdefault(split, f"ImageSets/Main/{name}.txt")
    return lists if "train" in lists else {}
