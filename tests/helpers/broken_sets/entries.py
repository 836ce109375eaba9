"""Ids and fields of images and annotations."""

from __future__ import annotations

from broken_sets.base import CLASSES, BrokenSet
from broken_sets.case import case


@case("entry_incomplete")
def annotation_without_bbox(broken: BrokenSet) -> None:
    broken.add_box(None)
    del broken.annotations[-1]["bbox"]


@case("entry_incomplete")
def annotation_is_text(broken: BrokenSet) -> None:
    broken.annotations.append("box")


@case("entry_incomplete")
def annotation_of_a_list(broken: BrokenSet) -> None:
    broken.add_box([1, 2, 30, 30], image_id=[3])


@case("entry_incomplete", also="annotation_image_unknown")
def image_without_a_name(broken: BrokenSet) -> None:
    broken.add_image()
    del broken.images[-1]["file_name"]


@case("entry_incomplete")
def category_is_a_number(broken: BrokenSet) -> None:
    broken.categories.append(7)


@case("ids_off_by_one", says="category_id 0 to 2")
def category_ids_of_boxes_from_zero(broken: BrokenSet) -> None:
    for entry in broken.annotations:
        entry["category_id"] -= 1


@case("ids_off_by_one", says="the ids listed are 0 to 2")
def category_ids_of_the_list_from_zero(broken: BrokenSet) -> None:
    for entry in broken.categories:
        entry["id"] -= 1


@case("ids_off_by_one", says="category_id 0 to 2")
def category_ids_of_boxes_as_text_from_zero(broken: BrokenSet) -> None:
    for entry in broken.annotations:
        entry["category_id"] = str(entry["category_id"] - 1)


@case("ids_off_by_one", says="image_id 0 to 23")
def image_ids_of_boxes_from_zero(broken: BrokenSet) -> None:
    for entry in broken.annotations:
        entry["image_id"] -= 1


@case("ids_off_by_one", kind="yolo", says="the ids listed are 1 to 3")
def names_from_one(broken: BrokenSet) -> None:
    names = ", ".join(f"{number}: {name}" for number, name in enumerate(CLASSES, 1))
    (broken.root / "data.yaml").write_text(f"names: {{{names}}}\n")


@case("annotation_image_unknown")
def one_box_of_image_0(broken: BrokenSet) -> None:
    """Not all of the ids are off by one."""
    broken.add_box([10, 10, 20, 20], image_id=0)


@case("id_not_integer")
def image_ids_as_text(broken: BrokenSet) -> None:
    for entry in broken.images:
        entry["id"] = f"image {entry['id']}"
    for entry in broken.annotations:
        entry["image_id"] = f"image {entry['image_id']}"


@case("id_not_integer", after="image_id 3")
def image_id_of_boxes_as_text(broken: BrokenSet) -> None:
    for entry in broken.annotations:
        if entry["image_id"] == 3:
            entry["image_id"] = "3"


@case("id_not_integer", after="category_id 2")
def category_id_of_boxes_as_text(broken: BrokenSet) -> None:
    for entry in broken.annotations:
        entry["category_id"] = str(entry["category_id"])


@case("id_not_integer")
def annotation_id_is_a_mapping(broken: BrokenSet) -> None:
    broken.annotations[4]["id"] = {"$oid": "65a"}


@case("image_id_duplicate", says="id 1: 001.jpg and 002.png")
def image_id_twice(broken: BrokenSet) -> None:
    broken.images[1]["id"] = 1


@case("image_entry_duplicate")
def image_listed_twice(broken: BrokenSet) -> None:
    broken.images.append(dict(broken.images[4]))


@case("file_name_duplicate", after="id 5")
def file_under_two_ids(broken: BrokenSet) -> None:
    broken.images.append({**broken.images[4], "id": 77})
    moved = [entry for entry in broken.annotations if entry["image_id"] == 5]
    moved[0]["image_id"] = 77


@case("image_ids_from_zero")
def image_0(broken: BrokenSet) -> None:
    for entry in broken.images:
        entry["id"] -= 1
    for entry in broken.annotations:
        entry["image_id"] -= 1


@case("annotation_ids_from_zero")
def annotation_0(broken: BrokenSet) -> None:
    for entry in broken.annotations:
        entry["id"] -= 1


@case("annotation_id_duplicate")
def annotation_id_twice(broken: BrokenSet) -> None:
    broken.annotations[9]["id"] = broken.annotations[3]["id"]


@case("annotation_id_missing")
def annotation_without_id(broken: BrokenSet) -> None:
    del broken.annotations[9]["id"]


@case("annotation_image_unknown")
def annotation_of_no_image(broken: BrokenSet) -> None:
    broken.add_box([1, 2, 30, 30], image_id=4711)


@case("annotation_category_unknown")
def annotation_of_no_category(broken: BrokenSet) -> None:
    broken.add_box([1, 2, 30, 30], category_id=4711)


@case("fields_not_copied")
def segmentations(broken: BrokenSet) -> None:
    for entry in broken.annotations:
        entry.update(segmentation=[[1, 2, 3, 4, 5, 6]], attributes={"occluded": False})


@case("fields_not_copied")
def nested_fields_of_images(broken: BrokenSet) -> None:
    broken.images[0]["tags"] = ["night", float(1)]


@case("area_missing", after="width x height")
def no_area(broken: BrokenSet) -> None:
    del broken.annotations[0]["area"]
    box = broken.annotations[0]["bbox"]
    name = "images/001.jpg"
    broken.expected[name] = sorted(
        (*found[:5], float(box[2] * box[3])) if found[1:5] == tuple(map(float, box)) else found
        for found in broken.expected[name]
    )


def _area(broken: BrokenSet, area: object) -> None:
    broken.add_box([1, 2, 30, 40], area=area)
    broken.expect_box("003.jpg", "can", 1, 2, 30, 40, 1200)


@case("area_wrong", after="area 1200")
def area_of_0(broken: BrokenSet) -> None:
    _area(broken, 0)


@case("area_wrong", after="area 1200")
def area_over_the_box(broken: BrokenSet) -> None:
    _area(broken, 5000)


@case("area_wrong", after="area 1200")
def area_as_text(broken: BrokenSet) -> None:
    _area(broken, "1200")


@case("iscrowd_invalid", after="0")
def iscrowd_2(broken: BrokenSet) -> None:
    broken.annotations[5]["iscrowd"] = 2


@case("iscrowd_invalid", after="0")
def iscrowd_as_a_list(broken: BrokenSet) -> None:
    broken.annotations[5]["iscrowd"] = [1]


def _ignore(broken: BrokenSet, value: object) -> None:
    broken.annotations[5]["ignore"] = value
    # Ordinary objects.
    for entry, other in zip(broken.annotations[6:9], (0, False, None)):
        entry["ignore"] = other


@case("ignore_as_crowd", also="box_crowd", after="iscrowd 1")
def ignore_1(broken: BrokenSet) -> None:
    _ignore(broken, 1)


@case("ignore_as_crowd", also="box_crowd", after="iscrowd 1")
def ignore_true(broken: BrokenSet) -> None:
    _ignore(broken, True)


@case("box_crowd")
def iscrowd_1(broken: BrokenSet) -> None:
    broken.annotations[5]["iscrowd"] = 1
