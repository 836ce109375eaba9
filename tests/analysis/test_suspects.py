"""Labels to look at again, against results worked out by hand."""

from __future__ import annotations

import json

from scored_cases import BOX, FAR, SECOND, SHIFTED, TOUCHING, A, detections, inspected, split

from stages.analysis import suspects


def suspected(tmp_path, boxes, *rows, score=0.5) -> list[dict]:
    one = inspected(tmp_path, split(boxes, classes=3), detections(*rows))
    return suspects.suspects(one, score)


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
    return suspects.unlabelled(one, score)


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
    # A small part of a box is of that object where the classes agree, and may be another where not.
    part = [BOX[0], BOX[1], BOX[2] / 3, BOX[3] / 3]
    assert not seen_unlabelled(tmp_path, [A], (1, 1, part, 0.9))
    assert seen_unlabelled(tmp_path, [A], (1, 2, part, 0.9))[0]["seen"][0]["bbox"] == part
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
