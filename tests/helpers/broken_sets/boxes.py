"""Boxes against their images, and all boxes of a set in another order or unit than its format has."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from broken_sets.base import HEIGHT, WIDTH, BrokenSet
from broken_sets.case import case
from broken_sets.yolo_lines import change_lines


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


def write_boxes(broken: BrokenSet, write: Callable[..., Sequence[float]]) -> None:
    for entry in broken.annotations:
        entry["bbox"] = write(*entry["bbox"])


@case("box_read_otherwise", says="read as the middle x, y, then width, height")
def boxes_by_their_middle(broken: BrokenSet) -> None:
    write_boxes(broken, lambda x, y, w, h: [x + w / 2, y + h / 2, w, h])


@case("box_read_otherwise", says="read as the middle x, y, then width, height")
def boxes_as_shares_by_their_middle(broken: BrokenSet) -> None:
    boxes_by_their_middle(broken)
    write_boxes(broken, lambda x, y, w, h: [x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT])


@case("box_read_otherwise", says="read as y, x, height, width")
def boxes_down_before_across(broken: BrokenSet) -> None:
    write_boxes(broken, lambda x, y, w, h: [y, x, h, w])


@case("box_read_otherwise", says="read as y1, x1, y2, x2")
def corners_down_before_across(broken: BrokenSet) -> None:
    write_boxes(broken, lambda x, y, w, h: [y, x, y + h, x + w])


@case("box_read_otherwise", says="read as thousandths of the image")
def boxes_in_thousandths(broken: BrokenSet) -> None:
    across, down = 1000 / WIDTH, 1000 / HEIGHT
    write_boxes(broken, lambda x, y, w, h: [x * across, y * down, w * across, h * down])


@case("box_read_otherwise", kind="yolo", says="read as the corner x, y, then width, height")
def yolo_boxes_by_their_corner(broken: BrokenSet) -> None:
    change_lines(broken, lambda box: [box[0] - box[2] / 2, box[1] - box[3] / 2, *box[2:]])


@case("box_read_otherwise", kind="voc", says="read as shares of the image")
def voc_corners_as_shares(broken: BrokenSet) -> None:
    for path in (broken.root / "Annotations").iterdir():
        text = path.read_text()
        for letter, side in (("x", WIDTH), ("y", HEIGHT)):
            text = re.sub(
                rf"<({letter}m..)>(\d+)<",
                lambda found, side=side: f"<{found[1]}>{int(found[2]) / side:.4f}<",
                text,
            )
        path.write_text(text)


@case("voc_from_zero", kind="voc", also="box_edge")
def voc_box_at_pixel_0(broken: BrokenSet) -> None:
    broken.edit(
        "Annotations/003.xml", lambda text: text.replace("</object>", "</object>" + OBJECT, 1)
    )
    broken.expect_box("003.jpg", "can", -1, 9, 21, 21, 441)


OBJECT = (
    "<object><name>can</name><bndbox><xmin>0</xmin><ymin>10</ymin><xmax>20</xmax><ymax>30</ymax>"
    "</bndbox></object>"
)


@case("boxes_near_origin", also="box_tiny")
def boxes_of_images_of_half_the_size(broken: BrokenSet) -> None:
    for entry in broken.annotations:
        entry["bbox"] = [side / 2 for side in entry["bbox"]]
        entry["area"] /= 4
    for name, boxes in broken.expected.items():
        halves = [(label, *(side / 2 for side in box), area / 4) for label, *box, area in boxes]
        broken.expected[name] = sorted(halves)


@case("box_corner_encoded", also="box_normalised")
def boxes_as_shares_of_corners(broken: BrokenSet) -> None:
    write_boxes(
        broken, lambda x, y, w, h: [x / WIDTH, y / HEIGHT, (x + w) / WIDTH, (y + h) / HEIGHT]
    )
