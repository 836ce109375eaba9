"""Checks which images must stay on one side of every split, those of one group, of the same bytes
and of the same looks, and what splits share and lack."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from stages.data.findings import Findings
from stages.data.labels import Labels
from stages.data.probe import HASH_BITS
from stages.study.params import Data
from stages.study.paths import SPLITS
from stages.study.schema import DEFAULT_GROUP

# Images per block of the distance matrix: 2048 x 2048 floats are 16 MiB.
_BLOCK = 2048
# Of a wanted number of images; what a split misses by less is not worth a line.
_TOLERANCE = 0.1


def number_groups(sets: dict[str, Labels], data: Data, findings: Findings) -> int:
    """Numbers the groups over all splits, and reports twins. Returns the pairs of look-alikes."""
    images = pd.concat([part.images.assign(split=split) for split, part in sets.items()])
    names = images["group"].tolist()
    if data.group not in ("", DEFAULT_GROUP) and all(name is None for name in names):
        findings.report("group_field_absent", {"entry": "data.group", "before": data.group})
    links = [equal_pairs(map(_as_text, names))]
    alike = np.empty((0, 2), dtype=np.int64)
    if data.pixels != "none":
        identical, alike = _report_twins(images, data.near_duplicate_bits, findings)
        links += [identical, alike]
    numbers = linked_groups(len(images), *links)
    for part in sets.values():
        part.images["group_number"], numbers = np.split(numbers, [len(part.images)])
        if data.pixels != "none" and findings.action("image_bytes_duplicate") == "drop":
            digests = pd.Series([image.digest for image in part.images["probe"]], dtype=object)
            part.keep_images(~digests.duplicated().to_numpy())
    return len(alike)


def _as_text(name: Any) -> str | None:
    """A group may be called 3, 3.0 or "3": all are meant to be one."""
    if name is None:
        return None
    if isinstance(name, float) and name.is_integer():
        name = int(name)
    return str(name)


def group_summary(sets: dict[str, Labels], pairs: int, column: str) -> dict[str, Any]:
    """The groups over all splits, for the report. pairs: of look-alikes; column: the field of an
    image that names its group."""
    images = pd.concat([part.images for part in sets.values()])
    sizes = images["group_number"].value_counts().tolist()
    return {
        "column": column if images["group"].notna().any() else None,
        "images": len(images),
        "groups": len(sizes),
        "largest": max(sizes, default=0),
        "near_duplicate_pairs": pairs,
    }


def _report_twins(
    images: pd.DataFrame, bits: int, findings: Findings
) -> tuple[np.ndarray, np.ndarray]:
    """(pairs, 2) rows of the images with the same bytes, and of those that differ in at most `bits`
    of their perceptual hash."""
    probes = images["probe"].tolist()
    splits, files = images["split"].to_numpy(), images["file_name"].to_numpy()
    digests = np.array([image.digest for image in probes], dtype=object)
    identical = equal_pairs(digests)
    alike = look_alikes([image.looks for image in probes], bits)
    alike = alike[digests[alike[:, 0]] != digests[alike[:, 1]]]

    def place(pair: np.ndarray) -> dict[str, object]:
        first, second = pair
        before = f"{splits[first]}: {files[first]}"
        return {"split": splits[second], "file": files[second], "before": before}

    inside = identical[splits[identical[:, 0]] == splits[identical[:, 1]]]
    findings.rows("image_bytes_duplicate", range(len(inside)), lambda row: place(inside[row]))
    findings.rows("near_duplicates", range(len(alike)), lambda row: place(alike[row]))
    return identical, alike


def look_alikes(hashes: Sequence[bytes], bits: int) -> np.ndarray:
    """(pairs, 2) rows i < j whose perceptual hashes differ in at most `bits`; b"" is like nothing.

    Every pair is compared, by matrix products: with bits as -1 and 1, that of two hashes is
    HASH_BITS - 2 x distance.
    """
    rows = np.flatnonzero([len(entry) > 0 for entry in hashes])
    if len(rows) < 2:
        return np.empty((0, 2), dtype=np.int64)
    packed = np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(len(rows), -1)
    signs = np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1
    pairs = []
    starts = range(0, len(rows), _BLOCK)
    for start in tqdm(starts, "look-alikes", unit="block", delay=2, leave=False):
        block = signs[start : start + _BLOCK]
        for column_start in range(start, len(rows), _BLOCK):
            product = block @ signs[column_start : column_start + _BLOCK].T
            first, second = np.nonzero(product >= HASH_BITS - 2 * bits)
            block_pairs = np.stack([first + start, second + column_start], axis=1)
            pairs.append(block_pairs[block_pairs[:, 0] < block_pairs[:, 1]])
    return rows[np.concatenate(pairs)]


def equal_pairs(values: Iterable[Hashable]) -> np.ndarray:
    """(pairs, 2) rows that link equal values in a chain; None and b"" are equal to nothing."""
    last: dict[Hashable, int] = {}
    pairs = []
    for row, value in enumerate(values):
        if value is None or value == b"":
            continue
        if value in last:
            pairs.append((last[value], row))
        last[value] = row
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def linked_groups(images: int, *pairs: np.ndarray) -> np.ndarray:
    """(images,) group numbers of images that `pairs` (n, 2) link, directly or through others."""
    links = np.concatenate([np.empty((0, 2), dtype=np.int64), *pairs])
    is_linked = np.ones(len(links), dtype=bool)
    graph = coo_matrix((is_linked, (links[:, 0], links[:, 1])), shape=(images, images))
    return connected_components(graph, directed=False)[1]


def check_shares(sets: dict[str, Labels], shares: dict[str, float], findings: Findings) -> None:
    """Splits that were made, by the wanted share of each, and came out larger or smaller."""
    total = sum(len(sets[name].images) for name in shares)
    for name, share in shares.items():
        images, wanted = len(sets[name].images), share * total
        if abs(images - wanted) > max(1, _TOLERANCE * wanted) + 1e-9:
            findings.report(
                "split_share_missed",
                {"split": name},
                before=f"{wanted:.0f} images wanted ({share:.1%}), {images} are in it "
                f"({images / total:.1%})",
            )


def check_boxes_per_class(sets: dict[str, Labels], rare: int, findings: Findings) -> None:
    """Classes without a box, with fewer than `rare`, or absent from a split that has labels. Crowds
    are neither learnt nor scored."""
    classes = sets["train"].classes
    counts = {name: part.scored_per_class() for name, part in sets.items()}
    total = np.sum(list(counts.values()), axis=0)
    for label, boxes in zip(classes, total):
        if boxes == 0:
            findings.report("category_unused", {"label": label})
        elif boxes < rare:
            findings.report("category_rare", {"label": label}, before=f"{boxes} boxes")
    labelled = {name: count for name, count in counts.items() if count.any()}
    _report_absent(labelled, classes, "splits", findings)


def check_folds(folds: dict[int, dict[str, Labels]], findings: Findings) -> None:
    """As `check_boxes_per_class`: classes that train or val of another fold than the study's own
    lacks."""
    for fold, sets in folds.items():
        counts = {name: part.scored_per_class() for name, part in sets.items()}
        _report_absent(counts, sets["train"].classes, f"split of fold {fold}", findings)


def _report_absent(
    counts: dict[str, np.ndarray], classes: list[str], others: str, findings: Findings
) -> None:
    """counts: (classes,) boxes of each split."""
    total = np.sum(list(counts.values()), axis=0)
    for name, count in counts.items():
        for at in np.flatnonzero((count == 0) & (total > 0)):
            place = {"split": name, "label": classes[at]}
            before = f"{total[at]} boxes in the other {others}"
            findings.report("split_class_absent", place, before=before)


def check_shared_images(sets: dict[str, Labels], findings: Findings) -> None:
    """Takes images out of a split that a later one has as well, as the policy says."""
    keys = {name: _image_keys(part) for name, part in sets.items()}
    _check(sets, keys, "split_image_shared", findings)
    keys = {name: part.images["group_number"].tolist() for name, part in sets.items()}
    _check(sets, keys, "split_group_shared", findings)


def _image_keys(part: Labels) -> list[Any]:
    """Equal for one image in two splits: its bytes' digest, or its name where it was not read."""
    keys = []
    for name, probe in zip(part.images["file_name"], part.images["probe"]):
        keys.append(probe.digest if probe and probe.digest else name)
    return keys


def _check(
    sets: dict[str, Labels], keys: dict[str, list[Any]], code: str, findings: Findings
) -> None:
    # The later of two splits keeps the image: val and test remain comparable with other people's.
    names = [name for name in SPLITS if name in sets]
    for index, name in enumerate(names[:-1]):
        # Key of an image -> its place in a later split; in the next one, where several have it.
        later: dict[Any, tuple[str, int]] = {}
        for later_split in names[:index:-1]:
            for row, key in enumerate(keys[later_split]):
                later[key] = (later_split, row)
        rows = [row for row, key in enumerate(keys[name]) if key in later]

        def place(row: int, name: str = name, later: dict = later) -> dict[str, Any]:
            twin_split, twin_row = later[keys[name][row]]
            twin = sets[twin_split].images["file_name"].iat[twin_row]
            return {**sets[name].place(row), "before": f"also {twin_split}: {twin}"}

        findings.rows(code, rows, place)
        if rows and findings.action(code) == "drop":
            keep = np.ones(len(sets[name].images), dtype=bool)
            keep[rows] = False
            sets[name].keep_images(keep)
            keys[name] = list(compress(keys[name], keep))
