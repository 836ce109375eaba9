"""Reads Pascal VOC, one XML file per image, and finds the image that a file labels: people rename
files and move folders, and <filename> stays as it was."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import numpy as np

from stages.data.disk import IMAGE_SUFFIXES, files_below, is_file, name_form, read_inside
from stages.data.findings import Findings
from stages.data.sources.annotations import Raw, are_finite, as_number, read_text

# Of all boxes, as many must lie in 0..1 to be shares of the image.
_SHARES = 0.95


def read_voc(
    root: Path, annotations: str, folder: str, split: str, findings: Findings
) -> Raw | None:
    """annotations: a folder of XML files, or a text file that lists image names
    (ImageSets/Main/train.txt), whose XML files are then those in data.root/Annotations. None, and a
    fatal finding, where there is nothing to read.

    Classes are those of data.root/labels.txt, or else the names found, sorted. VOC counts pixels
    from 1, so x and y are one less than xmin and ymin, and the box spans xmax and ymax themselves
    (as in MMDetection's converter). The image is the one of the XML's own name, or else the one
    that <filename> gives.
    """
    raw = Raw(split, annotations, folder, gathered=not (root / "labels.txt").is_file())
    files = _xml_files(root, annotations, raw.origin, findings)
    if not files:
        return None
    names: list[str] = []
    if not raw.gathered:
        text = read_text(root / "labels.txt", {"split": split, "source": "labels.txt"}, findings)
        if text is None:
            return None
        names = list(dict.fromkeys(filter(None, map(str.strip, text.splitlines()))))
    top = root / annotations
    if not top.is_dir():
        top = root / "Annotations"
    images = VocImages(root / folder, top, findings.action("filename_stale") == "keep")
    for file in files:
        origin = {"split": split, "source": file.as_posix().removeprefix(f"{root.as_posix()}/")}
        try:
            data = read_inside(file, root)
            # Nothing in VOC needs entities; a kilobyte of them may unfold to gigabytes.
            if b"<!ENTITY" in data:
                raise ValueError("declares XML entities")
            tree = _parsed(data)
        except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
            findings.report("label_file_broken", origin, note=str(error))
            continue
        filename = (tree.findtext("filename") or "").strip()
        name, code = images.match(file, filename)
        if code:
            path = posixpath.join(folder, name)
            findings.report(code, origin, file=path, before=filename, after=name)
        _add(tree, name, raw, origin, findings)
    _check_corners(raw, findings)
    if raw.gathered:
        names = sorted({entry["category_id"] for entry in raw.annotations} - {None})
    numbers = {name: index for index, name in enumerate(names, 1)}
    raw.categories = [{"id": index, "name": name} for name, index in numbers.items()]
    for entry in raw.annotations:
        # A name that labels.txt lacks stays as it is, for the check to show.
        entry["category_id"] = numbers.get(entry["category_id"], entry["category_id"])
    return raw


def _xml_files(
    root: Path, annotations: str, origin: dict[str, Any], findings: Findings
) -> list[Path]:
    """[], and a fatal finding, where there are none."""
    place = root / annotations
    files = []
    if place.is_file():
        text = read_text(place, origin, findings)
        if text is None:
            return []
        for line in filter(None, map(str.strip, text.splitlines())):
            # A name, which may have spaces, or a name and 1, 0 or -1.
            first = root / "Annotations" / f"{line.split()[0]}.xml"
            likely = [root / "Annotations" / f"{line}.xml", first]
            likely += [file.with_suffix(".XML") for file in likely]
            files.append(next(filter(is_file, likely), first))
    elif place.is_dir():
        files = files_below(place, ".xml")
    if not files:
        note = "neither a list of images nor a folder of XML files"
        findings.report("annotation_file_missing", origin, note=note)
    return files


def _parsed(data: bytes) -> ElementTree.Element:
    """The tags without their namespaces. Raises ParseError, and ValueError for XML that is no VOC
    file: it would pass for an image without objects."""
    tree = ElementTree.fromstring(data)
    for element in tree.iter():
        element.tag = element.tag.rpartition("}")[2]
    if tree.tag != "annotation" and tree.find("object") is None:
        raise ValueError(f"no VOC file: <{tree.tag}> without an <object>, not <annotation>")
    return tree


def _add(
    tree: ElementTree.Element, name: str, raw: Raw, origin: dict[str, Any], findings: Findings
) -> None:
    """Adds the image `name` and its objects."""
    size = [as_number(tree.findtext(f"size/{side}")) for side in ("width", "height")]
    # 0 or nothing means that the size is not known; the image file has it.
    if are_finite(size) and min(size) > 0:
        raw.add_image(name, width=size[0], height=size[1])
    else:
        raw.add_image(name)
    for position, item in enumerate(tree.iter("object")):
        place = f"object[{position}]"
        label = (item.findtext("name") or "").strip() or None
        difficult = (item.findtext("difficult") or "0").strip() == "1"
        if difficult:
            findings.report("difficult_as_crowd", origin, entry=place, label=label)
        # What CVAT adds to an object, the rotation of a rectangle among it.
        attributes = {}
        for attribute in item.iterfind("attributes/attribute"):
            attributes[attribute.findtext("name") or ""] = as_number(attribute.findtext("value"))
        crowd = int(difficult)
        raw.add_box(label, _box(item), place, iscrowd=crowd, attributes=attributes)


def _box(item: ElementTree.Element) -> list[Any]:
    """x, y, width, height; the corners as they are written where they are no numbers."""
    sides = ("xmin", "ymin", "xmax", "ymax")
    corners = [as_number(item.findtext(f"bndbox/{side}")) for side in sides]
    if set(map(type, corners)) != {float}:
        return corners
    x1, y1, x2, y2 = corners
    return [x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1]


def _check_corners(raw: Raw, findings: Findings) -> None:
    """Corners in another unit than pixels from 1, by those of all files."""
    corners = []
    for entry in raw.annotations:
        if are_finite(entry["bbox"]):
            x, y, w, h = entry["bbox"]
            corners.append([x + 1, y + 1, x + w, y + h])
    table = np.array(corners).reshape(-1, 4)
    if not len(table):
        return
    is_share = ((table >= 0) & (table <= 1)).all(axis=1)
    if is_share.mean() >= _SHARES and (table % 1).any():
        before = f"xmin to ymax {' '.join(f'{side:.4g}' for side in table[0])}"
        note = "read as shares of the image from 0 to 1 they fit"
        findings.report("box_read_otherwise", raw.origin, before=before, note=note)
        return
    at_zero = int((table[:, :2] == 0).any(axis=1).sum())
    if at_zero:
        before = f"xmin or ymin 0 in {at_zero} of {len(table)} boxes"
        findings.report("voc_from_zero", raw.origin, before=before)


class VocImages:
    """The image files under one folder, by the XML files that label them."""

    def __init__(self, folder: Path, annotations: Path, trusts_filename: bool) -> None:
        """annotations: the folder that XML files are in. trusts_filename: an image of another name
        that <filename> gives comes before one of the XML's own name."""
        self._annotations, self._trusts_filename = annotations, trusts_filename
        # By the path with and without its suffix, and by the last name without.
        self._by_path: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for file in files_below(folder, *IMAGE_SUFFIXES):
            path = file.relative_to(folder)
            for key in (path, path.with_suffix("")):
                self._by_path[key.as_posix()].append(path.as_posix())
            self._by_stem[path.stem].append(path.as_posix())

    def match(self, file: Path, filename: str) -> tuple[str, str]:
        """The image of the XML file `file`, from the folder of images, and the code of what is to
        be reported of <filename>, or "". filename: what <filename> says, or "".

        MMDetection and most other readers go by the XML's own name, so an image of that name comes
        first.
        """
        last = re.split(r"[/\\]", filename)[-1]
        own = self._own(file, last)
        named = self._preferred(last, filename, last, _stem(last))
        if own is None:
            return self._without_own(file, filename, last, named)
        # Case, Unicode form and backslashes alone are for the check of file names to mend.
        if not filename or name_form(own) == name_form(filename.replace("\\", "/")):
            return filename or own, ""
        if name_form(_stem(own)) == name_form(_stem(last)):
            # A folder that is written out is as good as the XML's own.
            if named == filename and "/" in filename:
                return filename, ""
            return own, "filename_incomplete"
        if self._trusts_filename and named:
            return named, "filename_stale"
        return own, "filename_stale"

    def _own(self, file: Path, last: str) -> str | None:
        stem = file.with_suffix("")
        path = stem.name
        if stem.is_relative_to(self._annotations):
            path = stem.relative_to(self._annotations).as_posix()
        own = self._preferred(last, path, stem.name)
        alike = self._by_stem.get(stem.name, [])
        # A name that is in several folders: none of them is meant more than another.
        if own is None and len(alike) == 1:
            return alike[0]
        return own

    def _preferred(self, last: str, *paths: str) -> str | None:
        """An image of the first of `paths` that images have, with the suffix of `last` if any."""
        suffix = PurePosixPath(last).suffix.lower()
        for path in paths:
            names = self._by_path.get(path, [])
            for name in names:
                if PurePosixPath(name).suffix.lower() == suffix:
                    return name
            if names:
                return names[0]
        return None

    def _without_own(
        self, file: Path, filename: str, last: str, named: str | None
    ) -> tuple[str, str]:
        suffix = PurePosixPath(last).suffix
        if suffix.lower() not in IMAGE_SUFFIXES:
            suffix = ".jpg"
        own = f"{file.stem}{suffix}"
        if not filename:
            return own, ""
        if named is not None:
            sibling = file.with_name(f"{_stem(named)}.xml")
            if sibling != file and sibling.is_file():
                # That image has an XML file of its own: this one's image is lost.
                return own, "filename_stale"
            return named, "" if named == filename else "filename_incomplete"
        # No image is at hand. A path of another machine leads nowhere.
        if re.match(r"[A-Za-z]:|\\", filename):
            return own, "filename_incomplete"
        return filename, ""


def _stem(name: str) -> str:
    """The last name without a suffix of images, which "frame.0012" has none of."""
    path = PurePosixPath(name)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return path.stem
    return path.name
