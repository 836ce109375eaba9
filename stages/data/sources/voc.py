"""Reads Pascal VOC, one XML file per image, and finds the image that a file labels: people rename
files and move folders, and <filename> stays as it was."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from stages.data.disk import IMAGE_SUFFIXES, form, read_inside
from stages.data.findings import Findings
from stages.data.sources.annotations import Raw, read_text


def read(root: Path, annotations: str, folder: str, split: str, findings: Findings) -> Raw | None:
    """annotations: a folder of XML files, or a text file that lists image names
    (ImageSets/Main/train.txt), whose XML files are then those in data.root/Annotations. None, and a
    fatal finding, where there is nothing to read.

    Classes are those of data.root/labels.txt, or else the names found, sorted. VOC counts pixels
    from 1, so x and y are one less than xmin and ymin, and the box spans xmax and ymax themselves
    (as in MMDetection's converter). The image is the one of the XML's own name, or else the one
    that <filename> gives.
    """
    raw = Raw(split, annotations, folder)
    files = _xml_files(root, annotations, split, findings)
    if not files:
        return None
    names: list[str] | None = None
    if (root / "labels.txt").is_file():
        text = read_text(root / "labels.txt", {"split": split, "source": "labels.txt"}, findings)
        if text is None:
            return None
        names = list(dict.fromkeys(filter(None, map(str.strip, text.splitlines()))))
    top = root / annotations
    if not top.is_dir():
        top = root / "Annotations"
    images = VocImages(root / folder)
    for file in files:
        _read_file(file, top, images, root, raw, findings)
    raw.gathered = names is None
    if names is None:
        names = sorted({entry["category_id"] for entry in raw.annotations} - {None})
    number = {}
    for index, name in enumerate(names, 1):
        raw.categories.append({"id": index, "name": name})
        number[name] = index
    for entry in raw.annotations:
        # A name that labels.txt lacks stays as it is, for the check to show.
        entry["category_id"] = number.get(entry["category_id"], entry["category_id"])
    return raw


def _xml_files(root: Path, annotations: str, split: str, findings: Findings) -> list[Path] | None:
    """None or [], and a fatal finding, where there are none."""
    place = root / annotations
    origin = {"split": split, "source": annotations}
    files = []
    if place.is_file():
        text = read_text(place, origin, findings)
        if text is None:
            return None
        for line in filter(None, map(str.strip, text.splitlines())):
            files.append(_listed(root / "Annotations", line))
    elif place.is_dir():
        files = sorted(place.rglob("*.xml"))
    if not files:
        note = "neither a list of images nor a folder of XML files"
        findings.report("annotation_file_missing", origin, note=note)
    return files


def _listed(folder: Path, line: str) -> Path:
    """The XML file of a line of ImageSets: a name, which may have spaces, or a name and 1, 0 or
    -1."""
    whole, first = folder / f"{line}.xml", folder / f"{line.split()[0]}.xml"
    try:
        if whole.is_file():
            return whole
    except (OSError, ValueError):  # too long, or a NUL inside
        pass
    return first


def _read_file(
    file: Path, annotations: Path, images: VocImages, root: Path, raw: Raw, findings: Findings
) -> None:
    """annotations: the folder that XML files are in."""
    origin = {"split": raw.split, "source": _short(file, root)}
    try:
        data = read_inside(file, root)
        # Nothing in VOC needs entities; a kilobyte of them may unfold to gigabytes.
        if b"<!ENTITY" in data:
            raise ValueError("declares XML entities")
        tree = ElementTree.fromstring(data)
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        findings.report("label_file_broken", origin, note=str(error))
        return
    index = len(raw.images) + 1
    filename = (tree.findtext("filename") or "").strip()
    match = images.match(file, annotations, filename, findings.action("filename_stale") == "keep")
    if match.code:
        file_name = posixpath.join(raw.folder, match.name)
        findings.report(match.code, origin, file=file_name, before=filename, after=match.name)
    image: dict[str, Any] = {"id": index, "file_name": match.name}
    width, height = _number(tree.findtext("size/width")), _number(tree.findtext("size/height"))
    # 0 or nothing means that the size is not known; the image file has it.
    if isinstance(width, float) and isinstance(height, float) and width > 0 and height > 0:
        image.update(width=width, height=height)
    raw.images.append(image)
    for position, item in enumerate(tree.iter("object")):
        place = f"object[{position}]"
        name = (item.findtext("name") or "").strip() or None
        difficult = (item.findtext("difficult") or "0").strip() == "1"
        if difficult:
            findings.report("difficult_as_crowd", origin, entry=place, label=name)
        raw.annotations.append(
            {
                "id": len(raw.annotations) + 1,
                "image_id": index,
                "category_id": name,
                "bbox": _box(item),
                "iscrowd": int(difficult),
                "attributes": _attributes(item),
                "at": place,
            }
        )


def _box(item: ElementTree.Element) -> list[Any]:
    """x, y, width, height; the corners as they are written where they are no numbers."""
    sides = ("xmin", "ymin", "xmax", "ymax")
    corners = [_number(item.findtext(f"bndbox/{side}")) for side in sides]
    if set(map(type, corners)) != {float}:
        return corners
    x1, y1, x2, y2 = corners
    return [x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1]


def _attributes(item: ElementTree.Element) -> dict[str, Any]:
    """What CVAT adds to an object, the rotation of a rectangle among it."""
    attributes = {}
    for attribute in item.iterfind("attributes/attribute"):
        attributes[attribute.findtext("name") or ""] = _number(attribute.findtext("value"))
    return attributes


def _short(file: Path, root: Path) -> str:
    if not file.is_relative_to(root):
        return str(file)
    return file.relative_to(root).as_posix()


def _number(text: str | None) -> float | str | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


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
