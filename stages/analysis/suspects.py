"""Labels to look at again: boxes whose class every good cell contradicts, and images on which every good cell sees
things that nobody has labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.scoring.engine import Evaluated
from stages.scoring.tables import Detections, Pairs, Truth, iou_with

# What overlaps a labelled box by no more than this is somewhere else; TIDE's .1 would leave out
# whatever stands close to a neighbour.
ELSEWHERE = 0.3
# Detections that overlap by this are of the same thing, whatever their classes.
SAME = 0.5


def suspects(
    truth: Truth,
    detections: Detections,
    pairs: Pairs,
    evaluated: Evaluated,
    score: float,
    iou: float = 0.5,
) -> list[dict[str, Any]]:
    """[{box_id, image_id, file_name, class, bbox, detected, score, iou}], plain, by falling score.

    A box is contradicted where a detection of another class with at least `score` covers it with at least `iou` and
    finds no box of its own class, and no detection of the box's class with at least `score` covers it. `detected` is
    the class with the highest such score. Lower scores of the box's own class do not clear it: nearly every box has
    one. Crowds have no class to doubt.
    """
    strong = (evaluated.counted & (detections.score >= score))[pairs.detection]
    close = np.flatnonzero(strong & (pairs.iou >= iou) & ~truth.crowd[pairs.box])
    detection, box = pairs.detection[close], pairs.box[close]
    same = detections.category[detection] == truth.category[box]
    confirmed = np.zeros(len(truth.ids), dtype=bool)
    confirmed[box[same]] = True
    against = np.flatnonzero(~same & ~confirmed[box] & (evaluated.box[detection] < 0))
    overlap = pairs.iou[close]
    # The highest score first, of equals the closest.
    order = against[
        np.lexsort((box[against], -overlap[against], -detections.score[detection[against]]))
    ]
    _, first = np.unique(box[order], return_index=True)
    return [
        {
            "box_id": int(truth.ids[box[at]]),
            "image_id": int(truth.image_ids[truth.image[box[at]]]),
            "file_name": truth.files[truth.image[box[at]]],
            "class": truth.classes[truth.category[box[at]]],
            "bbox": truth.boxes[box[at]].tolist(),
            "detected": truth.classes[detections.category[detection[at]]],
            "score": float(detections.score[detection[at]]),
            "iou": float(overlap[at]),
        }
        for at in order[np.sort(first)]
    ]


def combine(cells: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Boxes that every one of the cells contradicts. cells: suspects() of each good cell by its name, of one split.

    [{box_id, image_id, file_name, class, bbox, detected, agree, score, cells: {cell: class}}], plain: detected is the
    class that most cells see (the first of equals by name of the cell), agree how many see it, score the lowest of
    their highest scores. First those on which most agree, then by score. Empty with fewer than two cells: one alone
    may as well be wrong itself.
    """
    if len(cells) < 2:
        return []
    tables = {
        name: {entry["box_id"]: entry for entry in entries}
        for name, entries in sorted(cells.items())
    }
    shared = set.intersection(*(set(table) for table in tables.values()))
    result = []
    for box in shared:
        entries = {name: table[box] for name, table in tables.items()}
        detected, agree = Counter(entry["detected"] for entry in entries.values()).most_common(1)[0]
        first = next(iter(entries.values()))
        result.append(
            {
                **{key: first[key] for key in ("box_id", "image_id", "file_name", "class", "bbox")},
                "detected": detected,
                "agree": agree,
                "score": min(entry["score"] for entry in entries.values()),
                "cells": {name: entry["detected"] for name, entry in entries.items()},
            }
        )
    return sorted(result, key=lambda entry: (-entry["agree"], -entry["score"], entry["box_id"]))


def unlabelled(
    truth: Truth, detections: Detections, pairs: Pairs, evaluated: Evaluated, score: float
) -> list[dict[str, Any]]:
    """What a cell sees with at least `score` where no box is labelled.

    [{image_id, file_name, boxes, seen: [{class, bbox, score}]}], plain, by image id; images without
    such a thing are left out. boxes: how many are labelled; seen: by falling score, of detections of
    the same thing the first. Nothing within a crowd counts.
    """
    free = evaluated.counted & (detections.score >= score)
    free[pairs.detection[pairs.iou > ELSEWHERE]] = False
    order = detections.ranking()
    by_image: dict[int, list[int]] = {}
    for at in order[free[order]].tolist():
        kept = by_image.setdefault(int(detections.image[at]), [])
        if not (iou_with(detections.boxes[at], detections.boxes[kept]) >= SAME).any():
            kept.append(at)
    boxes = np.bincount(truth.image[~truth.crowd], minlength=len(truth.image_ids))
    images = []
    for image, kept in sorted(by_image.items()):
        seen = []
        for at in kept:
            seen.append(
                {
                    "class": truth.classes[detections.category[at]],
                    "bbox": detections.boxes[at].tolist(),
                    "score": float(detections.score[at]),
                }
            )
        images.append(
            {
                "image_id": int(truth.image_ids[image]),
                "file_name": truth.files[image],
                "boxes": int(boxes[image]),
                "seen": seen,
            }
        )
    return images


def unlabelled_by_all(
    cells: Mapping[str, Sequence[Mapping[str, Any]]],
) -> list[dict[str, Any]]:
    """Images on which every one of the cells sees the same thing where no box is labelled.

    cells: unlabelled() of each good cell by its name, of one split. [{image_id, file_name, boxes,
    places: [{bbox, detected, agree, score}]}], plain: detected is the class that most cells see (the
    first of equals by name of the cell), agree how many see it, score the lowest of their scores,
    bbox that of the first cell. First the images with most places, then those with the highest
    scores. Empty with fewer than two cells: one alone may as well be wrong itself.
    """
    if len(cells) < 2:
        return []
    tables = []
    for _, entries in sorted(cells.items()):
        tables.append({entry["image_id"]: entry for entry in entries})
    images = []
    for image_id, entry in tables[0].items():
        if not all(image_id in table for table in tables):
            continue
        places = _places([table[image_id]["seen"] for table in tables])
        if places:
            head = {key: entry[key] for key in ("image_id", "file_name", "boxes")}
            images.append({**head, "places": places})

    def rank(image: dict[str, Any]) -> tuple[float, float, int]:
        scores = [place["score"] for place in image["places"]]
        return -len(scores), -sum(scores), image["image_id"]

    return sorted(images, key=rank)


def _places(seen: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """What all cells see on an image. seen: the detections of each cell, by falling score."""
    first, *others = seen
    boxes = [np.array([entry["bbox"] for entry in entries], dtype=float) for entries in others]
    used: list[set[int]] = [set() for _ in others]
    places = []
    for entry in first:
        partners = []
        for entries, theirs, taken in zip(others, boxes, used, strict=True):
            overlap = iou_with(np.array(entry["bbox"], dtype=float), theirs)
            overlap[list(taken)] = 0.0
            best = int(overlap.argmax())
            if overlap[best] < SAME:
                break
            partners.append((entries[best], taken, best))
        if len(partners) < len(others):
            continue
        for _, taken, best in partners:
            taken.add(best)
        agreed = [entry, *(partner for partner, _, _ in partners)]
        detected, agree = Counter(each["class"] for each in agreed).most_common(1)[0]
        places.append(
            {
                "bbox": entry["bbox"],
                "detected": detected,
                "agree": agree,
                "score": min(each["score"] for each in agreed),
            }
        )
    return places
