"""Checks what splits share, and which classes they lack."""

from __future__ import annotations

from itertools import compress
from typing import Any

import numpy as np

from stages.data.findings import Findings
from stages.data.labels import Labels
from stages.study.paths import SPLITS

# Of a wanted number of images; what a split misses by less is not worth a line.
_TOLERANCE = 0.1


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
    for name, count in counts.items():
        if not count.any():
            continue
        for at in np.flatnonzero((count == 0) & (total > 0)):
            findings.report(
                "split_class_absent",
                {"split": name, "label": classes[at]},
                before=f"{total[at]} boxes in the other splits",
            )


def check_folds(folds: dict[int, dict[str, Labels]], findings: Findings) -> None:
    """As `check_boxes_per_class`: classes that train or val of another fold than the study's own
    lacks."""
    for fold, sets in folds.items():
        counts = {name: part.scored_per_class() for name, part in sets.items()}
        total = np.sum(list(counts.values()), axis=0)
        for name, count in counts.items():
            for at in np.flatnonzero((count == 0) & (total > 0)):
                findings.report(
                    "split_class_absent",
                    {"split": name, "label": sets[name].classes[at]},
                    before=f"{total[at]} boxes in the other split of fold {fold}",
                )


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
