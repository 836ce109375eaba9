"""What splits with files of their own share or lack."""

from __future__ import annotations

from PIL import Image

from broken_sets.base import BrokenSet
from broken_sets.case import case


@case("group_field_absent", says="data.group: camera", group="camera")
def group_by_an_absent_field(broken: BrokenSet) -> None:
    broken.images[0]["Camera"] = "north"


@case("split_without_labels")
def test_file_without_labels(broken: BrokenSet) -> None:
    test = broken.move("test", 18, 24)
    del test["annotations"], test["categories"]
    broken.expected.update({f"images/{image['file_name']}": [] for image in test["images"]})


@case("split_share_missed")
def group_of_most_images(broken: BrokenSet) -> None:
    """18 of 24 images are of one camera: half of them were to be train's."""
    for image in broken.images[:18]:
        image["group"] = "camera"


@case("split_class_absent")
def class_not_in_test(broken: BrokenSet) -> None:
    test = broken.move("test", 18, 24)
    for entry in test["annotations"]:
        entry["category_id"] = max(2, entry["category_id"])
    broken.expected.update(
        {
            name: sorted((box[0].replace("can", "bag"), *box[1:]) for box in boxes)
            for name, boxes in broken.expected.items()
            if name >= "images/019"
        }
    )


@case("split_image_shared")
def image_in_train_and_val(broken: BrokenSet) -> None:
    """It stays in val."""
    val = broken.move("val", 0, 6)
    broken.images.append(dict(val["images"][0]))
    broken.add_box([1, 2, 30, 30], image_id=1)


@case("split_image_shared")
def bytes_in_val_and_test(broken: BrokenSet) -> None:
    """Under two names: it stays in test."""
    broken.path(0).write_bytes(broken.path(20).read_bytes())
    broken.lose(0)
    broken.move("test", 18, 24)
    broken.move("val", 0, 6)


@case("split_group_shared")
def group_in_train_and_val(broken: BrokenSet) -> None:
    broken.images[0]["group"] = broken.images[10]["group"] = "street"
    broken.move("val", 0, 6)


@case("split_group_shared")
def group_of_a_number_in_train_and_val(broken: BrokenSet) -> None:
    """As a table of numbers with gaps writes it."""
    broken.images[0]["group"], broken.images[10]["group"] = 3, 3.0
    broken.move("val", 0, 6)


@case("split_group_shared", also="near_duplicates")
def look_alike_in_train_and_test(broken: BrokenSet) -> None:
    with Image.open(broken.path(20)) as image:
        image.save(broken.path(0), quality=40)
    broken.move("test", 18, 24)
