"""From annotation files and images to checked tables, one per split that has files of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from stages.data import groups, probe
from stages.data.checks import boxes, entries, file_names, foreign_names, pixels, splits
from stages.data.checks.categories import Classes
from stages.data.findings import Findings
from stages.data.labels import Labels, join
from stages.data.probe import Probe
from stages.data.sources import coco, voc, yolo
from stages.data.sources.raw import Raw
from stages.study.params import DEFAULT_GROUP, Data
from stages.study.paths import SPLITS


def _read_coco(root: Path, name: str, folder: str, split: str, findings: Findings) -> Raw | None:
    return coco.read(root / name, name, folder, split, findings)


READERS = {"coco": _read_coco, "voc": voc.read, "yolo": yolo.read}


@dataclass
class Loaded:
    """sets: the splits that have files. probes: one per image, [] where no file was opened. groups:
    the number of each image's group, over all splits. pairs: look-alikes."""

    sets: dict[str, Labels] = field(default_factory=dict)
    probes: dict[str, list[Probe]] = field(default_factory=dict)
    groups: dict[str, np.ndarray] = field(default_factory=dict)
    files: list[dict[str, object]] = field(default_factory=list)
    pairs: int = 0


def read(data: Data, root: Path, findings: Findings) -> list[tuple[str, Raw]]:
    """The annotation files that params.yaml names, as found. Raises InputError where one cannot be
    read at all."""
    raws = []
    for split in SPLITS:
        source = getattr(data, split)
        for name in source.files:
            raw = READERS[data.source](root, name, source.images, split, findings)
            if raw is not None:
                raws.append((split, raw))
    findings.stop_if_fatal()
    return raws


def check(raws: Iterable[tuple[str, Raw]], data: Data, root: Path, findings: Findings) -> Loaded:
    """Checks and mends. Fatal findings are collected, not raised: a report should name all that is
    wrong."""
    classes, loaded = Classes(), Loaded()
    parts: dict[str, list[Labels]] = {}
    for split, raw in raws:
        index = classes.read(raw, split, findings)
        labels = entries.tables(raw, split, classes.names, index, data.group, findings)
        loaded.files.append(
            {
                "split": split,
                "annotations": raw.name,
                "images": len(raw.images),
                "boxes": len(raw.annotations),
            }
        )
        if not raw.annotations:
            findings.report("split_without_labels", {"split": split, "source": raw.name})
        # The file's entries are tables now; a large file would otherwise be in memory twice.
        raw.images, raw.annotations = [], []
        parts.setdefault(split, []).append(labels)
    if data.pixels != "none":
        foreign_names.check_foreign(parts, root, findings)
    for split, tables in parts.items():
        for labels in tables:
            file_names.check_names(labels, split, root, findings)
    referenced: set[str] = set()
    on_disk: set[str] = set()
    for split, tables in parts.items():
        loaded.probes[split] = []
        for labels in tables:
            referenced |= set(labels.images["file_name"])
            if data.pixels == "none":
                pixels.check_sizes_only(labels, split, findings)
            else:
                on_disk |= file_names.check_files(labels, split, root, findings)
                referenced |= set(labels.images["file_name"])
                probes = probe.probe(root, labels.images["file_name"].tolist(), data.pixels)
                loaded.probes[split] += pixels.check_pixels(labels, probes, split, findings)
            boxes.check_boxes(labels, split, data.tiny_pixels, findings)
        loaded.sets[split] = join(tables)
        _merge_files(loaded, split, findings)
        boxes.check_doubles(loaded.sets[split], split, findings)
        boxes.check_images(loaded.sets[split], split, data.max_detections, findings)
    for name in sorted(on_disk - referenced):
        findings.report("image_unreferenced", {"file": name})
    _group(loaded, data, findings)
    splits.check_shared(loaded.sets, loaded.probes, loaded.groups, findings)
    return loaded


def _merge_files(loaded: Loaded, split: str, findings: Findings) -> None:
    """Two annotation files of one split may name the same image: it becomes one that has the boxes
    of both."""
    labels = loaded.sets[split]
    keep = np.ones(len(labels.images), dtype=bool)
    file_names.merge_same(labels, split, keep, findings)
    if keep.all():
        return
    labels.keep_images(keep)
    loaded.probes[split] = list(compress(loaded.probes[split], keep))


def _group(loaded: Loaded, data: Data, findings: Findings) -> None:
    """Numbers the groups over all splits, and reports what looks alike or is the same within
    one."""
    images = _Images(loaded)
    names = images.groups
    if data.group not in ("", DEFAULT_GROUP) and all(name is None for name in names):
        findings.report("group_field_absent", {"entry": "data.group", "before": data.group})
    # Text, because a group may be called 3 or "3"; both are meant to be one.
    links = [groups.same(None if name is None else str(name) for name in names)]
    if images.probes:
        identical, alike = _report_twins(images, data.near_duplicate_bits, findings)
        links += [identical, alike]
        loaded.pairs = len(alike)
    numbers = groups.joined(len(images.files), *links)
    start = 0
    for split, part in loaded.sets.items():
        loaded.groups[split] = numbers[start : start + len(part.images)]
        start += len(part.images)
    if data.pixels != "none" and findings.action("image_bytes_duplicate") == "drop":
        _drop_doubles(loaded)


class _Images:
    """The images of all splits in one row. probes: [] where no file was opened."""

    def __init__(self, loaded: Loaded) -> None:
        self.splits: list[str] = []
        self.files: list[str] = []
        self.groups: list[Any] = []
        self.probes: list[Probe] = []
        for split, part in loaded.sets.items():
            self.splits += [split] * len(part.images)
            self.files += part.images["file_name"].tolist()
            self.groups += part.images["group"].tolist()
            self.probes += loaded.probes[split]


def _report_twins(images: _Images, bits: int, findings: Findings) -> tuple[np.ndarray, np.ndarray]:
    """(pairs, 2) rows of the images with the same bytes, and of those that differ in at most `bits`
    of their perceptual hash."""
    digests = [image.digest for image in images.probes]
    identical = groups.same(digests)
    alike = groups.look_alikes([image.looks for image in images.probes], bits)
    differs = [digests[first] != digests[second] for first, second in alike.tolist()]
    alike = alike[np.array(differs, dtype=bool)]

    def place(pair: np.ndarray) -> dict[str, object]:
        first, second = pair
        return {
            "split": images.splits[second],
            "file": images.files[second],
            "before": f"{images.splits[first]}: {images.files[first]}",
        }

    in_one_split = [images.splits[first] == images.splits[second] for first, second in identical]
    inside = identical[in_one_split]
    findings.rows("image_bytes_duplicate", range(len(inside)), lambda row: place(inside[row]))
    findings.rows("near_duplicates", range(len(alike)), lambda row: place(alike[row]))
    return identical, alike


def _drop_doubles(loaded: Loaded) -> None:
    for split, part in loaded.sets.items():
        digests: set[bytes] = set()
        keep = np.zeros(len(part.images), dtype=bool)
        for row, image in enumerate(loaded.probes[split]):
            keep[row] = image.digest not in digests
            digests.add(image.digest)
        part.keep_images(keep)
        loaded.groups[split] = loaded.groups[split][keep]
        loaded.probes[split] = list(compress(loaded.probes[split], keep))
