"""Checks what splits share, and which classes they lack."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.data.findings import Findings
from stages.data.labels import Labels
from stages.data.probe import Probe

# An image in two splits stays in the later one of this order: val and test remain comparable with
# other people's.
ORDER = ("train", "val", "test")
# Of a wanted number of images; what a split misses by less is not worth a line.
_TOLERANCE = 0.1


def check_shares(sets: dict[str, Labels], shares: dict[str, float], findings: Findings) -> None:
    """Splits that were made, by the wanted share of each, and came out larger or smaller."""
    total = sum(len(sets[name].images) for name in shares)
    for name, share in shares.items():
        images, wanted = len(sets[name].images), share * total
        if abs(images - wanted) > max(1, _TOLERANCE * wanted) + 1e-9:
            findings.add(
                "split_share_missed",
                [
                    {
                        "split": name,
                        "before": f"{wanted:.0f} images wanted ({share:.1%}), {images} are in it "
                        f"({images / total:.1%})",
                    }
                ],
            )


def check_classes(sets: dict[str, Labels], rare: int, findings: Findings) -> None:
    """Classes without a box at all, with fewer than `rare`, or absent from one split that has
    labels."""
    classes = sets["train"].classes
    counts = {name: part.boxes_per_class().sum(0) for name, part in sets.items()}
    total = np.sum(list(counts.values()), axis=0)
    findings.add("category_unused", ({"label": classes[at]} for at in np.flatnonzero(total == 0)))
    findings.add(
        "category_rare",
        (
            {"label": classes[at], "before": f"{total[at]} boxes"}
            for at in np.flatnonzero((total > 0) & (total < rare))
        ),
    )
    for name, count in counts.items():
        if count.sum():
            absent = np.flatnonzero((count == 0) & (total > 0))
            findings.add(
                "split_class_absent",
                (
                    {
                        "split": name,
                        "label": classes[at],
                        "before": f"{total[at]} boxes in the other splits",
                    }
                    for at in absent
                ),
            )


def check_shared(
    sets: dict[str, Labels],
    probes: dict[str, list[Probe]],
    groups: dict[str, np.ndarray],
    findings: Findings,
) -> None:
    """Takes images out of a split that a later one has as well, as the policy says.

    groups: the number of each image's group, counted over all splits together.
    """
    images = {
        name: [
            entry.digest or part.images["file_name"].iat[row]
            for row, entry in enumerate(probes[name])
        ]
        if probes[name]
        else part.images["file_name"].tolist()
        for name, part in sets.items()
    }
    _check(sets, probes, groups, images, "split_image_shared", findings)
    _check(
        sets,
        probes,
        groups,
        {name: numbers.tolist() for name, numbers in groups.items()},
        "split_group_shared",
        findings,
    )


def _check(
    sets: dict[str, Labels],
    probes: dict[str, list[Probe]],
    groups: dict[str, np.ndarray],
    keys: dict[str, list[Any]],
    code: str,
    findings: Findings,
) -> None:
    names = [name for name in ORDER if name in sets]
    for index, name in enumerate(names[:-1]):
        there = {
            key: (other, row) for other in names[:index:-1] for row, key in enumerate(keys[other])
        }
        rows = [row for row, key in enumerate(keys[name]) if key in there]

        def place(row: int, name: str = name, there: dict = there) -> dict[str, Any]:
            other, twin = there[keys[name][row]]
            return {
                "split": name,
                "source": sets[name].images["source"].iat[row],
                "file": sets[name].images["file_name"].iat[row],
                "before": f"also {other}: {sets[other].images['file_name'].iat[twin]}",
            }

        findings.rows(code, rows, place)
        if rows and findings.action(code) == "drop":
            keep = np.ones(len(sets[name].images), dtype=bool)
            keep[rows] = False
            sets[name].keep_images(keep)
            groups[name] = groups[name][keep]
            for listed in (keys, probes):
                if listed[name]:
                    listed[name] = [entry for entry, kept in zip(listed[name], keep) if kept]
