"""All boxes of a set written in another order or unit than its format has."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from broken_sets.base import HEIGHT, WIDTH, BrokenSet
from broken_sets.case import case
from broken_sets.yolo_lines import change_lines


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
