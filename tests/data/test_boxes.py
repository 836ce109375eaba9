"""Boxes against their images: those that stick out on any side, and files whose boxes mean something else. Crowds are
neither learnt nor scored, and so count for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from broken_sets import Healthy
from broken_sets.outcome import Outcome
from made_labels import labels

from stages.data.checks.boxes import check_boxes
from stages.data.findings import Findings

# Of an image of 100 x 80 pixels.
INSIDE = (10.0, 10.0, 20.0, 20.0)


def checked(boxes, folder: Path, **policy: str) -> tuple[list[tuple], dict[str, int]]:
    """The boxes of one image that are left, and how often each fault was found."""
    made = labels([boxes])
    findings = Findings(policy, folder / "changes.csv")
    check_boxes(made, 8, findings)
    findings.close()
    left = [tuple(box) for box in made.boxes[list("xywh")].to_numpy().tolist()]
    return left, {finding["code"]: finding["count"] for finding in findings.as_list()}


@pytest.mark.parametrize(
    ("box", "clipped"),
    [
        # Further out than the box is high, or wide.
        ((-30.0, 20.0, 60.0, 10.0), (0, 20, 30, 10)),
        ((70.0, 20.0, 60.0, 10.0), (70, 20, 30, 10)),
        ((20.0, -30.0, 10.0, 60.0), (20, 0, 10, 30)),
        ((20.0, 50.0, 10.0, 60.0), (20, 50, 10, 30)),
        ((-30.0, -10.0, 60.0, 40.0), (0, 0, 30, 30)),
        ((90.0, 70.0, 40.0, 30.0), (90, 70, 10, 10)),
    ],
)
def test_a_box_over_any_edge_is_clipped_to_the_image(box, clipped, tmp_path):
    assert checked([INSIDE, box], tmp_path) == ([INSIDE, clipped], {"box_outside": 1})
    assert checked([INSIDE, box], tmp_path, box_outside="keep") == (
        [INSIDE, box],
        {"box_outside": 1},
    )
    assert checked([INSIDE, box], tmp_path, box_outside="drop") == ([INSIDE], {"box_outside": 1})


@pytest.mark.parametrize(
    "box", [(-20, 10, 20, 20), (100, 10, 20, 20), (10, -20, 20, 20), (10, 80, 20, 20)]
)
def test_a_box_beside_the_image_is_left_out(box, tmp_path):
    assert checked([INSIDE, box], tmp_path) == ([INSIDE], {"box_wholly_outside": 1})


@pytest.mark.parametrize(
    "box", [(-1, 10, 20, 20), (81, 10, 20, 20), (10, -0.5, 20, 20), (10, 61, 20, 20)]
)
def test_a_box_over_the_edge_by_a_pixel_is_rounding(box, tmp_path):
    box = tuple(map(float, box))
    assert checked([INSIDE, box], tmp_path) == ([INSIDE, box], {"box_edge": 1})


def test_a_box_at_the_edge_is_no_fault(tmp_path):
    boxes = [(0.0, 0.0, 20.0, 20.0), (80.0, 60.0, 20.0, 20.0)]
    assert checked(boxes, tmp_path) == (boxes, {})


def corners(number: int) -> list[tuple[float, float, float, float]]:
    """x1, y1, x2, y2; as x, y, w, h all of them would leave the image."""
    return [(50.0 + number % 7, 45.0, 90.0, 70.0 + number % 5) for number in range(number)]


def test_a_file_of_corners_is_read_as_such(tmp_path):
    left, found = checked(corners(200), tmp_path)
    assert found == {"box_corner_encoded": 200}
    assert left[:2] == [(50, 45, 40, 25), (51, 45, 39, 26)]


def test_corners_in_a_file_of_middles_are_read_as_such(tmp_path):
    """A YOLO line `class x1 y1 x2 y2` has been read as the middle and the size of a box."""
    made = labels([[(x1 - x2 / 2, y1 - y2 / 2, x2, y2) for x1, y1, x2, y2 in corners(200)]])
    made.centred = True
    findings = Findings({}, tmp_path / "changes.csv")
    check_boxes(made, 8, findings)
    assert {finding["code"] for finding in findings.as_list()} == {"box_corner_encoded"}
    left = made.boxes[list("xywh")].to_numpy().tolist()
    assert left[:2] == [[50, 45, 40, 25], [51, 45, 39, 26]]


@pytest.mark.parametrize(("misfits", "corner_encoded"), [(2, True), (3, False)])
def test_a_file_in_which_more_than_a_hundredth_fits_no_corners_is_not_one_of_corners(
    misfits, corner_encoded, tmp_path
):
    # Smaller on its right than on its left: no corners, and inside of the image as x, y, w, h.
    boxes = [*corners(200 - misfits), *[(60.0, 50.0, 20.0, 20.0)] * misfits]
    left, found = checked(boxes, tmp_path)
    assert ("box_corner_encoded" in found) == corner_encoded
    if not corner_encoded:
        assert (
            found == {"box_outside": 197} and left[-1] == boxes[-1] and left[0] == (50, 45, 50, 35)
        )


@pytest.mark.parametrize(("outside", "corner_encoded"), [(2, False), (3, True)])
def test_a_few_boxes_over_the_edge_make_no_file_of_corners(outside, corner_encoded, tmp_path):
    boxes = [*corners(outside), *[(10.0, 10.0, 30.0, 40.0)] * 20]
    assert ("box_corner_encoded" in checked(boxes, tmp_path)[1]) == corner_encoded


@pytest.fixture(scope="session")
def healthy(tmp_path_factory) -> Healthy:
    return Healthy(tmp_path_factory.mktemp("healthy"))


@pytest.mark.parametrize("field", ["iscrowd", "ignore"])
def test_a_set_of_crowds_alone_stops(field, healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    for entry in broken.annotations:
        entry[field] = 1
    outcome = Outcome(broken, tmp_path / "prepared")
    assert "72 boxes of the train files" in outcome.error and "are crowds" in outcome.error


def test_a_set_of_difficult_objects_alone_stops(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set", "voc")
    for path in (broken.root / "Annotations").iterdir():
        path.write_text(path.read_text().replace("<difficult>0", "<difficult>1"))
    assert "are crowds" in Outcome(broken, tmp_path / "prepared").error


def test_crowds_make_no_class_less_rare(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    for entry in [entry for entry in broken.annotations if entry["category_id"] == 1][3:]:
        entry["iscrowd"] = 1
    outcome = Outcome(broken, tmp_path / "prepared")
    rare = outcome.found["category_rare"]["examples"]
    assert [(place["label"], place["before"]) for place in rare] == [("can", "3 boxes")]
    splits = outcome.report["splits"].values()
    assert sum(part["classes"]["can"] for part in splits) == 3
    assert sum(part["boxes"] for part in splits) == 72
    assert sum(sum(part["sizes"].values()) for part in splits) == 72 - 24 + 3


@pytest.mark.parametrize("text", ["false", "False", "0", ""])
def test_text_that_says_no_is_no(text, healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    for entry in broken.annotations:
        entry["ignore"] = text
    outcome = Outcome(broken, tmp_path / "prepared")
    assert not outcome.error and not outcome.found
