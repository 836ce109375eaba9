"""From annotation files and images to checked tables, one per split that has files of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from stages.data import probe
from stages.data.checks import boxes, folders, names, pixels
from stages.data.checks.categories import Classes
from stages.data.checks.entries import entry_tables
from stages.data.checks.splits import check_shared_images
from stages.data.findings import Findings
from stages.data.groups import number_groups
from stages.data.labels import Labels, join_labels
from stages.data.sources.annotations import Raw
from stages.data.sources.coco import read_coco
from stages.data.sources.voc import read_voc
from stages.data.sources.yolo import read_yolo
from stages.study.params import Data
from stages.study.paths import SPLITS

READERS = {"coco": read_coco, "voc": read_voc, "yolo": read_yolo}


@dataclass
class Loaded:
    """sets: the splits that have files. files: for the report. pairs: of look-alikes."""

    sets: dict[str, Labels] = field(default_factory=dict)
    files: list[dict[str, object]] = field(default_factory=list)
    pairs: int = 0


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
        loaded.files.append(
            {
                "split": raw.split,
                "annotations": raw.name,
                "folder": raw.folder,
                "images": len(raw.images),
                "boxes": len(raw.annotations),
            }
        )
        if not raw.annotations:
            findings.report("split_without_labels", raw.origin)
        # The file's entries are tables now; a large file would otherwise be in memory twice.
        raw.images, raw.annotations = [], []
    if data.pixels != "none":
        names.check_foreign(parts, root, findings)
    for labels in parts:
        names.check_names(labels, root, findings)
    referenced: set[str] = set()
    on_disk: set[str] = set()
    for split, tables in itertools.groupby(parts, key=attrgetter("split")):
        checked = []
        for labels in tables:
            referenced |= set(labels.images["file_name"])
            if data.pixels == "none":
                pixels.check_sizes_only(labels, findings)
            else:
                on_disk |= names.check_files(labels, root, findings)
                referenced |= set(labels.images["file_name"])
                probes = probe.probe(root, labels.images["file_name"].tolist(), data.pixels)
                pixels.check_pixels(labels, probes, findings)
            boxes.check_boxes(labels, data.tiny_pixels, findings)
            checked.append(labels)
        whole = loaded.sets[split] = join_labels(checked)
        # Two annotation files of one split may name the same image.
        names.merge_same(whole, findings)
        boxes.check_doubles(whole, findings)
        boxes.check_images(whole, data.max_detections, findings)
    for name in sorted(on_disk - referenced):
        findings.report("image_unreferenced", {"file": name})
    if data.pixels != "none":
        folders.check_unread(root, referenced, findings)
    loaded.pairs = number_groups(loaded.sets, data, findings)
    check_shared_images(loaded.sets, findings)
    return loaded
