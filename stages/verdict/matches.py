"""Which detections of a cell are right at each IoU and box size, once per cell, as pycocotools'
COCOeval decides it.

hotcoco evaluates faster than this but shows its matches at one IoU only, and as Python dicts; the
bootstrap needs them at all ten, as arrays. pycocotools is the oracle of the tests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.scoring.engine import AREAS, IOUS
from stages.scoring.tables import Detections, Truth, overlaps


@dataclass(frozen=True)
class Ranked:
    """The detections of one class over all images by falling score, equal scores by image and then
    as given; of an image only the best Truth.max_detections.

    image (D,) int64: positions as in Truth; finds, counted (4 AREAS, 10 IOUS, D) bool: whether the
    detection finds a box of this size, and whether it counts at all, right or wrong. What lies in a
    crowd, finds a box of another size, or finds none and is itself of another size, does not count.
    """

    image: np.ndarray
    finds: np.ndarray
    counted: np.ndarray


@dataclass(frozen=True)
class Matches:
    """A cell on a split. classes: a Ranked for each of Truth.classes; boxes (K, 4 AREAS, I) int32:
    how many boxes of a class and size an image has, crowds left out."""

    classes: tuple[Ranked, ...]
    boxes: np.ndarray


def match_detections(truth: Truth, detections: Detections) -> Matches:
    """COCO's greedy matching (pycocotools, COCOeval.evaluateImg): within an image and a class, by
    falling score, each detection takes the free box with the largest IoU of at least the threshold,
    the last of equals; boxes that do not count (crowds, which are never used up, and other sizes)
    only where no other is free.
    """
    images, classes = len(truth.image_ids), len(truth.classes)
    low, high = np.array(list(AREAS.values())).T[:, :, None]
    outside = (truth.area < low) | (truth.area > high)
    ignored = outside | truth.crowd
    boxes = np.zeros((classes, len(AREAS), images), dtype=np.int32)
    for size in range(len(AREAS)):
        np.add.at(boxes[:, size], (truth.category[~ignored[size]], truth.image[~ignored[size]]), 1)
    order, within = _ranking(detections, images)
    area = detections.boxes[:, 2] * detections.boxes[:, 3]
    matched, finds = _assign(truth, detections, within, ignored)
    outside_size = (area < low) | (area > high)
    counted = finds | ~(matched | outside_size[:, None, :])
    ranked = []
    kept = order[within[order] < truth.max_detections]
    for index in range(classes):
        rows = kept[detections.category[kept] == index]
        rows = rows[np.argsort(-detections.score[rows], kind="stable")]
        ranked.append(Ranked(detections.image[rows], finds[:, :, rows], counted[:, :, rows]))
    return Matches(tuple(ranked), boxes)


def _ranking(detections: Detections, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows by class, image, falling score; and (D,) each one's rank in its class and image."""
    group = detections.category * images + detections.image
    order = np.lexsort((-detections.score, group))
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    within = np.empty(len(order), dtype=np.int64)
    within[order] = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
    return order, within


def _assign(
    truth: Truth, detections: Detections, rank: np.ndarray, ignored: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(4 AREAS, 10 IOUS, D) bool, twice: which detections take a box, and which one that counts.

    rank (D,): in the class and image; ignored (4 AREAS, boxes): those that do not count.
    """
    pairs = overlaps(truth, detections)
    near = np.flatnonzero(
        (truth.category[pairs.box] == detections.category[pairs.detection])
        & (pairs.iou >= IOUS[0])
        & (rank[pairs.detection] < truth.max_detections)
    )
    detection, box, iou = pairs.detection[near], pairs.box[near], pairs.iou[near]
    matched = np.zeros((len(AREAS), len(IOUS), len(rank)), dtype=bool)
    finds = np.zeros_like(matched)
    free = np.ones((len(AREAS), len(IOUS), len(truth.ids)), dtype=bool)
    # A round has at most one detection of an image and class, the better first.
    order = np.argsort(rank[detection], kind="stable")
    rounds = np.split(order, np.flatnonzero(np.diff(rank[detection][order], prepend=-1)))
    for rows in rounds[1:]:
        detections_of_pairs, boxes_of_pairs, overlap = detection[rows], box[rows], iou[rows]
        first = np.flatnonzero(np.diff(detections_of_pairs, prepend=-1))
        length = np.diff(first, append=len(detections_of_pairs))
        open_to = free[:, :, boxes_of_pairs] & (overlap >= IOUS[:, None])
        counts = ~ignored[:, None, boxes_of_pairs]
        # A box that counts goes before one that does not, whatever their overlaps.
        proper = np.logical_or.reduceat(open_to & counts, first, axis=2)
        candidate = open_to & (counts | ~np.repeat(proper, length, axis=2))
        value = np.where(candidate, overlap, -1.0)
        best = np.repeat(np.maximum.reduceat(value, first, axis=2), length, axis=2)
        chosen = np.maximum.reduceat(
            np.where(candidate & (value == best), np.arange(len(detections_of_pairs)), -1),
            first,
            axis=2,
        )
        size, threshold, winner = np.nonzero(chosen >= 0)
        won = boxes_of_pairs[chosen[size, threshold, winner]]
        matched[size, threshold, detections_of_pairs[first[winner]]] = True
        finds[size, threshold, detections_of_pairs[first[winner]]] = ~ignored[size, won]
        free[size, threshold, won] = truth.crowd[won]
    return matched, finds
