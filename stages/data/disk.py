"""The files of a set: which names are safe, how names are compared, what lies in its folders, and
what belongs to it."""

from __future__ import annotations

import functools
import os
import posixpath
import re
import unicodedata
from pathlib import Path

from stages.study.params import ROOT

# What MMDetection's default loader, OpenCV, reads.
IMAGE_SUFFIXES = {
    ".jpg",
    ".jpeg",
    ".jpe",
    ".png",
    ".bmp",
    ".tif",
    ".tiff",
    ".webp",
    ".gif",
    ".ppm",
    ".pgm",
    ".jp2",
}
# What ext4, NTFS and APFS take at most for one name, in bytes, and Linux for a path.
_LONGEST, _LONGEST_PATH = 255, 4095
# Nothing is to be said of such a name: relative, in its shortest form, of letters that every file
# system takes.
SIMPLE = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*")
# C:\data\a.jpg, s3://bucket/a.jpg
_ABSOLUTE = re.compile(r"[A-Za-z]:[/\\]|[A-Za-z][A-Za-z0-9+.-]+://")
# Where DVC keeps a file, within its cache: by its hash, in version 2 without the first two folders.
_OBJECT = re.compile(r"(files/md5/)?[0-9a-f]{2}/[0-9a-f]{30}")


def is_absolute(name: str) -> bool:
    """By the rules of Linux and of Windows; an address (https://, s3://) is absolute too."""
    return name.startswith(("/", "\\")) or _ABSOLUTE.match(name) is not None


def inside(name: str, root: Path) -> str:
    """The absolute `name` from `root`, "" where it is not in there."""
    path = Path(posixpath.normpath(name))
    for top in (root.absolute(), root.resolve()):
        if path.is_relative_to(top) and path != top:
            return path.relative_to(top).as_posix()
    return ""


def longest_name(root: Path) -> int:
    """Characters that a SIMPLE name below `root` may have at most, however many folders it
    names."""
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


def form(name: str) -> str:
    """What names have in common that differ by case or Unicode form alone."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


class Boundary:
    """What belongs to the set below `root`. `top` is the root with all links followed."""

    def __init__(self, root: Path) -> None:
        self.root, self.top = root, os.path.realpath(root)

    def holds(self, target: str) -> bool:
        """Whether a path in which all links were followed belongs to the set."""
        if Path(target).is_relative_to(self.top):
            return True
        # A set's own config may name any folder as its cache: what DVC has put there is known by
        # its name alone.
        for cache in self._caches:
            path = Path(target)
            if path.is_relative_to(cache) and _OBJECT.fullmatch(path.relative_to(cache).as_posix()):
                return True
        return False

    @functools.cached_property
    def _caches(self) -> list[str]:
        """DVC's cache folders: of the repository that the set lies in, and of this project."""
        repositories = [ROOT]
        for folder in (Path(self.top), *Path(self.top).parents):
            if (folder / ".dvc").is_dir():
                repositories.insert(0, folder)
                break
        caches = map(cache_of, repositories)
        return [os.path.realpath(cache) for cache in caches if cache]


@functools.lru_cache(maxsize=16)
def boundary(root: Path) -> Boundary:
    return Boundary(root)


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
    """The bytes of a label file. Raises OSError, and ValueError where a link or ".." leads out of
    the set."""
    if not boundary(root).holds(os.path.realpath(file)):
        raise ValueError("leads out of data.root")
    # A named pipe would be waited for without end.
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    return file.read_bytes()


def is_file(path: Path) -> bool:
    """False too for a name that no file system takes."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


class Disk:
    """What lies in the folders under `root` that names lead into. Each is read once."""

    def __init__(self, root: Path) -> None:
        self.root, self.boundary = root, boundary(root)
        # Of a folder: its entries by name, and whether each is a link.
        self._listed: dict[str, dict[str, bool]] = {}
        self._real: dict[str, str] = {}
        self._forms: dict[str, dict[str, list[str]]] = {}

    def has(self, name: str) -> bool:
        folder, last = posixpath.split(name)
        return last in self._list(folder)

    def near(self, name: str) -> str | None:
        """The one path that differs from `name` by case or Unicode form alone, in its folders
        too."""
        path = ""
        for part in name.split("/"):
            if part not in self._list(path):
                alike = self._alike(path, part)
                # Two that differ by case only: neither is meant more than the other.
                if len(alike) != 1:
                    return None
                part = alike[0]
            path = posixpath.join(path, part)
        return path

    def outside(self, name: str) -> str:
        """Where a link leads that leaves the set, or ""."""
        folder, last = posixpath.split(name)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(self.root / folder)
        target = os.path.join(self._real[folder], last)  # noqa: PTH118
        if self._list(folder)[last]:
            target = os.path.realpath(target)
        if self.boundary.holds(target):
            return ""
        return target

    def files(self, folder: str) -> list[str]:
        return [posixpath.join(folder, name) for name in self._list(folder)]

    def _alike(self, folder: str, name: str) -> list[str]:
        """Names in a folder that have the form of `name`."""
        if folder not in self._forms:
            forms: dict[str, list[str]] = {}
            for entry in self._list(folder):
                forms.setdefault(form(entry), []).append(entry)
            self._forms[folder] = forms
        return self._forms[folder].get(form(name), [])

    def _list(self, folder: str) -> dict[str, bool]:
        if folder not in self._listed:
            try:
                with os.scandir(self.root / folder) as entries:
                    self._listed[folder] = {entry.name: entry.is_symlink() for entry in entries}
            except OSError:  # no folder, or one that may not be read
                self._listed[folder] = {}
        return self._listed[folder]
