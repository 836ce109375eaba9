"""From annotation files and images to checked tables, one per split that has files of its own."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from stages.data import probe
from stages.data.checks.boxes import check_boxes, check_doubles, check_images
from stages.data.checks.categories import Classes
from stages.data.checks.entries import entry_tables
from stages.data.checks.names import check_files, check_foreign, check_names, merge_same
from stages.data.checks.pixels import check_pixels, check_sizes_only
from stages.data.checks.splits import check_shared_images, group_summary, number_groups
from stages.data.disk import IMAGE_SUFFIXES, stem_of, walk
from stages.data.findings import Findings
from stages.data.labels import Labels, join_labels
from stages.data.sources.annotations import Raw
from stages.data.sources.coco import read_coco
from stages.data.sources.image_folders import split_of
from stages.data.sources.voc import read_voc
from stages.data.sources.yolo import read_yolo
from stages.study.params import Data
from stages.study.paths import SPLITS

READERS = {"coco": read_coco, "voc": read_voc, "yolo": read_yolo}


@dataclass
class Loaded:
    """sets: the splits that have files. files, groups: for the report."""

    sets: dict[str, Labels] = field(default_factory=dict)
    files: list[dict[str, object]] = field(default_factory=list)
    groups: dict[str, object] = field(default_factory=dict)


def read_annotations(data: Data, root: Path, findings: Findings) -> list[Raw]:
    """The annotation files as found. Raises InputError where one cannot be read at all."""
    raws = []
    for split in SPLITS:
        source = getattr(data, split)
        for name in source.files:
            raw = READERS[data.source](root, name, source.images, split, findings)
            if raw is not None:
                raws.append(raw)
    findings.stop_if_fatal()
    return raws


def check_annotations(raws: Iterable[Raw], data: Data, root: Path, findings: Findings) -> Loaded:
    """Checks and mends. Fatal findings are not raised: a report is to name all that is wrong."""
    classes, loaded = Classes(), Loaded()
    parts: list[Labels] = []
    for raw in raws:
        index = classes.read(raw, findings)
        parts.append(entry_tables(raw, classes.names, index, data.group, findings))
        place = {"split": raw.split, "annotations": raw.name, "folder": raw.folder}
        counts = {"images": len(raw.images), "boxes": len(raw.annotations)}
        loaded.files.append({**place, **counts})
        if not raw.annotations:
            findings.report("split_without_labels", raw.origin)
        # The file's entries are tables now; a large file would otherwise be in memory twice.
        raw.images, raw.annotations = [], []
    if data.pixels != "none":
        check_foreign(parts, root, findings)
    for labels in parts:
        check_names(labels, root, findings)
    referenced: set[str] = set()
    on_disk: set[str] = set()
    for split, tables in itertools.groupby(parts, key=attrgetter("split")):
        checked = list(tables)
        for labels in checked:
            referenced |= set(labels.images["file_name"])
            if data.pixels == "none":
                check_sizes_only(labels, findings)
            else:
                on_disk |= check_files(labels, root, findings)
                referenced |= set(labels.images["file_name"])
                probes = probe.probe(root, labels.images["file_name"].tolist(), data.pixels)
                check_pixels(labels, probes, findings)
            check_boxes(labels, data.tiny_pixels, findings)
        whole = loaded.sets[split] = join_labels(checked)
        # Two annotation files of one split may name the same image.
        merge_same(whole, findings)
        check_doubles(whole, findings)
        check_images(whole, data.max_detections, findings)
    for name in sorted(on_disk - referenced):
        findings.report("image_unreferenced", {"file": name})
    if data.pixels != "none":
        _check_unread(root, referenced, findings)
    pairs = number_groups(loaded.sets, data, findings)
    check_shared_images(loaded.sets, findings)
    loaded.groups = group_summary(loaded.sets, pairs, data.group)
    return loaded


def _check_unread(root: Path, used: set[str], findings: Findings) -> None:
    """Reports folders with images below `root` and none of `used`, the paths of images.

    Masks, thumbnails and drawn boxes have the names of the images that they were made of: a folder
    of these is reported only where it is called like a split.
    """
    folders = set(map(posixpath.dirname, used))
    stems = {stem_of(path) for path in used}
    tree = walk(root)
    for folder in sorted(tree.files):
        names = tree.names(folder, *IMAGE_SUFFIXES)
        if not names or folder in folders:
            continue
        derived = [name for name in names if stem_of(name) in stems]
        if split_of(folder) is None and 2 * len(derived) > len(names):
            continue
        place = {"entry": f"{folder or '.'}/"}
        findings.report("folder_unread", place, before=f"{len(names)} images")
