"""Finds the image that a VOC file labels: people rename files and move folders, and <filename>
stays as it was."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stages.data.disk import IMAGE_SUFFIXES, form


@dataclass(frozen=True)
class Match:
    """name: the image, from the folder of images. code: what is to be reported of <filename>, or
    ""."""

    name: str
    code: str = ""


class VocImages:
    """The image files under one folder."""

    def __init__(self, folder: Path) -> None:
        self._names: set[str] = set()
        self._by_path: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        for file in sorted(folder.rglob("*")):
            if file.suffix.lower() in IMAGE_SUFFIXES:
                name = PurePosixPath(file.relative_to(folder).as_posix())
                self._names.add(str(name))
                self._by_path.setdefault(str(name.with_suffix("")), []).append(str(name))
                self._by_stem.setdefault(name.stem, []).append(str(name))

    def match(self, file: Path, annotations: Path, filename: str, trusted: bool) -> Match:
        """file: the XML file, in the folder `annotations`. filename: what <filename> says, or "".

        MMDetection and most other readers go by the XML's own name, so an image of that name comes
        first; with `trusted`, an image of another name that <filename> gives comes before it.
        """
        last = re.split(r"[/\\]", filename)[-1]
        own = self._own(file, annotations, last)
        named = self._named(filename, last)
        if own is None:
            return self._without_own(file, filename, last, named)
        # Case, Unicode form and backslashes alone are for the check of file names to mend.
        if not filename or form(own) == form(filename.replace("\\", "/")):
            return Match(filename or own)
        if form(_stem(own)) == form(_stem(last)):
            # A folder that is written out is as good as the XML's own.
            if named == filename and "/" in filename:
                return Match(filename)
            return Match(own, "filename_incomplete")
        if trusted and named:
            return Match(named, "filename_stale")
        return Match(own, "filename_stale")

    def _own(self, file: Path, annotations: Path, last: str) -> str | None:
        stem = file.with_suffix("")
        path = stem.name
        if stem.is_relative_to(annotations):
            path = stem.relative_to(annotations).as_posix()
        if path in self._names:
            return path  # 001.jpg.xml
        stems = self._by_stem.get(stem.name, [])
        for names in (self._by_path.get(path, []), self._by_path.get(stem.name, []), stems):
            # A name that is in several folders: none of them is meant more than another.
            if names and (names is not stems or len(names) == 1):
                return _preferred(names, last)
        return None

    def _named(self, filename: str, last: str) -> str | None:
        for name in (filename, last):
            if name in self._names:
                return name
        # Without a suffix, or with that of another format.
        names = self._by_path.get(last) or self._by_path.get(_stem(last)) or []
        if not names:
            return None
        return _preferred(names, last)

    def _without_own(self, file: Path, filename: str, last: str, named: str | None) -> Match:
        suffix = PurePosixPath(last).suffix
        if suffix.lower() not in IMAGE_SUFFIXES:
            suffix = ".jpg"
        own = f"{file.stem}{suffix}"
        if not filename:
            return Match(own)
        if named is not None:
            sibling = file.with_name(f"{_stem(named)}.xml")
            if sibling != file and sibling.is_file():
                # That image has an XML file of its own: this one's image is lost.
                return Match(own, "filename_stale")
            if named == filename:
                return Match(named)
            return Match(named, "filename_incomplete")
        # No image is at hand. A path of another machine leads nowhere.
        if re.match(r"[A-Za-z]:|\\", filename):
            return Match(own, "filename_incomplete")
        return Match(filename)


def _preferred(names: Sequence[str], last: str) -> str:
    """Of the images that share a name, the one with the suffix that <filename> gives, or else the
    first."""
    for name in names:
        if PurePosixPath(name).suffix.lower() == PurePosixPath(last).suffix.lower():
            return name
    return names[0]


def _stem(name: str) -> str:
    """The last name without a suffix of images: what follows the dot of "frame.0012" is a part of
    the name."""
    path = PurePosixPath(name)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return path.stem
    return path.name
