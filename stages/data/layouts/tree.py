"""The names of all files below a folder, the folder from which the names in annotations lead to
them, and the splits that a recogniser makes of them."""

from __future__ import annotations

import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from stages.data.disk import IMAGE_SUFFIXES, boundary, form, is_file
from stages.study.params import Source
from stages.study.paths import SPLITS

_SPLITS = {
    "train": ("train", "training", "trainval"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
_SPLIT_OF_WORD: dict[str, str] = {}
for _split, _words in _SPLITS.items():
    _SPLIT_OF_WORD.update(dict.fromkeys(_words, _split))


@dataclass
class Tree:
    """files: the names in each folder, sorted, by the folder's path from `root` with '/'. links:
    folders that are links out of `root`; nobody walks into them."""

    root: Path
    files: dict[str, list[str]] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)

    def below(self, folder: str) -> Tree:
        """The part of it in `folder`."""
        part = Tree(self.root / folder)
        start = f"{folder}/"
        for path, names in self.files.items():
            if path == folder or path.startswith(start):
                part.files[path[len(start) :]] = names
        part.links = [path[len(start) :] for path in self.links if path.startswith(start)]
        return part

    def names(self, folder: str, *suffixes: str) -> list[str]:
        return [name for name in self.files.get(folder, ()) if suffix(name) in suffixes]

    def paths(self, *suffixes: str) -> Iterator[str]:
        for folder, names in self.files.items():
            for name in names:
                if suffix(name) in suffixes:
                    yield posixpath.join(folder, name)

    def beginning(self, path: str, size: int) -> bytes:
        """The first bytes of a file, b"" where it cannot be read or is a link that leads out of the
        set."""
        try:
            if not self.is_inside(path):
                return b""
            with (self.root / path).open("rb") as file:
                return file.read(size)
        except OSError:
            return b""

    def is_inside(self, path: str) -> bool:
        """Whether a path is a file of the set: no link that leads out of it, no pipe that would be
        waited for."""
        file = self.root / path
        return is_file(file) and boundary(self.root).holds(os.path.realpath(file))

    @cached_property
    def has_images(self) -> bool:
        return next(self.paths(*IMAGE_SUFFIXES), None) is not None

    @cached_property
    def images(self) -> dict[str, list[str]]:
        """Paths of image files by their last name, regardless of case and Unicode form."""
        index: dict[str, list[str]] = {}
        for path in self.paths(*IMAGE_SUFFIXES):
            index.setdefault(form(posixpath.basename(path)), []).append(path)
        return index

    @cached_property
    def stems(self) -> dict[str, list[str]]:
        """Folders that hold an image of this name without its suffix."""
        index: dict[str, list[str]] = {}
        for folder, names in self.files.items():
            for name in names:
                if suffix(name) in IMAGE_SUFFIXES:
                    index.setdefault(posixpath.splitext(name)[0], []).append(folder)
        return index

    def image_folder(self, names: Iterable[str], near: str = "") -> str | None:
        """The folder from which most of `names` lead to image files; None where none of them does.

        near: the folder of the annotations, which decides where several folders have the same
        names.
        """
        votes: Counter[str] = Counter()
        for name in names:
            short = posixpath.normpath(name.replace("\\", "/"))
            votes.update(self._starts(short))
        return elected(votes, near)

    def stem_folder(self, stems: Iterable[str], near: str = "") -> str | None:
        """As image_folder, for names without a suffix, which may start with a folder of their
        own."""
        votes: Counter[str] = Counter()
        for name in stems:
            folder, stem = posixpath.split(name)
            for place in self.stems.get(stem, ()):
                votes[_without_end(place, folder)] += 1
            for link in self.links:
                if _has_image(self.root / link, name):
                    votes[link] += 1
        return elected(votes, near)

    def _starts(self, name: str) -> Iterator[str]:
        end = form(f"/{name}")
        for path in self.images.get(form(posixpath.basename(name)), ()):
            whole = f"/{path}"
            if form(whole).endswith(end):
                # Both have the same number of parts at their end, however long these are in either
                # form.
                yield "/".join(path.split("/")[: -len(name.split("/"))])
        for link in self.links:
            if is_file(self.root / link / name):
                yield link


def walk(root: Path, folders: int | None = None, depth: int | None = None) -> Tree:
    """Reads the names below `root`; opens no file. folders, depth: where to end a walk that may be
    too long."""
    tree = Tree(root)
    top = os.path.realpath(root)
    for place, inner, names in os.walk(root):
        folder = Path(place).relative_to(root).as_posix()
        level = folder.count("/") + 1
        if folder == ".":
            folder, level = "", 0
        tree.files[folder] = sorted(names)
        followed = []
        for name in sorted(inner):
            path = Path(place, name)
            if name.startswith(".") or name == "__MACOSX":
                continue
            if not path.is_symlink():
                followed.append(name)
            elif not Path(os.path.realpath(path)).is_relative_to(top):
                tree.links.append(posixpath.join(folder, name))
        if depth is not None and level >= depth:
            followed = []
        if folders is not None and len(tree.files) >= folders:
            break
        inner[:] = followed
    return tree


def _without_end(folder: str, end: str) -> str:
    """`folder` without the folders `end`, where it ends in these."""
    whole = f"/{folder}"
    if not end or not whole.endswith(f"/{end}"):
        return folder
    return whole.removesuffix(f"/{end}").strip("/")


def _has_image(folder: Path, stem: str) -> bool:
    return any((folder / f"{stem}{ending}").is_file() for ending in (".jpg", ".jpeg", ".png"))


def elected(votes: Counter[str], near: str) -> str | None:
    """The folder with most votes. Of several: `near` itself, one in it, one of its split, the
    shortest."""
    if not votes:
        return None

    def rank(folder: str) -> tuple:
        inside = bool(near) and is_below(folder, near)
        same = split_of(folder) is not None and split_of(folder) == split_of(near)
        return (votes[folder], folder == near, inside, same, -len(folder), folder)

    return max(votes, key=rank)


def split_of(path: str) -> str | None:
    """The split that a path speaks of, its last part first: annotations/instances_Train2017.json is
    train."""
    for part in reversed(path.split("/")):
        for word in re.findall(r"[a-z]+", part.casefold()):
            if word in _SPLIT_OF_WORD:
                return _SPLIT_OF_WORD[word]
    return None


def suffix(name: str) -> str:
    return posixpath.splitext(name)[1].lower()


def common_folder(folders: Iterable[str]) -> str:
    """The deepest folder that holds all of `folders`, "" for the root."""
    parts = [list(filter(None, folder.split("/"))) for folder in folders]
    shared = []
    for level in zip(*parts):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return "/".join(shared)


def is_below(folder: str, top: str) -> bool:
    """Whether `folder` is `top` or lies in it; "" is the root."""
    return not top or folder == top or folder.startswith(f"{top}/")


@dataclass
class Layout:
    """images: whether the first names of all splits lead to a file. examples: some of the names, to
    look for them elsewhere, without a suffix where `stems`. notes: what somebody may have expected
    to be read and is not."""

    source: str
    sets: dict[str, Source]
    images: bool
    examples: list[str] = field(default_factory=list)
    stems: bool = False
    notes: list[str] = field(default_factory=list)


def in_root_alone(folder: str, images: str | None) -> bool:
    """Whether a folder of annotations belongs to the root, rather than to a set of its own one
    level below.

    It does where it lies in the root itself, in a folder named for a split, or has its images
    elsewhere.
    """
    top = folder.split("/")[0]
    if not folder or split_of(top) is not None or images is None:
        return True
    return not is_below(images, top)


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
