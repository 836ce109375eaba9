"""From annotation files and images to checked tables, one per split that has files of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

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

READERS = {
    "coco": lambda root, name, folder, split, findings: coco.read(
        root / name, name, folder, split, findings
    ),
    "voc": voc.read,
    "yolo": yolo.read,
}


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
    classes, parts, loaded = Classes(), {}, Loaded()
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
            findings.add("split_without_labels", [{"split": split, "source": raw.name}])
        # The file's entries are tables now; a large file would otherwise be in memory twice.
        raw.images, raw.annotations = [], []
        parts.setdefault(split, []).append(labels)
    if data.pixels != "none":
        foreign_names.check_foreign(parts, root, findings)
    for split, several in parts.items():
        for labels in several:
            file_names.check_names(labels, split, root, findings)
    referenced, lying = set(), set()
    for split, several in parts.items():
        for labels in several:
            referenced |= set(labels.images["file_name"])
            if data.pixels == "none":
                pixels.check_sizes_only(labels, split, findings)
                probes = []
            else:
                lying |= file_names.check_files(labels, split, root, findings)
                referenced |= set(labels.images["file_name"])
                found = probe.probe(root, labels.images["file_name"].tolist(), data.pixels)
                probes = pixels.check_pixels(labels, found, split, findings)
            boxes.check_boxes(labels, split, data.tiny_pixels, findings)
            loaded.probes.setdefault(split, []).extend(probes)
        loaded.sets[split] = join(several)
        _merge_files(loaded, split, findings)
        boxes.check_doubles(loaded.sets[split], split, findings)
        boxes.check_images(loaded.sets[split], split, data.max_detections, findings)
    findings.add("image_unreferenced", ({"file": name} for name in sorted(lying - referenced)))
    _group(loaded, data, findings)
    splits.check_shared(loaded.sets, loaded.probes, loaded.groups, findings)
    return loaded


def _merge_files(loaded: Loaded, split: str, findings: Findings) -> None:
    """Two annotation files of one split may name the same image: it becomes one that has the boxes
    of both."""
    labels, probes = loaded.sets[split], loaded.probes[split]
    keep = np.ones(len(labels.images), dtype=bool)
    file_names.merge_same(labels, split, keep, findings)
    if not keep.all():
        labels.keep_images(keep)
        loaded.probes[split] = (
            [found for found, kept in zip(probes, keep) if kept] if probes else []
        )


def _group(loaded: Loaded, data: Data, findings: Findings) -> None:
    """Numbers the groups over all splits, and reports what looks alike or is the same within
    one."""
    names = [name for part in loaded.sets.values() for name in part.images["file_name"]]
    origin = [split for split, part in loaded.sets.items() for _ in range(len(part.images))]
    columns = [value for part in loaded.sets.values() for value in part.images["group"]]
    # Text, because a group may be called 3 or "3"; both are meant to be one.
    if data.group not in ("", DEFAULT_GROUP) and all(value is None for value in columns):
        findings.add("group_field_absent", [{"entry": "data.group", "before": data.group}])
    links = [groups.same(None if value is None else str(value) for value in columns)]
    probes = [found for split in loaded.sets for found in loaded.probes[split]]
    if probes:
        bytes_twice = groups.same(found.digest for found in probes)
        alike = groups.look_alikes([found.looks for found in probes], data.near_duplicate_bits)
        digests = [found.digest for found in probes]
        alike = np.array(
            [pair for pair in alike.tolist() if digests[pair[0]] != digests[pair[1]]],
            dtype=np.int64,
        ).reshape(-1, 2)
        loaded.pairs = len(alike)

        def place(pairs: np.ndarray, row: int) -> dict[str, object]:
            first, second = pairs[row]
            return {
                "split": origin[second],
                "file": names[second],
                "before": f"{origin[first]}: {names[first]}",
            }

        inside = bytes_twice[[origin[first] == origin[second] for first, second in bytes_twice]]
        findings.rows("image_bytes_duplicate", range(len(inside)), lambda row: place(inside, row))
        findings.rows("near_duplicates", range(len(alike)), lambda row: place(alike, row))
        links += [bytes_twice, alike]
    numbers = groups.joined(len(names), *links)
    start = 0
    for split, part in loaded.sets.items():
        loaded.groups[split] = numbers[start : start + len(part.images)]
        start += len(part.images)
    if data.pixels != "none" and findings.action("image_bytes_duplicate") == "drop":
        _drop_doubles(loaded)


def _drop_doubles(loaded: Loaded) -> None:
    for split, part in loaded.sets.items():
        seen: set[bytes] = set()
        keep = np.array(
            [
                not (found.digest in seen or seen.add(found.digest))
                for found in loaded.probes[split]
            ],
            dtype=bool,
        )
        part.keep_images(keep)
        loaded.groups[split] = loaded.groups[split][keep]
        loaded.probes[split] = [found for found, kept in zip(loaded.probes[split], keep) if kept]
