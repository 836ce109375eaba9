"""Labels to look at again: boxes whose class every good cell contradicts, and images on which every
good cell detects objects that nobody has labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from stages.analysis.tide import Inspection
from stages.scoring.tables import iou_with

# What overlaps a labelled box by no more than this is somewhere else; TIDE's .1 would leave out
# whatever stands close to a neighbour.
ELSEWHERE = 0.3
# Detections that overlap by this are of the same thing, whatever their classes.
SAME = 0.5
# A detection with this share of its area in a box of its class is of that object.
PART = 0.5


def suspects(inspected: Inspection, score: float) -> list[dict[str, Any]]:
    """[{box_id, image_id, file_name, class, bbox, detected, score, iou}], plain, by falling score.

    A box is contradicted where a detection of another class with at least `score` overlaps it by at
    least SAME and matches no box of its own class, and no detection of the box's class with at
    least `score` overlaps it so. `detected` is the class with the highest such score. Lower scores
    of the box's own class do not clear it: nearly every box has one. Crowds have no class to doubt.
    """
    truth, detections, pairs = inspected.truth, inspected.detections, inspected.pairs
    strong = inspected.shown(score)[pairs.detection]
    close = np.flatnonzero(strong & (pairs.iou >= SAME) & ~truth.crowd[pairs.box])
    detection, box = pairs.detection[close], pairs.box[close]
    same = detections.category[detection] == truth.category[box]
    confirmed = np.zeros(len(truth.ids), dtype=bool)
    confirmed[box[same]] = True
    against = np.flatnonzero(~same & ~confirmed[box] & (inspected.evaluated.box[detection] < 0))
    overlap = pairs.iou[close]
    # The highest score first, of equals the closest.
    ranks = (box[against], -overlap[against], -detections.score[detection[against]])
    order = against[np.lexsort(ranks)]
    _, first = np.unique(box[order], return_index=True)
    entries = []
    for pair in order[np.sort(first)]:
        labelled, detected = box[pair], detection[pair]
        image = truth.image[labelled]
        entries.append(
            {
                "box_id": int(truth.ids[labelled]),
                "image_id": int(truth.image_ids[image]),
                "file_name": truth.files[image],
                "class": truth.classes[truth.category[labelled]],
                "bbox": truth.boxes[labelled].tolist(),
                "detected": truth.classes[detections.category[detected]],
                "score": float(detections.score[detected]),
                "iou": float(overlap[pair]),
            }
        )
    return entries


def combine(cells: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Boxes that every cell contradicts. cells: suspects() of each good cell by its name, of one
    split.

    [{box_id, image_id, file_name, class, bbox, detected, agree, score, cells: {cell: class}}],
    plain: detected is the class that most cells detect (the first of equals by name of the cell),
    agree how many detect it, score the lowest of their highest scores. First those on which most
    agree, then by score. Empty with fewer than two cells.
    """
    result = []
    for entries in _of_all(cells, "box_id"):
        classes = [entry["detected"] for entry in entries]
        head = {
            key: entries[0][key] for key in ("box_id", "image_id", "file_name", "class", "bbox")
        }
        by_cell = dict(zip(sorted(cells), classes))
        result.append({**head, **_agreement(classes, entries), "cells": by_cell})
    return sorted(result, key=lambda entry: (-entry["agree"], -entry["score"], entry["box_id"]))


def unlabelled(inspected: Inspection, score: float) -> list[dict[str, Any]]:
    """What a cell detects with at least `score` where no box is labelled.

    [{image_id, file_name, boxes, seen: [{class, bbox, score}]}], plain, by image id; images without
    such a detection are absent. boxes: how many are labelled; seen: by falling score, of detections
    of the same object the first. Nothing within a crowd counts, nor what lies by half or more within
    a box of its own class: it is a part of that object.
    """
    truth, detections, pairs = inspected.truth, inspected.detections, inspected.pairs
    free = inspected.shown(score)
    free[pairs.detection[(pairs.iou > ELSEWHERE) | _parts(inspected)]] = False
    order = detections.ranking()
    by_image: dict[int, list[int]] = {}
    for index in order[free[order]].tolist():
        kept = by_image.setdefault(int(detections.image[index]), [])
        if not (iou_with(detections.boxes[index], detections.boxes[kept]) >= SAME).any():
            kept.append(index)
    boxes = np.bincount(truth.image[~truth.crowd], minlength=len(truth.image_ids))
    images = []
    for image, kept in sorted(by_image.items()):
        objects = []
        for index in kept:
            objects.append(
                {
                    "class": truth.classes[detections.category[index]],
                    "bbox": detections.boxes[index].tolist(),
                    "score": float(detections.score[index]),
                }
            )
        images.append(
            {
                "image_id": int(truth.image_ids[image]),
                "file_name": truth.files[image],
                "boxes": int(boxes[image]),
                "seen": objects,
            }
        )
    return images


def _parts(inspected: Inspection) -> np.ndarray:
    """(P,) bool: the pairs whose detection lies by PART or more within a box of its own class."""
    truth, detections, pairs = inspected.truth, inspected.detections, inspected.pairs
    own = detections.boxes[pairs.detection, 2:].prod(axis=1)
    labelled = truth.boxes[pairs.box, 2:].prod(axis=1)
    # From iou = common / (own + labelled - common).
    common = pairs.iou * (own + labelled) / (1 + pairs.iou)
    same = detections.category[pairs.detection] == truth.category[pairs.box]
    return same & ~truth.crowd[pairs.box] & (common >= PART * own)


def unlabelled_by_all(
    cells: Mapping[str, Sequence[Mapping[str, Any]]],
) -> list[dict[str, Any]]:
    """Images on which every cell detects the same object where no box is labelled.

    cells: unlabelled() of each good cell by its name, of one split. [{image_id, file_name, boxes,
    places: [{bbox, detected, agree, score}]}], plain: detected is the class that most cells detect
    (the first of equals by name of the cell), agree how many detect it, score the lowest of their
    scores, bbox that of the first cell. First the images with most places, then those with the
    highest scores. Empty with fewer than two cells.
    """
    images = []
    for entries in _of_all(cells, "image_id"):
        places = _places([entry["seen"] for entry in entries])
        if places:
            head = {key: entries[0][key] for key in ("image_id", "file_name", "boxes")}
            images.append({**head, "places": places})

    def rank(image: dict[str, Any]) -> tuple[float, float, int]:
        scores = [place["score"] for place in image["places"]]
        return -len(scores), -sum(scores), image["image_id"]

    return sorted(images, key=rank)


def _places(detections: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """What all cells detect on an image. detections: those of each cell, by falling score."""
    first, *rest = detections
    boxes = []
    for entries in rest:
        boxes.append(np.array([entry["bbox"] for entry in entries], dtype=float))
    # By cell of `rest`: the detections that a place has already.
    matched: list[set[int]] = [set() for _ in rest]
    places = []
    for entry in first:
        partners = _partners(np.array(entry["bbox"], dtype=float), boxes, matched)
        if partners is None:
            continue
        agreed = [entry]
        for entries, partner, indices in zip(rest, partners, matched, strict=True):
            agreed.append(entries[partner])
            indices.add(partner)
        classes = [detection["class"] for detection in agreed]
        places.append({"bbox": entry["bbox"], **_agreement(classes, agreed)})
    return places


def _partners(
    box: np.ndarray, boxes: list[np.ndarray], matched: list[set[int]]
) -> list[int] | None:
    """Of each cell the detection that overlaps `box` most and is not matched yet; None where a cell
    has none of the same object."""
    partners = []
    for cell_boxes, indices in zip(boxes, matched, strict=True):
        overlap = iou_with(box, cell_boxes)
        overlap[list(indices)] = 0.0
        best = int(overlap.argmax())
        if overlap[best] < SAME:
            return None
        partners.append(best)
    return partners


def _of_all(
    cells: Mapping[str, Sequence[Mapping[str, Any]]], key: str
) -> Iterator[list[Mapping[str, Any]]]:
    """What the cells, by name, say of each box or image that all of them list. Of fewer than two
    cells nothing: a single one may as well be wrong itself."""
    if len(cells) < 2:
        return
    tables = []
    for name in sorted(cells):
        tables.append({entry[key]: entry for entry in cells[name]})
    for number in tables[0]:
        if all(number in table for table in tables):
            yield [table[number] for table in tables]


def _agreement(classes: list[str], entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The class that most cells detect, how many do, and the lowest score."""
    detected, agree = Counter(classes).most_common(1)[0]
    return {
        "detected": detected,
        "agree": agree,
        "score": min(entry["score"] for entry in entries),
    }
