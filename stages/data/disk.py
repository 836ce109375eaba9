"""The files of a set: which names are safe, how names are compared, what lies in its folders, and
what belongs to it."""

from __future__ import annotations

import functools
import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import filterfalse
from pathlib import Path

from stages.study.params import ROOT

# What MMDetection's default loader, OpenCV, reads.
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".tif", ".tiff"}
IMAGE_SUFFIXES |= {".webp", ".gif", ".ppm", ".pgm", ".jp2"}
# Of photographs, too, whether OpenCV reads them or not.
OTHER_SUFFIXES = {".jfif", ".pjpeg", ".heic", ".heif", ".avif", ".jxl", ".dng", ".tga", ".exr"}
# What ext4, NTFS and APFS take at most for one name, in bytes, and Linux for a path.
_LONGEST, _LONGEST_PATH = 255, 4095
# Relative, in its shortest form, of letters that every file system takes.
SIMPLE = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*")
# C:\data\a.jpg, s3://bucket/a.jpg
_ABSOLUTE = re.compile(r"[A-Za-z]:[/\\]|[A-Za-z][A-Za-z0-9+.-]+://")
# Where DVC keeps a file, within its cache: by its hash, in version 2 without the first two folders.
_OBJECT = re.compile(r"(files/md5/)?[0-9a-f]{2}/[0-9a-f]{30}")


def is_absolute(name: str) -> bool:
    """By the rules of Linux and of Windows; an address (https://, s3://) is absolute too."""
    return name.startswith(("/", "\\")) or _ABSOLUTE.match(name) is not None


def path_inside(name: str, root: Path) -> str:
    """The absolute `name` from `root`, "" where it is not in there."""
    path = Path(posixpath.normpath(name))
    for top in (root.absolute(), root.resolve()):
        if path.is_relative_to(top) and path != top:
            return path.relative_to(top).as_posix()
    return ""


def longest_name(root: Path) -> int:
    """Characters that a SIMPLE name below `root`, of any folders, may have at most."""
    return min(_LONGEST, _LONGEST_PATH - len(os.fsencode(root.absolute())) - 1)


def is_possible(name: str, root: Path) -> bool:
    """Whether a file below `root` may have this name."""
    try:
        whole = os.fsencode(root.absolute() / name)
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    if not name.strip() or len(whole) > _LONGEST_PATH:
        return False
    if max(map(len, whole.split(b"/"))) > _LONGEST:
        return False
    return "Cc" not in map(unicodedata.category, name)


def name_form(name: str) -> str:
    """What names have in common that differ by case or Unicode form alone."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def suffix(name: str) -> str:
    return posixpath.splitext(name)[1].lower()


def stem_of(path: str) -> str:
    """The last name without its suffix."""
    return posixpath.splitext(posixpath.basename(path))[0]


def is_beside(name: str) -> bool:
    """Whether a name is one of the files, ._a.jpg beside a.jpg, in which macOS keeps what other
    file systems have no place for. Their suffix is that of the file, their content is not."""
    return name.startswith("._")


def files_below(folder: Path, *suffixes: str) -> list[Path]:
    """The files of these suffixes in `folder` and below, sorted; .TXT is .txt."""
    files = []
    for file in sorted(folder.rglob("*")):
        if suffix(file.name) in suffixes and not is_beside(file.name):
            files.append(file)
    return files


def belongs(target: str, root: Path) -> bool:
    """Whether a path in which all links were followed belongs to the set below `root`."""
    path, top = Path(target), _followed(root)
    if path.is_relative_to(top):
        return True
    # A set's own config may name any folder as its cache: what DVC has put there is known by its
    # name alone.
    for cache in _caches(top):
        if path.is_relative_to(cache) and _OBJECT.fullmatch(path.relative_to(cache).as_posix()):
            return True
    return False


@functools.lru_cache(maxsize=16)
def _followed(root: Path) -> str:
    return os.path.realpath(root)


@functools.lru_cache(maxsize=16)
def _caches(top: str) -> list[str]:
    """DVC's cache folders: of the repository that the set in `top` lies in, and of this project."""
    repositories = [ROOT]
    for folder in (Path(top), *Path(top).parents):
        if (folder / ".dvc").is_dir():
            repositories.insert(0, folder)
            break
    caches = map(cache_of, repositories)
    return [os.path.realpath(cache) for cache in caches if cache]


def cache_of(repository: Path) -> str:
    """The folder of DVC's cache (`dvc config cache.dir`), "" where DVC cannot tell."""
    # DVC's config takes a quarter of a second to import, and only sets of links need it.
    from dvc.config import Config, ConfigError

    try:
        config = Config(dvc_dir=str(repository / ".dvc"))
    except (ConfigError, OSError):
        return ""
    return config.get("cache", {}).get("dir") or str(repository / ".dvc" / "cache")


def read_inside(file: Path, root: Path) -> bytes:
    """The bytes of a file. Raises OSError, and ValueError where its path leads out of the set."""
    if not belongs(os.path.realpath(file), root):
        raise ValueError("leads out of data.root")
    # A named pipe would be waited for without end.
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    return file.read_bytes()


def is_file(path: Path) -> bool:
    """False too for a name that no file system takes."""
    return os.path.isfile(path)  # noqa: PTH113


class Disk:
    """What lies in the folders under `root` that names lead into. Each is read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._entries = functools.cache(self._list)
        self._forms = functools.cache(self._by_form)
        self._real = functools.cache(lambda folder: os.path.realpath(root / folder))

    def has(self, name: str) -> bool:
        folder, last = posixpath.split(name)
        return last in self._entries(folder)

    def near(self, name: str) -> str | None:
        """The one path that differs from `name`, folders too, by case or Unicode form alone."""
        path = ""
        for part in name.split("/"):
            if part not in self._entries(path):
                alike = self._forms(path)[name_form(part)]
                # Two that differ by case only: neither is meant more than the other.
                if len(alike) != 1:
                    return None
                part = alike[0]
            path = posixpath.join(path, part)
        return path

    def outside(self, name: str) -> str:
        """Where a link leads that leaves the set, or ""."""
        folder, last = posixpath.split(name)
        target = os.path.join(self._real(folder), last)  # noqa: PTH118
        if self._entries(folder)[last]:
            target = os.path.realpath(target)
        if belongs(target, self.root):
            return ""
        return target

    def files(self, folder: str) -> list[str]:
        names = filterfalse(is_beside, self._entries(folder))
        return [posixpath.join(folder, name) for name in names]

    def _list(self, folder: str) -> dict[str, bool]:
        """The entries of a folder by name, and whether each is a link."""
        try:
            with os.scandir(self.root / folder) as entries:
                return {entry.name: entry.is_symlink() for entry in entries}
        except OSError:  # no folder, or one that may not be read
            return {}

    def _by_form(self, folder: str) -> dict[str, list[str]]:
        forms: dict[str, list[str]] = defaultdict(list)
        for name in self._entries(folder):
            forms[name_form(name)].append(name)
        return forms


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
        for folder in self.files:
            for name in self.names(folder, *suffixes):
                yield posixpath.join(folder, name)

    def beginning(self, path: str, size: int) -> bytes:
        """The first bytes of a file, b"" where it cannot be read or leads out of the set."""
        try:
            if not self.is_inside(path):
                return b""
            with (self.root / path).open("rb") as file:
                return file.read(size)
        except OSError:
            return b""

    def is_inside(self, path: str) -> bool:
        """Whether a path is a file of the set: no link out of it, no pipe to be waited for."""
        file = self.root / path
        return is_file(file) and belongs(os.path.realpath(file), self.root)

    @functools.cached_property
    def images(self) -> dict[str, list[str]]:
        """Paths of image files by their last name, regardless of case and Unicode form."""
        return self._images_by(lambda path: name_form(posixpath.basename(path)))

    @functools.cached_property
    def stems(self) -> dict[str, list[str]]:
        """Paths of image files by their last name without its suffix."""
        return self._images_by(stem_of)

    def _images_by(self, key: Callable[[str], str]) -> dict[str, list[str]]:
        index: dict[str, list[str]] = {}
        for path in self.paths(*IMAGE_SUFFIXES):
            index.setdefault(key(path), []).append(path)
        return index


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
        tree.files[folder] = sorted(name for name in names if not is_beside(name))
        if folders is not None and len(tree.files) >= folders:
            break
        followed = []
        for name in sorted(inner):
            path = Path(place, name)
            if name.startswith(".") or name == "__MACOSX":
                continue
            if not path.is_symlink():
                followed.append(name)
            elif not Path(os.path.realpath(path)).is_relative_to(top):
                tree.links.append(posixpath.join(folder, name))
        inner[:] = followed
        if depth is not None and level >= depth:
            inner.clear()
    return tree
