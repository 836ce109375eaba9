"""Confusion and calibration, against results worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scored_cases import BOX, FAR, SECOND, A, B, detections, inspected, random_case, split

from stages.analysis import quality


def matrix(tmp_path, boxes, *rows, score=0.5) -> list[list[int]]:
    one = inspected(tmp_path, split(boxes), detections(*rows))
    return quality.confusion(one, score)["matrix"]


def test_confusion_by_hand(tmp_path):
    boxes = [A, B, (2, 1, BOX), (2, 2, FAR)]
    rows = [
        (1, 1, BOX, 0.9),
        (1, 1, SECOND, 0.8),
        (1, 2, FAR, 0.7),
        (1, 1, BOX, 0.6),
        (2, 1, BOX, 0.4),
    ]
    # Class 1: one right, the other's detection scores too low. Class 2: one taken for class 1, one not found.
    assert matrix(tmp_path, boxes, *rows) == [[1, 0, 1], [1, 0, 1], [1, 1, 0]]
    assert matrix(tmp_path, boxes, *rows, score=0.4) == [[2, 0, 0], [1, 0, 1], [1, 1, 0]]
    # The higher score takes the box, whatever its class; the detection of the right class is left over.
    assert matrix(tmp_path, [A], (1, 1, BOX, 0.8), (1, 2, BOX, 0.9)) == [
        [0, 1, 0],
        [0, 0, 0],
        [1, 0, 0],
    ]
    # The closer box is taken first, then the other.
    near = [14.0, 10, 40, 40]
    assert matrix(tmp_path, [A, (1, 2, near)], (1, 2, near, 0.9), (1, 1, near, 0.8)) == [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 0],
    ]
    # In a crowd nothing is false, and a crowd is no box to find.
    assert matrix(tmp_path, [A, (1, 2, FAR, 1)], (1, 1, [310, 310, 9, 9], 0.9)) == [
        [0, 0, 1],
        [0, 0, 0],
        [0, 0, 0],
    ]
    assert matrix(tmp_path, [A]) == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("seed", range(10))
def test_confusion_rows_are_the_boxes_and_columns_the_detections(tmp_path, seed):
    coco, results = random_case(seed, crowds=False)
    one = inspected(tmp_path, coco, results)
    found = np.array(quality.confusion(one, 0.5)["matrix"])
    assert np.array_equal(found[:-1].sum(axis=1), one.truth.boxes_per_class())
    strong = one.detections.category[one.detections.score >= 0.5]
    assert np.array_equal(found[:, :-1].sum(axis=0), np.bincount(strong, minlength=4))


def test_calibration_by_hand(tmp_path):
    one = inspected(
        tmp_path,
        split([A, (1, 1, SECOND)]),
        detections((1, 1, BOX, 0.5), (1, 1, FAR, 0.5), (1, 1, SECOND, 0.9), (1, 1, FAR, 0.7)),
    )
    found = quality.calibration(one, bins=2)
    # A score of .5 belongs to (0, .5]: confidence .5, precision .5. Above: confidence .8, precision .5.
    assert [row["detections"] for row in found["bins"]] == [2, 2]
    assert [row["confidence"] for row in found["bins"]] == pytest.approx([0.5, 0.8])
    assert [row["precision"] for row in found["bins"]] == [0.5, 0.5]
    assert found["ECE"] == pytest.approx(0.15) and found["MCE"] == pytest.approx(0.3)
    assert [(row["low"], row["high"]) for row in found["bins"]] == [(0, 0.5), (0.5, 1)]
    assert [row["ECE"] for row in found["per_class"]] == [pytest.approx(0.15), None]
    assert [row["detections"] for row in found["per_class"]] == [4, 0]
    ten = quality.calibration(one, bins=10)
    # .7 is the end of the seventh bin, though 10 x .7 is above 7 in floating point.
    assert [row["detections"] for row in ten["bins"]] == [0, 0, 0, 0, 2, 0, 1, 0, 1, 0]
    assert ten["bins"][0]["confidence"] is None
    assert ten["ECE"] == pytest.approx((2 * 0 + 0.7 + 0.1) / 4)
