"""How a cell does on each image, on which it does worst, and its detections image by image as the
study's leaderboard takes them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.analysis.tide import ERROR_KINDS, MISSED, Inspection
from stages.errors import InputError
from stages.files import read_json, replacing
from stages.scoring.tables import read_detections, read_truth


def per_image(inspected: Inspection, score: float) -> list[dict[str, Any]]:
    """[{image_id, file_name, boxes, right, wrong, not_found, f1, errors: {ERROR_KINDS: count}}],
    plain, by image id.

    At IoU .5, of detections with at least `score`. f1: 2 right / (2 right + wrong + not_found),
    None where there is nothing to find and nothing detected. errors: the kinds (tide.py) of what is
    wrong; "missed" are boxes that no detection of any score matches or means, so not_found is
    larger. Of images without labels all but the first three are None where the whole split has
    none.
    """
    truth, detections = inspected.truth, inspected.detections
    evaluated, errors = inspected.evaluated, inspected.errors
    count = len(truth.image_ids)
    counted = inspected.shown(score)
    boxes = _count(truth.image[~truth.crowd], count)
    right = _count(detections.image[counted & (evaluated.box >= 0)], count)
    wrong = _count(detections.image[counted & (evaluated.box < 0)], count)
    kinds = []
    for index in range(MISSED):
        kinds.append(_count(detections.image[counted & (errors.kind == index)], count))
    kinds.append(_count(truth.image[errors.missed], count))
    labelled = any(boxes)
    rows = []
    for index, number in enumerate(truth.image_ids.tolist()):
        row = {"image_id": number, "file_name": truth.files[index], "boxes": boxes[index]}
        row.update(dict.fromkeys(("right", "wrong", "not_found", "f1", "errors")))
        if labelled:
            row.update(
                right=right[index],
                wrong=wrong[index],
                not_found=boxes[index] - right[index],
                errors={kind: numbers[index] for kind, numbers in zip(ERROR_KINDS, kinds)},
            )
            total = boxes[index] + right[index] + wrong[index]
            if total:
                row["f1"] = 2 * right[index] / total
        rows.append(row)
    return rows


def _count(images: np.ndarray, count: int) -> list[int]:
    """How often each of `count` images is in `images`."""
    return np.bincount(images, minlength=count).tolist()


def worst(images: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The `count` images of per_image() with the most wrong and not found boxes together, then by
    F1, then by id.

    Images without an error are never among them. By errors rather than by F1, which a single box
    that is not found sets to 0.
    """
    faulty = []
    for image in images:
        if image["right"] is not None and image["wrong"] + image["not_found"]:
            faulty.append(image)
    faulty.sort(
        key=lambda image: (-image["wrong"] - image["not_found"], image["f1"], image["image_id"])
    )
    return faulty[:count]


def write_submission(path: Path, annotations: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """CSV with the columns PredictionString,image_id and a row for each image of a split that may
    be without labels.

    PredictionString is "label score xmin ymin xmax ymax " for each detection, by falling score, or
    empty; labels count from 0 in the order of the classes, corners are pixels of the original
    image, clipped to it, image_id is the image's file name. annotations: COCO file of the split;
    results: COCO's results format. Raises InputError where either cannot be read (see tables.py).
    """
    truth, sizes = read_truth(annotations), _sizes(annotations)
    detections = read_detections(results, truth)
    low = detections.boxes[:, :2]
    corners = np.concatenate([low, low + detections.boxes[:, 2:]], axis=1)
    limits = np.array([sizes[name] for name in truth.files], dtype=float).reshape(-1, 2)
    corners = np.clip(corners, 0, np.tile(limits[detections.image], 2))
    strings = [""] * len(truth.files)
    for index in detections.ranking():
        xmin, ymin, xmax, ymax = corners[index]
        strings[detections.image[index]] += (
            f"{detections.category[index]} {detections.score[index]:.6f} "
            f"{xmin:.2f} {ymin:.2f} {xmax:.2f} {ymax:.2f} "
        )
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["PredictionString", "image_id"])
        writer.writerows(zip(strings, truth.files))


def _sizes(annotations: Path) -> dict[str, tuple[float, float]]:
    """Width and height of each image in pixels."""
    content = read_json(annotations)
    sizes = {}
    try:
        for image in content["images"]:
            sizes[image["file_name"]] = (image["width"], image["height"])
    except KeyError as error:
        raise InputError(f"{annotations}: an image lacks {error}") from None
    return sizes
