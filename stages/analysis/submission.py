"""The study's submission file: a cell's detections on images without labels, for a leaderboard.

CSV with the columns PredictionString,image_id and a row for each image. PredictionString is
"label score xmin ymin xmax ymax " for each detection, by falling score; labels count from 0 in the
order of the classes, corners are pixels of the original image, image_id is the image's file name.
It is empty where nothing is detected.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.errors import InputError
from stages.files import replacing
from stages.scoring.tables import Truth, read_detections, read_truth

COLUMNS = ["PredictionString", "image_id"]
# Corners are written to a hundredth of a pixel.
_SLACK = 0.01


def write(path: Path, annotations: str | Path, results: Sequence[Mapping[str, Any]]) -> None:
    """annotations: COCO file of the split, with its images and classes; results: COCO's results
    format.

    Corners are clipped to the image. Raises InputError where either cannot be read (see tables.py).
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
        writer.writerow(COLUMNS)
        writer.writerows(zip(strings, truth.files))


def read(path: Path, annotations: str | Path) -> list[dict[str, Any]]:
    """The detections of a submission in COCO's results format, in the file's order.

    annotations: COCO file of the split that it should be for. Raises InputError that names the
    file's row where the columns are others, an image is unknown, missing or there twice, or a
    detection is not six numbers, has a label outside 0 to the number of classes less 1, a score
    outside 0 to 1, or corners out of order or outside the image.
    """
    truth, sizes = read_truth(annotations), _sizes(annotations)
    number = {name: int(image) for name, image in zip(truth.files, truth.image_ids)}
    results: list[dict[str, Any]] = []
    names: set[str] = set()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        raise InputError(f"{path}: no such submission") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: no CSV file ({error})") from None
    if not rows or rows[0] != COLUMNS:
        raise InputError(f"{path}: the first row is not {','.join(COLUMNS)}")
    for place, row in enumerate(rows[1:], 2):
        if len(row) != len(COLUMNS):
            raise InputError(f"{path}: row {place} has {len(row)} columns, not {len(COLUMNS)}")
        string, name = row
        if name not in number:
            raise InputError(
                f"{path}: row {place} names {name!r}, which is no image of {annotations}"
            )
        if name in names:
            raise InputError(f"{path}: row {place} names {name!r} a second time")
        names.add(name)
        for label, score, box in _detections(string, f"{path}: row {place}", truth, sizes[name]):
            results.append(
                {
                    "image_id": number[name],
                    "category_id": int(truth.category_ids[label]),
                    "bbox": box,
                    "score": score,
                }
            )
    missing = [name for name in truth.files if name not in names]
    if missing:
        raise InputError(
            f"{path}: {len(missing)} of {len(truth.files)} images have no row, "
            f"{missing[0]!r} for one"
        )
    return results


def _detections(
    string: str, place: str, truth: Truth, size: tuple[float, float]
) -> list[tuple[int, float, list[float]]]:
    try:
        values = np.array(string.split(), dtype=float)
    except ValueError:
        raise InputError(f"{place}: its PredictionString is not numbers alone") from None
    if values.size % 6:
        raise InputError(f"{place}: {values.size} numbers are not a multiple of six")
    width, height = size
    result = []
    for label, score, xmin, ymin, xmax, ymax in values.reshape(-1, 6).tolist():
        if label not in range(len(truth.classes)):
            raise InputError(
                f"{place}: label {label:g} is not a number from 0 to {len(truth.classes) - 1}"
            )
        if not 0 <= score <= 1:
            raise InputError(f"{place}: score {score:g} is outside 0 to 1")
        # Written so that a NaN fails too.
        within = 0 <= xmin <= xmax <= width + _SLACK and 0 <= ymin <= ymax <= height + _SLACK
        if not within:
            raise InputError(
                f"{place}: box {xmin:g} {ymin:g} {xmax:g} {ymax:g} is not within "
                f"0 0 {width:g} {height:g}"
            )
        result.append((int(label), score, [xmin, ymin, xmax - xmin, ymax - ymin]))
    return result


def _sizes(annotations: str | Path) -> dict[str, tuple[float, float]]:
    """Width and height of each image in pixels."""
    content = json.loads(Path(annotations).read_bytes())
    sizes = {}
    try:
        for image in content["images"]:
            sizes[image["file_name"]] = (image["width"], image["height"])
    except KeyError as error:
        raise InputError(f"{annotations}: an image lacks {error}") from None
    return sizes
