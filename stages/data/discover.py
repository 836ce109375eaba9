"""Finds out what kind of set lies in a folder, for a check before anybody writes params.yaml."""

from __future__ import annotations

import dataclasses
import logging
import posixpath
import re
from pathlib import Path

from stages.data.layouts import coco, per_image
from stages.data.layouts.refused import refusal
from stages.data.layouts.tree import Layout, Tree, split_of, walk
from stages.errors import InputError
from stages.study.params import Data, Source

log = logging.getLogger(__name__)
_NONE = Source("")
# Folders of a root's parent whose names are looked at, and how deep: the parent may be a whole
# disk.
_FOLDERS, _DEPTH = 500, 3
# Folders that are named where several fit.
_NAMED = 5
# What a folder is called that holds the annotations of a set and not its images.
_PART = re.compile("annot|label|json|xml")


def discover(root: Path, data: Data) -> Data:
    """`data` with the source, the root and the files that are there; its thresholds and policy
    stay.

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
    layout = recognise(tree)
    if layout is None:
        _refuse(tree)
        layout = Layout("coco", {"train": Source(coco.broken_files(tree))}, images=True)
    elif not layout.images:
        _check_parents(tree, layout)
    if layout.source == "yolo":
        per_image.check_class_names(tree)
    for note in layout.notes:
        log.warning("%s", note)
    sets = {"val": _NONE, "test": _NONE, **layout.sets}
    return dataclasses.replace(data, source=layout.source, root=str(root), folds=1, fold=0, **sets)


def recognise(tree: Tree) -> Layout | None:
    """VOC before YOLO before COCO: the first two have a file for each image."""
    return per_image.voc(tree) or per_image.yolo(tree) or coco.recognise(tree)


def _refuse(tree: Tree) -> None:
    """Raises InputError with the way out, unless a JSON file is broken, which prepare is to
    explain."""
    root = tree.root
    fits = _folders_that_fit(tree)
    if fits:
        sets = "the set lies"
        if len(fits) > 1:
            sets = f"{len(fits)} sets lie"
        folders = ", ".join(str(root / folder) for folder in fits[:_NAMED])
        raise InputError(
            f"{root}: {sets} below it: {folders}; make data-check ROOT={root / fits[0]}"
        )
    refused = refusal(tree)
    if refused:
        file, (tool, remedy) = refused
        raise InputError(f"{root / file}: this is {tool}, which prepare does not read; {remedy}")
    if coco.broken_files(tree):
        return
    _check_images_alone(tree)
    raise InputError(
        f"{root}: neither COCO (JSON with images and annotations), VOC (an XML file per image) nor "
        "YOLO (a text file per image) was recognised; export your set in one of these formats"
    )


def _folders_that_fit(tree: Tree) -> list[str]:
    """The folders next below the root that are sets; of one that is, none below it."""
    fits: list[str] = []
    for folder in sorted(tree.files, key=lambda path: (path.count("/"), path))[:_FOLDERS]:
        if folder and not any(folder.startswith(f"{top}/") for top in fits):
            layout = recognise(tree.below(folder))
            # A folder of annotations alone is a part of a set.
            if layout and layout.images:
                fits.append(folder)
    return fits


def _check_parents(tree: Tree, layout: Layout) -> None:
    """Names the folder above from which the names lead to files. Raises InputError with it where
    the root is called like a part of a set, and where labels of YOLO have no images. Opens no file
    above the root."""
    if _lead_somewhere(tree, layout):
        return
    for parent in tree.root.parents[:2]:
        above = walk(parent, _FOLDERS, _DEPTH)
        near = tree.root.relative_to(parent).as_posix()
        find = above.stem_folder if layout.stems else above.image_folder
        folder = find(layout.examples, near)
        if folder is None:
            continue
        advice = f"images of these names lie in {parent / folder}: make data-check ROOT={parent}"
        if _PART.search(tree.root.name.casefold()) or split_of(tree.root.name):
            raise InputError(f"{tree.root}: is a part of a set; {advice}")
        log.warning("%s, if they are meant", advice)
        break
    if layout.source == "yolo":
        raise InputError(
            f"{tree.root}: labels of YOLO, and no image of their names ({layout.examples[0]}...); "
            "export the images too: YOLO with Images in Label Studio, Save images in CVAT"
        )


def _lead_somewhere(tree: Tree, layout: Layout) -> bool:
    """Whether a file of the set has the last part of a name: prepare then knows which."""
    for name in layout.examples:
        last = posixpath.basename(name.replace("\\", "/")).casefold()
        if last in tree.images or last in tree.stems:
            return True
    return False


def _check_images_alone(tree: Tree) -> None:
    """Raises InputError for a folder of images whose annotations lie beside it."""
    if not tree.has_images:
        return
    parent = tree.root.parent
    above = walk(parent, _FOLDERS, _DEPTH)
    own = tree.root.name
    for path in above.paths(".json", ".xml", ".txt", ".yaml"):
        is_near = "/" not in path and path.endswith((".json", ".xml"))
        is_named = "annot" in path.casefold() or "label" in path.casefold()
        if path.split("/")[0] != own and (is_near or is_named):
            raise InputError(
                f"{tree.root}: images and no annotations, which may be {parent / path}; "
                f"make data-check ROOT={parent}"
            )
