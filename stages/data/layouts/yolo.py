"""Recognises YOLO: folders of text files, a line of numbers per box, whose names are those of
images."""

from __future__ import annotations

import posixpath

from stages.data.layouts.layout import Layout, in_root_alone
from stages.data.layouts.tree import Tree
from stages.data.layouts.voc import sets_of
from stages.errors import InputError
from stages.study.params import Source

# Text files of a folder that are looked at; many may be empty, for images without objects.
_FILES, _BYTES = 200, 2**12
# Lists that lie beside labels.
_NO_LABELS = (
    "classes.txt",
    "labels.txt",
    "train.txt",
    "valid.txt",
    "val.txt",
    "test.txt",
    "readme.txt",
)


def recognise(tree: Tree) -> Layout | None:
    folders: dict[str, str | None] = {}
    examples = []
    named = has_class_names(tree)
    for folder in tree.files:
        stems = label_stems(tree, folder)
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
    sets, notes = sets_of(tree, folders)
    # yolo.read takes "" for no folder at all.
    sets = {
        split: Source(source.annotations, source.images or ".") for split, source in sets.items()
    }
    return Layout("yolo", sets, not examples, examples, True, notes)


def has_class_names(tree: Tree) -> bool:
    """Whether the root has a file that yolo.read takes the names of the classes from."""
    return bool(tree.names("", ".yaml", ".yml", ".names")) or "classes.txt" in tree.files.get(
        "", ()
    )


def check_class_names(tree: Tree) -> None:
    """Raises InputError where the names lie in a file that yolo.read does not look at."""
    if has_class_names(tree):
        return
    for path in (*tree.paths(".names"), *tree.paths(".txt")):
        if path.endswith((".names", "/classes.txt")):
            raise InputError(
                f"{tree.root}: the names of the classes lie in {path}, where prepare does not "
                f"look; copy them: cp '{tree.root / path}' '{tree.root / 'classes.txt'}'"
            )


def label_stems(tree: Tree, folder: str) -> list[str]:
    """Names without a suffix of label files; [] where none of them has a line of numbers."""
    stems = []
    has_boxes = False
    for name in tree.names(folder, ".txt")[:_FILES]:
        if name.lower() in _NO_LABELS:
            continue
        text = tree.beginning(posixpath.join(folder, name), _BYTES)
        if text.strip() and not _is_label(text):
            continue
        has_boxes = has_boxes or bool(text.strip())
        stems.append(posixpath.splitext(name)[0])
    if not has_boxes:
        return []
    return stems


def _is_label(text: bytes) -> bool:
    """A whole number of a class, and four numbers or more."""
    words = text.split(b"\n", 1)[0].split()
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return False
    return len(numbers) >= 5 and numbers[0] >= 0 and numbers[0].is_integer()
