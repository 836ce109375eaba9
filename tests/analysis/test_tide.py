"""Kinds of error, against results worked out by hand and those of the authors' tool."""

from __future__ import annotations

import numpy as np
import pytest
from scored_cases import (
    BOX,
    FAR,
    SECOND,
    SHIFTED,
    TOUCHING,
    A,
    B,
    detections,
    inspected,
    random_case,
    split,
)

from benchmarks.evaluation import generated, renumbered
from stages.analyse import describe
from stages.analysis import images, tide


def errors(tmp_path, boxes, *rows) -> dict:
    """Of a split with two classes, of which the second may have no box."""
    return describe(inspected(tmp_path, split(boxes), detections(*rows)))["errors"]


# boxes, detections, AP50 before, kind, AP50 gained: the other kinds gain nothing where `kind` is alone.
BY_HAND = {
    "another class": ([A], [(1, 2, BOX, 0.9)], 0, {"classification": 1}),
    "badly placed": ([A], [(1, 1, SHIFTED, 0.9)], 0, {"localisation": 1}),
    # Removing it leaves the box as missed as it was; a box less to find leaves nothing to find and nothing found.
    "both": ([A], [(1, 2, SHIFTED, 0.9)], 0, {"both": 0, "missed": 1}),
    # Right, wrong, right of two boxes: precision 1 to a recall of .5 (51 points of 101), then 2/3.
    "found again": (
        [A, (1, 1, SECOND)],
        [(1, 1, BOX, 0.9), (1, 1, BOX, 0.8), (1, 1, SECOND, 0.7)],
        (51 + 50 * 2 / 3) / 101,
        {"duplicate": 50 / 3 / 101},
    ),
    "background": ([A], [(1, 1, FAR, 0.9), (1, 1, BOX, 0.8)], 0.5, {"background": 0.5}),
    "hardly touching is background": (
        [A],
        [(1, 1, TOUCHING, 0.9), (1, 1, BOX, 0.8)],
        0.5,
        {"background": 0.5},
    ),
    "one of two found": ([A, (1, 1, SECOND)], [(1, 1, BOX, 0.9)], 51 / 101, {"missed": 50 / 101}),
    "nothing found": ([A, B], [], 0, {"missed": 1}),
    # Class 2 finds its own box after a wrong detection on class 1's. Mended, that one moves to class 1 and is right.
    "moves to its class": (
        [A, B],
        [(1, 2, BOX, 0.9), (1, 2, SECOND, 0.3)],
        0.25,
        {"classification": 0.75},
    ),
    # The box is found already: the mended one would be a duplicate and goes. Only class 2 gains, 1 - .5.
    "of a found box": (
        [A, B],
        [(1, 1, BOX, 0.5), (1, 2, BOX, 0.9), (1, 2, SECOND, 0.3)],
        0.75,
        {"classification": 0.25},
    ),
    # Two mean one box: the better one is mended, the other goes, and class 1 ends with one right detection.
    "two for one box": ([A], [(1, 1, SHIFTED, 0.9), (1, 1, SHIFTED, 0.8)], 0, {"localisation": 1}),
    # The localisation error is the better of the two, so mending classes alone makes no detection right.
    "two kinds for one box": (
        [A],
        [(1, 1, SHIFTED, 0.9), (1, 2, BOX, 0.8)],
        0,
        {"classification": 0, "localisation": 1},
    ),
    "inside a crowd nothing is wrong": (
        [A, (1, 1, FAR, 1)],
        [(1, 1, BOX, 0.5), (1, 1, [310, 310, 9, 9], 0.9)],
        1,
        {},
    ),
    "in a crowd of another class it is background": (
        [A, (1, 2, FAR, 1)],
        [(1, 1, FAR, 0.9), (1, 1, BOX, 0.8)],
        0.5,
        {"background": 0.5},
    ),
    # An overlap of exactly .5 with a box that is taken is a duplicate, of exactly .1 a localisation error.
    "half an overlap": (
        [(1, 1, [0, 0, 20, 10])],
        [(1, 1, [0, 0, 20, 10], 0.9), (1, 1, [0, 0, 10, 10], 0.8)],
        1,
        {"duplicate": 0},
    ),
    "a tenth of an overlap": (
        [(1, 1, [0, 0, 20, 10])],
        [(1, 1, [0, 0, 2, 10], 0.9)],
        0,
        {"localisation": 1},
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_kinds_by_hand(tmp_path, name):
    boxes, rows, before, gains = BY_HAND[name]
    found = errors(tmp_path, boxes, *rows)
    assert found["AP50"] == pytest.approx(before, abs=1e-12)
    assert found["dAP"] == pytest.approx({**dict.fromkeys(tide.ERROR_KINDS, 0), **gains}, abs=1e-12)
    assert {kind for kind, count in found["count"].items() if count} == set(gains)


def test_the_authors_tool_gives_the_same(tmp_path, shared):
    """The numbers are tidecv 1.0.1's; with ties or many detections an image it departs from COCO's AP50 itself."""
    coco = renumbered(shared / "data" / "recycling_annotations" / "val_3.json")
    results = generated(coco, 8, seed=3)
    for number, entry in enumerate(results):
        entry["score"] = round(entry["score"] + number * 1e-9, 12)
    found = describe(inspected(tmp_path, coco, results))["errors"]
    assert found["AP50"] == pytest.approx(0.1884373279228281, abs=1e-12)
    assert found["dAP"] == pytest.approx(
        dict(
            zip(
                tide.ERROR_KINDS,
                (
                    0.1431203029461611,
                    0.013775783439638686,
                    0.002112176584869978,
                    0.028329228159329,
                    0.003724563838718602,
                    0.19827070041014136,
                ),
            )
        ),
        abs=1e-12,
    )
    assert found["count"] == dict(zip(tide.ERROR_KINDS, (1301, 195, 311, 1407, 2872, 2520)))
    assert found["dAP_special"] == pytest.approx(
        {"false_positives": 0.20661217702766696, "false_negatives": 0.28714015933942105}, abs=1e-12
    )


def test_which_detection_means_which_box(tmp_path):
    one = inspected(
        tmp_path,
        split([A, (1, 3, BOX), (1, 1, SECOND)], classes=3),
        detections(
            (1, 2, BOX, 0.9),
            (1, 1, SHIFTED, 0.8),
            (1, 1, SECOND, 0.7),
            (1, 1, SECOND, 0.6),
            (1, 2, FAR, 0.5),
        ),
    )
    # Of two boxes in one place the first is meant; right and background mean none; a duplicate means the taken box.
    assert one.errors.kind.tolist() == [
        tide.CLASSIFICATION,
        tide.LOCALISATION,
        -1,
        tide.DUPLICATE,
        tide.BACKGROUND,
    ]
    assert one.errors.target.tolist() == [0, 0, -1, 2, -1]
    assert one.errors.missed.tolist() == [False, True, False]


@pytest.mark.parametrize("seed", range(20))
def test_every_detection_and_box_is_accounted_for(tmp_path, seed):
    one = inspected(tmp_path, *random_case(seed))
    wrong = one.evaluated.counted & (one.evaluated.box < 0)
    assert np.array_equal(one.errors.kind >= 0, wrong)
    found = describe(one)
    assert sum(list(found["errors"]["count"].values())[:-1]) == wrong.sum()
    for kind in tide.ERROR_KINDS:
        assert (
            sum(row[kind] for row in found["errors"]["per_class"]) == found["errors"]["count"][kind]
        )
    assert found["errors"]["AP50"] in (
        None,
        pytest.approx(found["metrics"]["bbox_mAP_50"], abs=1e-9),
    )
    low = images.per_image(one, score=0.0)
    assert all(
        sum(image["errors"].values()) == image["wrong"] + image["errors"]["missed"] for image in low
    )
    assert sum(image["right"] for image in low) == (one.evaluated.box >= 0).sum()
