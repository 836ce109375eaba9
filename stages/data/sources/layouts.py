"""Recognises Pascal VOC and YOLO, which have a file of labels for each image, by what their files
hold, by where their names lead, and by what the YAML file of a YOLO set says of its splits."""

from __future__ import annotations

import codecs
import posixpath
import re
import shlex
from typing import NamedTuple

from stages.data.disk import IMAGE_SUFFIXES, Tree, stem_of, suffix
from stages.data.sources.image_folders import (
    LabelFiles,
    Layout,
    image_folders,
    in_root_alone,
    is_below,
    left_out,
    only,
    split_sources,
    stem_folders,
)
from stages.data.sources.yolo_names import yaml_contents
from stages.errors import InputError
from stages.study.params import Source

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
# What the YAML file of a YOLO set calls its splits.
_KEYS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
# Lists that lie beside YOLO's labels.
_NO_LABELS = {"classes", "labels", "train", "valid", "val", "test", "readme"}


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
            notes.append(left_out(folder))
    if not folders:
        return None
    lists: dict[str, Source] = {}
    for split, names in _LISTS.items():
        for name in names:
            if f"{name}.txt" in tree.files.get(_IMAGE_SETS, ()) and _ANNOTATIONS in folders:
                images = only(tree, "voc", _ANNOTATIONS, folders[_ANNOTATIONS]) or ""
                lists.setdefault(split, Source(f"{_IMAGE_SETS}/{name}.txt", images))
    sets = lists if "train" in lists else split_sources(tree, "voc", folders, notes)
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
    for split, source in split_sources(tree, "yolo", folders, notes).items():
        # read_yolo takes "" for no folder at all.
        sets[split] = Source(source.annotations, source.images or ".")
    sets = _follow_yaml(tree, folders, sets, notes)
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


def _follow_yaml(
    tree: Tree, folders: dict[str, list[str]], sets: dict[str, Source], notes: list[str]
) -> dict[str, Source]:
    """`sets`, which the names of folders have given, as the YAML file has them, where it names
    folders of the set; where it does not, a line says so: somebody has chosen them. folders: of
    labels -> of their images."""
    file, named = _named_splits(tree)
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
            source, reason = _followed(folders, places, followed)
        if source:
            followed[split] = source
            # Of the lines on folders whose names say no split, those on labels that are read now.
            for folder in folders:
                if is_below(folder, source.annotations.removeprefix(".")):
                    notes[:] = [note for note in notes if note != left_out(folder)]
        elif reason:
            notes.append(f"{file}: {split}: {', '.join(entries)} is not followed: {reason}")
    if "train" not in followed:
        return sets
    kept = {}
    for split, source in sets.items():
        if split not in followed and not _overlaps(source, followed):
            kept[split] = source
    return {**kept, **followed}


def _named_splits(tree: Tree) -> tuple[str, dict[str, list[str]]]:
    """The YAML file that the names of the classes are taken from, and what it says of each
    split."""
    for path, content in yaml_contents(tree.root):
        if not tree.is_inside(path.name):
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


def _followed(
    folders: dict[str, list[str]], places: list[str], earlier: dict[str, Source]
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
    top = posixpath.commonpath(labels)
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
