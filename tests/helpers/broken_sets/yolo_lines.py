"""YOLO label lines with more numbers than a box (keypoints, corners, polygons, confidences) or with
classes from 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

from PIL import Image

from broken_sets.base import HEIGHT, WIDTH, BrokenSet, paint
from broken_sets.case import case

TXT = "labels/003.txt"


def change_lines(broken: BrokenSet, change: Callable[[Sequence[float]], Sequence[float]]) -> None:
    """Other numbers after the class, in all lines of the set."""
    for path in (broken.root / "labels").iterdir():
        lines = []
        for line in path.read_text().splitlines():
            label, *numbers = line.split()
            lines.append(
                " ".join([label, *map(str, change([float(number) for number in numbers]))])
            )
        path.write_text("\n".join(lines) + "\n")


@case("class_numbers_from_one", kind="yolo", says="classes 1 to 3", after="classes 0 to 2")
def classes_from_one(broken: BrokenSet) -> None:
    for path in (broken.root / "labels").iterdir():
        lines = []
        for line in path.read_text().splitlines():
            label, *numbers = line.split()
            lines.append(" ".join([str(int(label) + 1), *numbers]))
        path.write_text("\n".join(lines) + "\n")


@case("class_zero_unused", kind="yolo", also="category_unused")
def classes_from_one_without_the_last(broken: BrokenSet) -> None:
    """Boxes of the class 0 gone, the others stay: nothing tells this from a set from 1 without boxes of the last."""
    for path in (broken.root / "labels").iterdir():
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if not line.startswith("0")))
    for name, boxes in broken.expected.items():
        broken.expected[name] = [box for box in boxes if box[0] != "can"]


@case("label_file_shared", kind="yolo")
def picture_of_a_labelled_name(broken: BrokenSet) -> None:
    Image.fromarray(paint(99)).save(broken.root / "images" / "003.png")
    broken.expected["images/003.png"] = broken.expected["images/003.jpg"]


@case("box_malformed", kind="yolo")
def line_of_a_class_alone(broken: BrokenSet) -> None:
    broken.edit(TXT, lambda text: text + "0\n")


def add_keypoints(box: Sequence[float]) -> Sequence[float]:
    x, y, w, h = box
    points = [(x + share * w, y - share * h) for share in (-0.5, -0.2, 0.1, 0.4)]
    return [*box, *(number for point in points for number in point)]


@case("keypoints_dropped", kind="yolo", after="the box")
def keypoints(broken: BrokenSet) -> None:
    change_lines(broken, add_keypoints)
    broken.edit("data.yaml", lambda text: text + "kpt_shape: [4, 2]\n")


@case("keypoints_dropped", kind="yolo", after="the box")
def keypoints_without_their_shape(broken: BrokenSet) -> None:
    change_lines(broken, add_keypoints)


@case("keypoints_dropped", kind="yolo", after="the box")
def keypoints_with_visibility(broken: BrokenSet) -> None:
    """One of three is not labelled, and so lies in the corner of the image. Numbers of a line: 4 + 9."""
    change_lines(
        broken, lambda box: [*box, box[0], box[1], 2, 0, 0, 0, box[0] + box[2] / 2, box[1], 1]
    )


@case("keypoints_dropped", kind="yolo", after="the box")
def predicted_keypoints(broken: BrokenSet) -> None:
    change_lines(broken, lambda box: [*add_keypoints(box), 0.83])
    broken.edit("data.yaml", lambda text: text + "kpt_shape:\n- 4\n- 2\n")


@case("confidence_dropped", kind="yolo", after="the box")
def predictions(broken: BrokenSet) -> None:
    broken.edit(TXT, lambda text: text.replace("\n", " 0.91\n"))


@case("track_dropped", kind="yolo", after="the box")
def tracks(broken: BrokenSet) -> None:
    number = count(1)
    change_lines(broken, lambda box: [*box, next(number)])


@case("track_dropped", kind="yolo", after="the box")
def tracks_with_confidences(broken: BrokenSet) -> None:
    number = count(0)
    change_lines(broken, lambda box: [*box, 0.75, next(number)])


@case("line_read_otherwise", kind="yolo", says="the confidence comes before the box")
def confidences_before_boxes(broken: BrokenSet) -> None:
    change_lines(broken, lambda box: [0.91, *box])


@case("line_read_otherwise", kind="yolo", says="perhaps an angle")
def angles_after_boxes(broken: BrokenSet) -> None:
    change_lines(broken, lambda box: [*box, 1.57 * box[0]])


@case("line_doubtful", kind="yolo", also="keypoints_dropped")
def polygon_among_keypoints(broken: BrokenSet) -> None:
    """Dropped: the box around it would be none of the labelled boxes."""
    keypoints(broken)
    broken.edit(TXT, lambda text: text + "2 0.25 0.5 0.75 0.5 0.5 0.75\n")


@case("polygon_as_box", kind="yolo", after="the box around")
def corners_of_oriented_boxes(broken: BrokenSet) -> None:
    """Four corners each, as YOLO-OBB has them."""

    def corners(box: Sequence[float]) -> Sequence[float]:
        x, y, w, h = box
        return [x - w / 2, y, x, y - h / 2, x + w / 2, y, x, y + h / 2]

    change_lines(broken, corners)


@case("polygon_as_box", kind="yolo", after="the box around")
def polygon_that_could_be_a_box_with_a_keypoint(broken: BrokenSet) -> None:
    """Its first four numbers hold the rest, but no set of keypoints has plain boxes too."""
    broken.edit(TXT, lambda text: text + "2 0.5 0.5 0.5 0.25 0.25 0.5\n")
    broken.expect_box(
        "003.jpg", "cup", WIDTH / 4, HEIGHT / 4, WIDTH / 4, HEIGHT / 4, WIDTH * HEIGHT / 16
    )
