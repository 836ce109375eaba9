"""A split's annotations and a cell's detections as columns, and the overlaps of boxes with
detections."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.errors import InputError
from stages.study.metrics import MAX_DETECTIONS

# Pairs of a detection and a box that are compared at once: 4 million take some 300 MB.
_PAIRS = 4_000_000


@dataclass(frozen=True)
class Truth:
    """The annotations of a split. Images and classes are in the order of their ids, boxes in the
    file's order.

    image_ids (I,), files (I), category_ids (K,), classes (K), ids (N,) of the boxes; image (N,) and
    category (N,) are positions in the former; boxes (N, 4): x, y, width, height in pixels; area
    (N,) in pixels; crowd (N,): bool. max_detections: how many detections of a class in an image
    count, those with the highest scores.
    """

    image_ids: np.ndarray
    files: list[str]
    category_ids: np.ndarray
    classes: list[str]
    ids: np.ndarray
    image: np.ndarray
    category: np.ndarray
    boxes: np.ndarray
    area: np.ndarray
    crowd: np.ndarray
    max_detections: int = MAX_DETECTIONS

    def boxes_per_class(self) -> np.ndarray:
        """(K,): the boxes that a detector has to detect; crowds are none of them."""
        return np.bincount(self.category[~self.crowd], minlength=len(self.classes))


@dataclass(frozen=True)
class Detections:
    """image (D,), category (D,): positions as in Truth; boxes (D, 4): x, y, width, height in
    pixels; score (D,)."""

    image: np.ndarray
    category: np.ndarray
    boxes: np.ndarray
    score: np.ndarray

    def ranking(self) -> np.ndarray:
        """(D,): positions by falling score; equal scores by image, then in the order of the
        results, which is COCO's order."""
        by_image = np.argsort(self.image, kind="stable")
        return by_image[np.argsort(-self.score[by_image], kind="stable")]


@dataclass(frozen=True)
class Pairs:
    """Every detection with every box of its image that it touches, by detection, then by box.

    detection (P,), box (P,): positions; iou (P,): intersection over union, and over the detection's
    area where the box is a crowd, as COCO has it.
    """

    detection: np.ndarray
    box: np.ndarray
    iou: np.ndarray

    def best(self, chosen: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Of each of `count` detections the largest overlap among the `chosen` (P,) pairs, and its
        box, the first of equals: iou (D,), 0 where there is none; box (D,), -1 where there is none.
        """
        detection, box, iou = self.detection[chosen], self.box[chosen], self.iou[chosen]
        order = np.lexsort((-box, iou, detection))
        last = order[np.flatnonzero(np.diff(detection[order], append=-1))]
        largest, nearest = np.zeros(count), np.full(count, -1)
        largest[detection[last]] = iou[last]
        nearest[detection[last]] = box[last]
        return largest, nearest


def read_truth(path: str | Path) -> Truth:
    """The COCO file of a split as stage prepare writes it; without annotations where the split has
    no labels.

    Raises InputError where it is missing or no such file, or numbers anything from less than 1.
    """
    try:
        coco = json.loads(Path(path).read_bytes())
        images = sorted(coco["images"], key=lambda image: image["id"])
        categories = sorted(coco["categories"], key=lambda category: category["id"])
        entries = coco.get("annotations", [])
        image_ids = _integers(images, "id")
        category_ids = _integers(categories, "id")
        ids = _integers(entries, "id")
        image = _positions(_integers(entries, "image_id"), image_ids)
        category = _positions(_integers(entries, "category_id"), category_ids)
        boxes = np.array(_column(entries, "bbox"), dtype=float).reshape(-1, 4)
        crowd = [entry.get("iscrowd", 0) for entry in entries]
        truth = Truth(
            image_ids,
            _column(images, "file_name"),
            category_ids,
            _column(categories, "name"),
            ids,
            image,
            category,
            boxes,
            np.array(_column(entries, "area"), dtype=float),
            np.array(crowd, dtype=bool),
            int((coco.get("info") or {}).get("max_detections", MAX_DETECTIONS)),
        )
    except FileNotFoundError:
        raise InputError(f"{path}: no such annotation file; run dvc repro prepare") from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: no COCO file as stage prepare writes it ({_line(error)}); run dvc repro "
            "prepare"
        ) from None
    for name, numbers in (("image", image_ids), ("category", category_ids), ("annotation", ids)):
        # Evaluators in use take number 0 for "nothing matched".
        if numbers.size and (numbers.min() < 1 or np.unique(numbers).size != numbers.size):
            raise InputError(
                f"{path}: {name} ids are not different numbers from 1; run dvc repro prepare"
            )
    if (image < 0).any() or (category < 0).any():
        at = int(np.flatnonzero((image < 0) | (category < 0))[0])
        raise InputError(
            f"{path}: annotation {ids[at]} names an image or a category that the file lacks"
        )
    return truth


def read_detections(results: Sequence[Mapping[str, Any]], truth: Truth) -> Detections:
    """results: COCO's results format (image_id, category_id, bbox [x, y, width, height] in pixels,
    score); may be [].

    Raises InputError where an entry lacks a key, names an unknown image or category, has a number
    that is not finite, a negative size or a score outside 0 to 1.
    """
    numbers = []
    try:
        for entry in results:
            numbers.append(
                (entry["image_id"], entry["category_id"], entry["score"], *entry["bbox"])
            )
        rows = np.array(numbers, dtype=float).reshape(-1, 7)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"detections: not in COCO's results format ({_line(error)})") from None
    if len(rows) != len(results):
        raise InputError("detections: not in COCO's results format (a bbox is x, y, width, height)")
    image = _positions(rows[:, 0], truth.image_ids)
    category = _positions(rows[:, 1], truth.category_ids)
    score, boxes = rows[:, 2], rows[:, 3:]
    for wrong, fault in (
        (image < 0, "names an image that the split lacks"),
        (category < 0, "names a category that the split lacks"),
        (~np.isfinite(rows).all(axis=1), "has a number that is not finite"),
        ((boxes[:, 2:] < 0).any(axis=1), "has a negative width or height"),
        ((score < 0) | (score > 1), "has a score outside 0 to 1"),
    ):
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise InputError(f"detections: entry {at} {fault}: {_line(results[at])}")
    return Detections(image, category, boxes, score)


def overlaps(truth: Truth, detections: Detections) -> Pairs:
    """The pairs of detections and boxes of one image with an overlap above 0."""
    order = np.argsort(truth.image, kind="stable")
    number = np.bincount(truth.image, minlength=len(truth.image_ids))
    first = np.cumsum(number) - number
    length = number[detections.image]
    # In parts of whole detections, so that crowded splits need no memory for all pairs at once.
    part = np.cumsum(length) // _PAIRS
    if not len(part):
        return Pairs(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
    parts = []
    for index in range(int(part[-1]) + 1):
        rows = np.flatnonzero(part == index)
        parts.append(_touching(truth, detections, rows, length, first, order))
    return Pairs(*map(np.concatenate, zip(*parts)))


def iou_with(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(M,): intersection over union of a box (4,) with boxes (M, 4): x, y, width, height in
    pixels."""
    boxes = boxes.reshape(-1, 4)
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:], boxes[:, :2] + boxes[:, 2:])
    common = np.clip(high - low, 0, None).prod(axis=1)
    union = box[2:].prod() + boxes[:, 2:].prod(axis=1) - common
    # Two boxes without an area share nothing.
    return common / np.maximum(union, 1e-12)


def _touching(
    truth: Truth,
    detections: Detections,
    rows: np.ndarray,
    length: np.ndarray,
    first: np.ndarray,
    order: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """detection, box and iou of the pairs of the detections `rows`.

    length (D,): boxes on the image of each detection; first (I,): where an image's boxes begin in
    `order` (N,), the boxes by image.
    """
    length = length[rows]
    detection = np.repeat(rows, length)
    within = np.arange(len(detection)) - np.repeat(np.cumsum(length) - length, length)
    box = order[first[detections.image[detection]] + within]
    x, y, width, height = _columns(detections.boxes, detection)
    box_x, box_y, box_width, box_height = _columns(truth.boxes, box)
    across = np.minimum(x + width, box_x + box_width) - np.maximum(x, box_x)
    down = np.minimum(y + height, box_y + box_height) - np.maximum(y, box_y)
    touch = np.flatnonzero((across > 0) & (down > 0))
    detection, box, common = detection[touch], box[touch], (across * down)[touch]
    own = (width * height)[touch]
    union = own + (box_width * box_height)[touch] - common
    return detection, box, common / np.where(truth.crowd[box], own, union)


def _columns(boxes: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """The columns of boxes[rows] one at a time: gathering whole rows takes twice as long."""
    return [np.ascontiguousarray(column)[rows] for column in boxes.T]


def _column(entries: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    return [entry[key] for entry in entries]


def _integers(entries: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    return np.array(_column(entries, key), dtype=np.int64)


def _positions(values: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Where each value stands in `ids`, which rise; -1 where it does not."""
    if not len(ids):
        return np.full(len(values), -1)
    at = np.minimum(np.searchsorted(ids, values), len(ids) - 1)
    return np.where(ids[at] == values, at, -1)


def _line(value: Any) -> str:
    text = str(value)
    if isinstance(value, Exception):
        text = f"{type(value).__name__}: {text}"
    return " ".join(text.split())[:200]
