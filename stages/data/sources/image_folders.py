"""Finds the folder of the images that labels name, and which split it is of. Of several that have
images of the same names one is meant: labels on the images of another folder would be wrong without
a word."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from stages.data.disk import Tree, is_file, name_form, suffix
from stages.data.probe import probe_file
from stages.errors import InputError
from stages.study.params import Source
from stages.study.paths import SPLITS

_WORDS = {
    "train": ("train", "training", "trainval"),
    "val": ("val", "valid", "validation", "validierung", "dev"),
    "test": ("test", "testing"),
}
# trainAnnotations.json, testset, Trainingsdaten
_JOINED = re.compile("(.+?)s?(?:annotations?|labels?|data|daten|set|images?|imgs?|instances?)")
# Folders of the same place in two trees: labels/a and images/a, Annotations and JPEGImages.
_LABELS = {"label", "labels", "annotation", "annotations", "xml", "xmls", "txt"}
_IMAGES = {"image", "images", "img", "imgs", "jpegimages"}
# Images of each folder that are opened to decide, and the share of the most names that a folder
# must have to be one of several that may be meant.
_OPENED, _MANY = 8, 0.75


@dataclass
class LabelFiles:
    """A file or a folder of labels: where it lies, and what it says of its images, by their names:
    width and height, and the suffix of the file."""

    path: str
    sizes: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    suffixes: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Layout:
    """lost: some of the names of images that lead to no file, to look for them elsewhere, without a
    suffix where `stems`. notes: what somebody may have expected to be read and is not."""

    source: str
    sets: dict[str, Source]
    lost: list[str] = field(default_factory=list)
    stems: bool = False
    notes: list[str] = field(default_factory=list)


def split_of(path: str) -> str | None:
    """The split that a path names, its last part first: train for a/instances_Train2017.json."""
    for part in reversed(path.split("/")):
        for word in re.findall(r"[a-z]+", part.casefold()):
            joined = _JOINED.fullmatch(word)
            for split, words in _WORDS.items():
                if word in words or (joined and joined[1] in words):
                    return split
    return None


def is_below(folder: str, top: str) -> bool:
    """Whether `folder` is `top` or lies in it; "" is the root."""
    return not top or folder == top or folder.startswith(f"{top}/")


def image_folders(tree: Tree, names: Iterable[str], labels: LabelFiles) -> list[str]:
    """The folder from which most of `names` lead to image files; several where nothing tells which
    is meant, [] where no name leads to a file."""
    images: dict[str, dict[str, str]] = {}
    for name in names:
        short = posixpath.normpath(name.replace("\\", "/"))
        end = name_form(f"/{short}")
        for path in tree.images.get(name_form(posixpath.basename(short)), ()):
            if name_form(f"/{path}").endswith(end):
                # Both have as many parts at their end, however long these are in either form.
                folder = "/".join(path.split("/")[: -len(short.split("/"))])
                images.setdefault(folder, {})[name] = path
        for link in tree.links:
            if is_file(tree.root / link / short):
                images.setdefault(link, {})[name] = posixpath.join(link, short)
    return _meant(tree, images, labels)


def stem_folders(tree: Tree, stems: Iterable[str], labels: LabelFiles) -> list[str]:
    """As image_folders, for last names without a suffix."""
    images: dict[str, dict[str, str]] = {}
    for stem in stems:
        for path in tree.stems.get(stem, ()):
            paths = images.setdefault(posixpath.dirname(path), {})
            # Of several suffixes the one that the labels name.
            if suffix(path) == labels.suffixes.get(stem):
                paths[stem] = path
            paths.setdefault(stem, path)
        for link in tree.links:
            for end in (".jpg", ".jpeg", ".png"):
                path = posixpath.join(link, stem + end)
                if is_file(tree.root / path):
                    images.setdefault(link, {}).setdefault(stem, path)
    return _meant(tree, images, labels)


def only(tree: Tree, source: str, labels: str, folders: list[str]) -> str | None:
    """The one of `folders`, None where there is none. Raises InputError for several, with what
    params.yaml must say."""
    if len(folders) > 1:
        split = split_of(labels) or "train"
        places = " and in ".join(folder or "." for folder in folders)
        likely = next((folder for folder in folders if split_of(folder) == split), folders[0])
        raise InputError(
            f"{tree.root}: images of the names in {labels or '.'} lie in {places}, and nothing "
            "tells which are meant; move the others out of the set, or name them in params.yaml, "
            f"under data: source: {source}, root: {tree.root}, {split}: {{annotations: "
            f"{labels or '.'}, images: {likely or '.'}}}, if it is these"
        )
    return next(iter(folders), None)


def _meant(tree: Tree, images: dict[str, dict[str, str]], labels: LabelFiles) -> list[str]:
    """images: folder -> name -> path. The shortest first, where several hold the same files."""
    most = max(map(len, images.values()), default=0)
    folders = [folder for folder in images if len(images[folder]) >= _MANY * most]
    folders.sort(key=lambda folder: (len(folder), folder))
    near = labels.path
    if near not in tree.files:
        near = posixpath.dirname(near)
    place = _place(near)
    split = split_of(labels.path)
    # Each decides where some of the folders fulfil it and others do not. Most certain first.
    tests: list[Callable[[str], bool]] = [
        lambda folder: split_of(folder) == split,
        lambda folder: folder == near,
        lambda folder: near != "" and is_below(folder, near),
        lambda folder: _agree(labels.sizes, images[folder], partial(_sides, tree)),
        lambda folder: _agree(labels.suffixes, images[folder], suffix),
        lambda folder: place != near and is_below(_place(folder), place),
        lambda folder: posixpath.dirname(folder) == near and _place(folder) != folder,
        lambda folder: not _IMAGES.isdisjoint(folder.casefold().split("/")),
        lambda folder: len(images[folder]) == most,
    ]
    if split is None:
        del tests[0]
    for test in tests:
        if len(folders) > 1:
            folders = list(filter(test, folders)) or folders
    if len(folders) > 1 and _are_copies(tree, [images[folder] for folder in folders]):
        return folders[:1]
    return folders


def _place(folder: str) -> str:
    """What a folder of labels and that of their images have in common."""
    parts = []
    for part in folder.split("/"):
        is_either = part.casefold() in _LABELS | _IMAGES
        parts.append("*" if is_either else part)
    return "/".join(parts)


def _sides(tree: Tree, path: str) -> tuple[float, float] | None:
    """The smaller side and the larger, as EXIF may turn the image; None for no image."""
    if not tree.is_inside(path):
        return None
    probe = probe_file(tree.root, False, path)
    return min(probe.width, probe.height), max(probe.width, probe.height)


def _agree(
    said: Mapping[str, object], paths: dict[str, str], read: Callable[[str], object]
) -> bool:
    """Whether most of the images are as the labels say."""
    names = [name for name in paths if name in said][:_OPENED]
    agreed = [name for name in names if read(paths[name]) == said[name]]
    return len(agreed) > len(names) / 2


def _are_copies(tree: Tree, folders: list[dict[str, str]]) -> bool:
    """Whether the first images of each folder have the same bytes in all."""
    for name in list(folders[0])[:_OPENED]:
        digests = set()
        for paths in folders:
            path = paths.get(name, "")
            if not path or not tree.is_inside(path):
                return False
            digests.add(probe_file(tree.root, False, path).digest)
        if len(digests) > 1:
            return False
    return True


def split_sources(
    tree: Tree, source: str, folders: dict[str, list[str]], notes: list[str]
) -> dict[str, Source]:
    """folders: of annotations -> of images. Raises InputError where a split is not one folder, or
    the folder of its images cannot be told."""
    splits = by_split(folders, notes)
    sets = {}
    for split, own in splits.items():
        top = posixpath.commonpath(own)
        for name, elsewhere in splits.items():
            if name != split and any(is_below(folder, top) for folder in elsewhere):
                raise InputError(
                    f"{tree.root}: the labels of {split} lie in {' and '.join(own)}; put them into "
                    "one folder, and their images likewise"
                )
        images = [only(tree, source, folder, folders[folder]) for folder in own]
        sets[split] = Source(top or ".", posixpath.commonpath([*filter(None, images)] or [""]))
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
        notes.append(left_out(path))
    return {split: named[split] for split in SPLITS if split in named}


def left_out(path: str) -> str:
    return f"{path or '.'} is left out: its name says no split, and others do"


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
