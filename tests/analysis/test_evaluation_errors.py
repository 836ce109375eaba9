"""Kinds of error, confusion, calibration, images and suspects, against results worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scored_cases import BOX, detections, inspected, random_case, split

from benchmarks.evaluation import generated, renumbered
from stages.analysis import calibration, confusion, depth, images, suspects, tide

# IoU with BOX: SHIFTED 1/3, TOUCHING 1/19, FAR 0.
SHIFTED, TOUCHING, FAR, SECOND = (
    [30.0, 10, 40, 40],
    [46.0, 10, 40, 40],
    [300.0, 300, 40, 40],
    [10.0, 200, 40, 40],
)


def errors(tmp_path, boxes, *rows) -> dict:
    """Of a split with two classes, of which the second may have no box."""
    return depth.describe(inspected(tmp_path, split(boxes), detections(*rows)))["errors"]


# boxes, detections, AP50 before, kind, AP50 gained: the other kinds gain nothing where `kind` is alone.
A, B = (1, 1, BOX), (1, 2, SECOND)
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
    assert found["dAP"] == pytest.approx({**dict.fromkeys(tide.KINDS, 0), **gains}, abs=1e-12)
    assert {kind for kind, count in found["count"].items() if count} == set(gains)


def test_the_authors_tool_gives_the_same(tmp_path, shared):
    """The numbers are tidecv 1.0.1's; with ties or many detections an image it departs from COCO's AP50 itself."""
    coco = renumbered(shared / "data" / "recycling_annotations" / "val_3.json")
    results = generated(coco, 8, seed=3)
    for number, entry in enumerate(results):
        entry["score"] = round(entry["score"] + number * 1e-9, 12)
    found = depth.describe(inspected(tmp_path, coco, results))["errors"]
    assert found["AP50"] == pytest.approx(0.1884373279228281, abs=1e-12)
    assert found["dAP"] == pytest.approx(
        dict(
            zip(
                tide.KINDS,
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
    assert found["count"] == dict(zip(tide.KINDS, (1301, 195, 311, 1407, 2872, 2520)))
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
    found = depth.describe(one)
    assert sum(list(found["errors"]["count"].values())[:-1]) == wrong.sum()
    for kind in tide.KINDS:
        assert (
            sum(row[kind] for row in found["errors"]["per_class"]) == found["errors"]["count"][kind]
        )
    assert found["errors"]["AP50"] in (
        None,
        pytest.approx(found["metrics"]["bbox_mAP_50"], abs=1e-9),
    )
    low = images.per_image(one.truth, one.detections, one.evaluated, one.errors, score=0.0)
    assert all(
        sum(image["errors"].values()) == image["wrong"] + image["errors"]["missed"] for image in low
    )
    assert sum(image["right"] for image in low) == (one.evaluated.box >= 0).sum()


def matrix(tmp_path, boxes, *rows, score=0.5) -> list[list[int]]:
    one = inspected(tmp_path, split(boxes), detections(*rows))
    return confusion.confusion(one.truth, one.detections, one.pairs, one.evaluated, score)["matrix"]


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
    found = np.array(
        confusion.confusion(one.truth, one.detections, one.pairs, one.evaluated, 0.5)["matrix"]
    )
    assert np.array_equal(found[:-1].sum(axis=1), one.truth.boxes_per_class())
    strong = one.detections.category[one.detections.score >= 0.5]
    assert np.array_equal(found[:, :-1].sum(axis=0), np.bincount(strong, minlength=4))


def test_calibration_by_hand(tmp_path):
    one = inspected(
        tmp_path,
        split([A, (1, 1, SECOND)]),
        detections((1, 1, BOX, 0.5), (1, 1, FAR, 0.5), (1, 1, SECOND, 0.9), (1, 1, FAR, 0.7)),
    )
    found = calibration.calibration(one.truth, one.detections, one.evaluated, bins=2)
    # A score of .5 belongs to (0, .5]: confidence .5, precision .5. Above: confidence .8, precision .5.
    assert [row["detections"] for row in found["bins"]] == [2, 2]
    assert [row["confidence"] for row in found["bins"]] == pytest.approx([0.5, 0.8])
    assert [row["precision"] for row in found["bins"]] == [0.5, 0.5]
    assert found["ECE"] == pytest.approx(0.15) and found["MCE"] == pytest.approx(0.3)
    assert [(row["low"], row["high"]) for row in found["bins"]] == [(0, 0.5), (0.5, 1)]
    assert [row["ECE"] for row in found["per_class"]] == [pytest.approx(0.15), None]
    assert [row["detections"] for row in found["per_class"]] == [4, 0]
    ten = calibration.calibration(one.truth, one.detections, one.evaluated, bins=10)
    # .7 is the end of the seventh bin, though 10 x .7 is above 7 in floating point.
    assert [row["detections"] for row in ten["bins"]] == [0, 0, 0, 0, 2, 0, 1, 0, 1, 0]
    assert ten["bins"][0]["confidence"] is None
    assert ten["ECE"] == pytest.approx((2 * 0 + 0.7 + 0.1) / 4)


def test_images_by_hand(tmp_path):
    coco = split([A, (1, 1, SECOND), (2, 1, BOX)], images=4)
    results = detections((1, 1, BOX, 0.9), (1, 1, FAR, 0.8), (1, 2, SECOND, 0.2), (4, 1, FAR, 0.9))
    found = depth.describe(inspected(tmp_path, coco, results), score=0.5)
    one, two, three, four = found["per_image"]
    assert (one["boxes"], one["right"], one["wrong"], one["not_found"], one["f1"]) == (
        2,
        1,
        1,
        1,
        0.5,
    )
    # The second box is not missed: a detection below the threshold means it.
    assert one["errors"] == {**dict.fromkeys(tide.KINDS, 0), "background": 1}
    assert (two["f1"], two["not_found"], two["errors"]["missed"]) == (0, 1, 1)
    assert (three["f1"], three["boxes"], three["wrong"]) == (None, 0, 0)
    assert (four["f1"], four["wrong"]) == (0, 1)
    assert found["worst"] == [1, 2, 4]


def suspected(tmp_path, boxes, *rows, score=0.5) -> list[dict]:
    one = inspected(tmp_path, split(boxes, classes=3), detections(*rows))
    return suspects.suspects(one.truth, one.detections, one.pairs, one.evaluated, score)


def test_suspects_by_hand(tmp_path):
    found = suspected(
        tmp_path, [A, (2, 1, BOX)], (1, 2, BOX, 0.9), (1, 3, BOX, 0.95), (1, 1, BOX, 0.05)
    )
    assert found == [
        {
            "box_id": 1,
            "image_id": 1,
            "file_name": "1.jpg",
            "class": "class 1",
            "bbox": BOX,
            "detected": "class 3",
            "score": 0.95,
            "iou": 1.0,
        }
    ]
    # No contradiction: the box's own class is seen too; the score is low; it lies elsewhere; a crowd has no class.
    assert not suspected(tmp_path, [A], (1, 2, BOX, 0.9), (1, 1, BOX, 0.6))
    assert not suspected(tmp_path, [A], (1, 2, BOX, 0.4))
    assert not suspected(tmp_path, [A], (1, 2, SHIFTED, 0.9))
    assert not suspected(tmp_path, [(1, 1, BOX, 1)], (1, 2, BOX, 0.9))
    # Two boxes on one place: the detection finds its own class there.
    assert not suspected(tmp_path, [A, (1, 2, BOX)], (1, 2, BOX, 0.9))


def test_only_what_every_cell_contradicts_is_combined(tmp_path):
    boxes = [A, (1, 1, SECOND), (2, 1, BOX)]
    first = suspected(tmp_path, boxes, (1, 2, BOX, 0.9), (1, 2, SECOND, 0.8), (2, 2, BOX, 0.9))
    second = suspected(tmp_path, boxes, (1, 2, BOX, 0.7), (1, 3, SECOND, 0.9))
    third = suspected(tmp_path, boxes, (1, 2, BOX, 0.6), (1, 3, SECOND, 0.99), (2, 2, BOX, 0.9))
    found = suspects.combine({"r50": first, "r101": second, "x101": third})
    assert [
        (entry["box_id"], entry["detected"], entry["agree"], entry["score"]) for entry in found
    ] == [(1, "class 2", 3, 0.6), (2, "class 3", 2, 0.8)]
    assert found[1]["cells"] == {"r50": "class 2", "r101": "class 3", "x101": "class 3"}
    # The box on which more of them agree comes first, of equals that with the higher score, whatever the ids.
    turned = [A, (1, 1, SECOND), (2, 1, BOX)]
    fourth = suspected(tmp_path, turned, (1, 2, BOX, 0.6), (1, 2, SECOND, 0.7), (2, 2, BOX, 0.9))
    fifth = suspected(tmp_path, turned, (1, 3, BOX, 0.99), (1, 2, SECOND, 0.8), (2, 2, BOX, 0.9))
    assert [
        (entry["box_id"], entry["agree"])
        for entry in suspects.combine({"r50": fourth, "r101": fifth})
    ] == [(3, 2), (2, 2), (1, 1)]
    assert suspects.combine({"r50": first}) == suspects.combine({}) == []
    assert suspects.combine({"r50": first, "none": []}) == []
    json.dumps(found)


def seen_unlabelled(tmp_path, boxes, *rows, score=0.5) -> list[dict]:
    one = inspected(tmp_path, split(boxes, classes=3, images=3), detections(*rows))
    return suspects.unlabelled(one.truth, one.detections, one.pairs, one.evaluated, score)


def test_what_is_seen_where_nothing_is_labelled_by_hand(tmp_path):
    found = seen_unlabelled(
        tmp_path, [A], (1, 1, BOX, 0.9), (1, 2, FAR, 0.8), (1, 3, SECOND, 0.95), (2, 1, FAR, 0.7)
    )
    assert found == [
        {
            "image_id": 1,
            "file_name": "1.jpg",
            "boxes": 1,
            "seen": [
                {"class": "class 3", "bbox": SECOND, "score": 0.95},
                {"class": "class 2", "bbox": FAR, "score": 0.8},
            ],
        },
        {
            "image_id": 2,
            "file_name": "2.jpg",
            "boxes": 0,
            "seen": [{"class": "class 1", "bbox": FAR, "score": 0.7}],
        },
    ]
    # Two classes at one place are one thing; beside a box it is the box; a low score and a crowd count for nothing.
    assert [
        entry["class"]
        for entry in seen_unlabelled(tmp_path, [A], (1, 2, FAR, 0.8), (1, 3, FAR, 0.9))[0]["seen"]
    ] == ["class 3"]
    assert not seen_unlabelled(
        tmp_path, [A], (1, 1, SHIFTED, 0.9), (1, 2, SHIFTED, 0.9), (1, 1, FAR, 0.4)
    )
    assert not seen_unlabelled(tmp_path, [(1, 1, FAR, 1)], (1, 1, FAR, 0.9), (1, 2, FAR, 0.9))
    # Close to a box and yet beside it.
    assert seen_unlabelled(tmp_path, [A], (1, 1, TOUCHING, 0.9))[0]["seen"][0]["bbox"] == TOUCHING


def test_images_without_labels_that_every_cell_sees_come_first(tmp_path):
    things = [FAR, SECOND, [100.0, 100, 40, 40]]
    many = [(2, 1, box, 0.8) for box in things]
    first = seen_unlabelled(tmp_path, [A], (1, 1, FAR, 0.9), (3, 1, FAR, 0.9), *many)
    second = seen_unlabelled(
        tmp_path, [A], (1, 2, FAR, 0.6), *[(2, 2, [x + 4, y, 40, 40], 0.9) for x, y, *_ in things]
    )
    third = seen_unlabelled(tmp_path, [A], (1, 2, FAR, 0.7), (3, 1, SECOND, 0.9), *many[:2])
    found = suspects.unlabelled_by_all({"r50": first, "r101": second, "x101": third})
    # Nobody else sees what the first sees on image 3, and the third cell sees two of the three on image 2.
    assert [(image["image_id"], image["boxes"], len(image["places"])) for image in found] == [
        (2, 0, 2),
        (1, 1, 1),
    ]
    assert found[1]["places"] == [{"bbox": FAR, "detected": "class 2", "agree": 2, "score": 0.6}]
    assert suspects.unlabelled_by_all({"r50": first}) == suspects.unlabelled_by_all({}) == []
    assert suspects.unlabelled_by_all({"r50": first, "none": []}) == []
    json.dumps(found)


def test_one_detection_is_no_partner_of_two(tmp_path):
    side_by_side = [(1, 1, [300.0, 300, 40, 40], 0.9), (1, 1, [316.0, 300, 40, 40], 0.8)]
    between = [(1, 1, [308.0, 300, 40, 40], 0.9)]
    both = seen_unlabelled(tmp_path, [A], *side_by_side)
    assert len(both[0]["seen"]) == 2
    shared = suspects.unlabelled_by_all({"a": both, "b": seen_unlabelled(tmp_path, [A], *between)})
    assert [len(image["places"]) for image in shared] == [1]
