"""Finds out what kind of set lies in a folder, and writes the block `data:` that names it, before
anybody writes params.yaml."""

from __future__ import annotations

import dataclasses
import io
import logging
import posixpath
import re
import shlex
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.representer import RoundTripRepresenter

from stages.data.disk import Tree, walk
from stages.data.sources.coco import broken_files, recognise_coco
from stages.data.sources.image_folders import (
    LabelFiles,
    Layout,
    image_folders,
    split_of,
    stem_folders,
)
from stages.data.sources.layouts import check_class_names, recognise_voc, recognise_yolo
from stages.data.sources.refused import refusal
from stages.errors import InputError
from stages.files import replacing
from stages.study.params import Data, Source
from stages.study.paths import SPLITS

log = logging.getLogger(__name__)
# Folders of a root's parent that are looked at, and how deep: the parent may be a whole disk.
_FOLDERS, _DEPTH = 500, 3
# Folders that are named where several fit.
_NAMED = 5
# What a folder is called that holds the annotations of a set and not its images.
_PART = re.compile("annot|label|json|xml")
# Of the block `data:`; the rest of it stays, but for the splits and the policy.
_KEYS = ("name", "source", "root", "folds", "fold")


def discover(root: Path, data: Data) -> Data:
    """`data` with the source, the root and the files that are there; thresholds and policy stay.

    Raises InputError where the folder is no set that prepare reads: with the folder that is, or the
    tool that wrote it.
    """
    if root.is_file():
        raise InputError(
            f"{root}: is a file; unpack an archive, and give the folder of your images and "
            "annotations"
        )
    if not root.is_dir():
        raise InputError(
            f"{root}: no such folder; give the folder of your images and annotation files"
        )
    tree = walk(root)
    layout = recognise_layout(tree)
    if layout is None:
        layout = Layout("coco", {"train": Source(_broken_files(tree))})
    elif layout.lost:
        _check_parents(tree, layout)
    if layout.source == "yolo":
        check_class_names(tree)
    for note in layout.notes:
        log.warning("%s", note)
    sets = {split: layout.sets.get(split, Source("")) for split in SPLITS}
    return dataclasses.replace(data, source=layout.source, root=str(root), folds=1, fold=0, **sets)


def recognise_layout(tree: Tree) -> Layout | None:
    """VOC before YOLO before COCO: the first two have a file for each image."""
    return recognise_voc(tree) or recognise_yolo(tree) or recognise_coco(tree)


def _broken_files(tree: Tree) -> list[str]:
    """JSON files that prepare is to explain. Raises InputError with the way out for all else."""
    root = tree.root
    fits = _folders_that_fit(tree)
    if fits:
        sets = "the set lies" if len(fits) == 1 else f"{len(fits)} sets lie"
        folders = ", ".join(str(root / folder) for folder in fits[:_NAMED])
        raise InputError(f"{root}: {sets} below it: {folders}; {check_command(root / fits[0])}")
    refused = refusal(tree)
    if refused:
        file, (tool, remedy) = refused
        raise InputError(f"{root / file}: this is {tool}, which prepare does not read; {remedy}")
    broken = broken_files(tree)
    if broken:
        return broken
    if tree.images:
        _check_annotations_beside(tree)
    raise InputError(
        f"{root}: neither COCO (JSON with images and annotations), VOC (an XML file per image) nor "
        "YOLO (a text file per image) was recognised; export your set in one of these formats"
    )


def _folders_that_fit(tree: Tree) -> list[str]:
    """The folders next below the root that are sets; of one that is, none below it."""
    fits: list[str] = []
    for folder in sorted(tree.files, key=lambda path: (path.count("/"), path))[:_FOLDERS]:
        if folder and not any(folder.startswith(f"{top}/") for top in fits):
            layout = recognise_layout(tree.below(folder))
            # A folder of annotations alone is a part of a set.
            if layout and not layout.lost:
                fits.append(folder)
    return fits


def _check_parents(tree: Tree, layout: Layout) -> None:
    """Names the folder above from which the names lead to files. Raises InputError with it where
    the root is called like a part of a set, and where labels of YOLO have no images. Opens no file
    above the root."""
    for name in layout.lost:
        last = posixpath.basename(name.replace("\\", "/")).casefold()
        # A file of the set has the last part of a name: prepare then knows which.
        if last in tree.images or last in tree.stems:
            return
    folders_of = stem_folders if layout.stems else image_folders
    for parent in tree.root.parents[:2]:
        near = tree.root.relative_to(parent).as_posix()
        folders = folders_of(walk(parent, _FOLDERS, _DEPTH), layout.lost, LabelFiles(near))
        if not folders:
            continue
        place = parent / folders[0]
        advice = f"images of these names lie in {place}: {check_command(parent)}"
        if _PART.search(tree.root.name.casefold()) or split_of(tree.root.name):
            raise InputError(f"{tree.root}: is a part of a set; {advice}")
        log.warning("%s, if they are meant", advice)
        break
    if layout.source == "yolo":
        raise InputError(
            f"{tree.root}: labels of YOLO, and no image of their names ({layout.lost[0]}...); "
            "export the images too: YOLO with Images in Label Studio, Save images in CVAT"
        )


def _check_annotations_beside(tree: Tree) -> None:
    """Raises InputError for a folder of images whose annotations lie beside it."""
    root, parent = tree.root, tree.root.parent
    own = next(tree.paths(".json", ".xml"), "")
    words = "images and no annotations"
    if own:
        words += f" ({own} is neither COCO nor VOC)"
    for path in walk(parent, _FOLDERS, _DEPTH).paths(".json", ".xml", ".txt", ".yaml"):
        is_near = "/" not in path and path.endswith((".json", ".xml"))
        is_named = "annot" in path.casefold() or "label" in path.casefold()
        if path.split("/")[0] != root.name and (is_near or is_named):
            raise InputError(
                f"{root}: {words}, which may be {parent / path}; {check_command(parent)}"
            )


def check_command(root: Path | str) -> str:
    """What to type into a shell to check the set in `root`."""
    return f"make data-check ROOT={shlex.quote(str(root))}"


def data_block(path: Path, data: Data) -> str:
    """The block `data:` of the file `path`, comments and all, with the set of `data` in it."""
    out = io.StringIO()
    _yaml().dump(_changed(path, data), out)
    lines = re.search(r"^data:\n(?:(?: .*)?\n)*", out.getvalue(), re.MULTILINE)[0]
    return lines.rstrip() + "\n"


def write_block(path: Path, data: Data) -> None:
    """Replaces the file at once; all that has nothing to do with the set stays, comments too."""
    content = _changed(path, data)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        _yaml().dump(content, file)


def _changed(path: Path, data: Data) -> Any:
    content = _yaml().load(path.read_text(encoding="utf-8"))
    part = content["data"]
    for key in _KEYS:
        if key in part or key in ("source", "root"):
            part[key] = getattr(data, key)
    for split in SPLITS:
        source = getattr(data, split)
        if not isinstance(part.get(split), CommentedMap):
            part[split] = _in_a_line(CommentedMap())
        names = source.annotations
        if isinstance(names, list):
            names = _in_a_line(CommentedSeq(names))
        part[split].update(annotations=names, images=source.images)
    if dict(part.get("policy") or {}) != data.policy:
        part["policy"] = _in_a_line(CommentedMap(data.policy))
    return content


def _in_a_line(collection: Any) -> Any:
    collection.fa.set_flow_style()
    return collection


def _yaml() -> YAML:
    text = YAML()
    text.preserve_quotes = True
    # As params.yaml is written: long lines stay whole, and lists are indented.
    text.width = 4096
    text.indent(mapping=2, sequence=4, offset=2)
    text.Representer = _Representer
    return text


class _Representer(RoundTripRepresenter):
    """Writes null, which ruamel.yaml would leave out."""


_Representer.add_representer(
    type(None),
    lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null"),
)
