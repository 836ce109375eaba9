"""Boxes against their images."""

from __future__ import annotations

import math

from broken_sets.base import HEIGHT, WIDTH, BrokenSet
from broken_sets.case import case


@case("box_malformed")
def box_of_three(broken: BrokenSet) -> None:
    broken.add_box([1, 2, 3])


@case("box_malformed")
def box_of_texts(broken: BrokenSet) -> None:
    broken.add_box(["1", "2", "30", "40"])


@case("box_malformed")
def box_is_null(broken: BrokenSet) -> None:
    broken.add_box(None)


@case("box_malformed")
def box_of_boxes(broken: BrokenSet) -> None:
    broken.add_box([[1, 2], [3, 4], [5, 6], {"w": 7}])


@case("box_not_finite", also="json_nan")
def box_of_infinity(broken: BrokenSet) -> None:
    broken.add_box([1, 2, float("inf"), 4])


@case("box_not_finite")
def box_of_a_huge_number(broken: BrokenSet) -> None:
    broken.add_box([1, 2, 10**400, 4])


@case("box_normalised")
def boxes_as_shares(broken: BrokenSet) -> None:
    for entry in broken.annotations:
        x, y, w, h = entry["bbox"]
        entry["bbox"] = [x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT]


@case("box_normalised", also="box_edge")
def boxes_as_shares_one_over(broken: BrokenSet) -> None:
    boxes_as_shares(broken)
    broken.add_box([0.5, 0.5, 0.5 + 1 / 128, 0.5])
    broken.expect_box("003.jpg", "can", 48, 32, 48.75, 32, 200)


@case("box_corner_encoded")
def boxes_as_corners(broken: BrokenSet) -> None:
    for entry in broken.annotations:
        x, y, w, h = entry["bbox"]
        entry["bbox"] = [x, y, x + w, y + h]


@case("box_negative_size")
def box_of_negative_width(broken: BrokenSet) -> None:
    broken.add_box([40, 10, -20, 30])


@case("box_zero_size")
def box_without_height(broken: BrokenSet) -> None:
    broken.add_box([40, 10, 20, 0])


@case("box_wholly_outside")
def box_beside_the_image(broken: BrokenSet) -> None:
    broken.add_box([WIDTH + 4, 10, 20, 20])


@case("box_wholly_outside")
def box_that_touches_the_image(broken: BrokenSet) -> None:
    broken.add_box([-20, 10, 20, 20])


@case("box_outside", after="80.00 10.00 16.00 20.00")
def box_over_the_edge(broken: BrokenSet) -> None:
    broken.add_box([80, 10, 40, 20], area=800)
    broken.expect_box("003.jpg", "can", 80, 10, 16, 20, 320)


@case("box_outside")
def outline_over_the_edge(broken: BrokenSet) -> None:
    """Its area was less than the box's, and would be more than that of what is left."""
    broken.add_box([80, 10, 40, 20], area=600)
    broken.expect_box("003.jpg", "can", 80, 10, 16, 20, 320)


@case("box_outside", also="box_covers_image")
def box_far_over_every_edge(broken: BrokenSet) -> None:
    """Over every edge, and yet no number that is out of range."""
    broken.add_box([-5e8, -5e8, 9e8, 9e8], area=100)
    broken.expect_box("003.jpg", "can", 0, 0, WIDTH, HEIGHT, 100)


@case("box_edge")
def box_over_by_rounding(broken: BrokenSet) -> None:
    broken.add_box([80, 10, 16.5, 20], area=300)
    broken.expect_box("003.jpg", "can", 80, 10, 16.5, 20, 300)


@case("box_tiny")
def box_of_4_pixels(broken: BrokenSet) -> None:
    broken.add_box([80, 10, 4, 20], area=80)
    broken.expect_box("003.jpg", "can", 80, 10, 4, 20, 80)


@case("box_covers_image")
def box_of_the_whole_image(broken: BrokenSet) -> None:
    broken.add_box([0, 0, WIDTH, HEIGHT], area=80)
    broken.expect_box("003.jpg", "can", 0, 0, WIDTH, HEIGHT, 80)


@case("box_duplicate")
def box_twice(broken: BrokenSet) -> None:
    broken.annotations.append({**broken.annotations[7], "id": 999})


@case("box_duplicate", also="file_name_duplicate")
def box_in_two_joined_files(broken: BrokenSet) -> None:
    broken.files["more.json"] = {
        "images": broken.images[:1],
        "annotations": broken.annotations[:1],
        "categories": broken.categories,
    }
    broken.data["train"] = {"annotations": ["train.json", "more.json"], "images": "images"}


@case("box_two_classes")
def box_of_two_classes(broken: BrokenSet) -> None:
    first = broken.annotations[0]
    second = {**first, "id": 999, "category_id": first["category_id"] % 3 + 1}
    broken.annotations.append(second)
    broken.expect_box(
        "001.jpg",
        broken.categories[second["category_id"] - 1]["name"],
        *first["bbox"],
        first["area"],
    )


@case("image_without_boxes")
def image_of_nothing(broken: BrokenSet) -> None:
    broken.content["annotations"] = [
        entry for entry in broken.annotations if entry["image_id"] != 6
    ]
    broken.expected["images/006.png"] = []


@case("image_over_max_detections", max_detections=3)
def image_of_too_many_boxes(broken: BrokenSet) -> None:
    """Every third image has four."""


@case("box_rotated", also="fields_not_copied", after="12.00 19.00 16.00 22.00")
def rectangle_turned_by_a_quarter(broken: BrokenSet) -> None:
    """As CVAT writes it: the upright rectangle of 22 x 16 pixels with its middle at 20, 30."""
    broken.add_box([9, 22, 22, 16], area=352, attributes={"occluded": False, "rotation": 90.0})
    broken.expect_box("003.jpg", "can", 12, 19, 16, 22, 352)


@case("box_rotated", also="fields_not_copied box_outside", after="-6.00 0.00 56.00 56.00")
def rectangle_turned_over_the_edge(broken: BrokenSet) -> None:
    """3 : 4 : 5. The box around it is clipped as any other."""
    angle = math.degrees(math.asin(0.6))
    broken.add_box([2, 8, 40, 40], area=1600, attributes={"rotation": angle})
    broken.expect_box("003.jpg", "can", 0, 0, 50, 56, 1600)


@case("fields_not_copied")
def rectangles_that_are_upright(broken: BrokenSet) -> None:
    for entry, degrees in zip(broken.annotations, (0, 0.0, 180, -360.0, None, "x", [1])):
        entry["attributes"] = {"rotation": degrees}
