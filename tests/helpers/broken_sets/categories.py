"""Categories: ids, names, and how those of several files go together."""

from __future__ import annotations

from broken_sets.base import BrokenSet
from broken_sets.case import case


def renumber(content: dict, numbers: dict) -> None:
    for entry in content["categories"]:
        entry["id"] = numbers[entry["id"]]
    for entry in content["annotations"]:
        entry["category_id"] = numbers[entry["category_id"]]


@case("category_ids_from_zero", after="1, 2")
def category_0(broken: BrokenSet) -> None:
    renumber(broken.content, {1: 0, 2: 1, 3: 2})


@case("category_id_gaps")
def category_gaps(broken: BrokenSet) -> None:
    renumber(broken.content, {1: 1, 2: 7, 3: 90})


@case("category_id_gaps")
def category_far_away(broken: BrokenSet) -> None:
    renumber(broken.content, {1: -(10**30), 2: 7, 3: 10**400})


@case("category_order")
def categories_reversed(broken: BrokenSet) -> None:
    broken.categories.reverse()


@case("id_not_integer")
def category_ids_as_text(broken: BrokenSet) -> None:
    renumber(broken.content, {1: "1", 2: "2", 3: "3"})


@case("category_ids_differ", after="id 1")
def categories_of_val_in_another_order(broken: BrokenSet) -> None:
    renumber(broken.move("val", 0, 6), {1: 2, 2: 3, 3: 1})
    broken.files["val.json"]["categories"].sort(key=lambda entry: entry["id"])


@case("category_id_duplicate", says="id 2: bag and cup")
def category_id_twice(broken: BrokenSet) -> None:
    broken.categories[2]["id"] = 2
    broken.content["annotations"] = [
        entry for entry in broken.annotations if entry["category_id"] != 3
    ]


@case("category_name_duplicate", after="one class")
def category_name_twice(broken: BrokenSet) -> None:
    broken.categories.append({"id": 4, "name": "can"})
    for entry in broken.annotations[:20]:
        if entry["category_id"] == 1:
            entry["category_id"] = 4


@case("category_name_duplicate")
def category_entry_twice(broken: BrokenSet) -> None:
    broken.categories.append(dict(broken.categories[2]))


@case("category_name_spaces", after="'can'")
def category_with_spaces(broken: BrokenSet) -> None:
    broken.categories[0]["name"] = " can\n"


@case("category_name_spaces", after="'can'")
def category_with_control_characters(broken: BrokenSet) -> None:
    broken.categories[0]["name"] = "\0can\ud800\x1b"


def second_train_file(broken: BrokenSet, start: int = 12) -> dict:
    """The images from `start` on in a train file of their own."""
    second = broken.move("more", start, 24)
    broken.data.pop("more")
    broken.data["train"] = {"annotations": ["train.json", "more.json"], "images": "images"}
    return second


@case("category_name_variant", also="category_not_listed")
def category_in_another_case(broken: BrokenSet) -> None:
    second_train_file(broken)["categories"][0]["name"] = "Can"
    broken.expected.update(
        {
            name: sorted(("Can" if box[0] == "can" else box[0], *box[1:]) for box in boxes)
            for name, boxes in broken.expected.items()
            if name >= "images/013"
        }
    )


@case("category_name_variant", also="category_rare split_class_absent")
def category_variants_in_one_file(broken: BrokenSet) -> None:
    broken.categories.append({"id": 4, "name": "CAN"})
    broken.add_box([1, 2, 30, 40], category_id=4)
    broken.expect_box("003.jpg", "CAN", 1, 2, 30, 40, 200)


@case("category_name_variant", also="category_unused")
def category_of_other_separators(broken: BrokenSet) -> None:
    for position, name in enumerate(("-", "_", "a-b", "a b", "A_B", "a b-"), 4):
        broken.categories.append({"id": position, "name": name})


@case("category_name_variant", kind="voc", also="category_rare split_class_absent")
def xml_of_a_class_in_another_case(broken: BrokenSet) -> None:
    broken.edit(
        "Annotations/003.xml",
        lambda text: text.replace(
            "</annotation>",
            "<object><name>CAN</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>31</xmax>"
            "<ymax>42</ymax></bndbox></object></annotation>",
        ),
    )
    broken.expect_box("003.jpg", "CAN", 1, 2, 30, 40, 1200)


@case(
    "category_unknown",
    says="Can: id 1 the train files have can; data.policy.category_name_variant: repair joins",
)
def category_of_val_in_another_case(broken: BrokenSet) -> None:
    broken.move("val", 0, 6)["categories"][0]["name"] = "Can"


@case("category_unknown", says="ca\u0301n: id 1 the train files have c\u00e1n")
def category_of_val_in_another_unicode_form(broken: BrokenSet) -> None:
    broken.move("val", 0, 6)["categories"][0]["name"] = "ca\u0301n"
    broken.categories[0]["name"] = "c\u00e1n"


@case("category_name_not_text", after="'7'")
def category_named_by_a_number(broken: BrokenSet) -> None:
    broken.categories[0]["name"] = 7
    broken.categories[1]["name"] = 1.5
    broken.categories[2]["name"] = True
    called = {"can": "7", "bag": "1.5", "cup": "true"}
    broken.expected = {
        file: sorted((called[box[0]], *box[1:]) for box in boxes)
        for file, boxes in broken.expected.items()
    }


@case("category_name_empty", says="categories[1]")
def category_without_a_name(broken: BrokenSet) -> None:
    broken.categories[1]["name"] = "  "


@case("category_name_empty")
def category_named_null(broken: BrokenSet) -> None:
    broken.categories[1]["name"] = None


@case("category_unknown", says="bottle")
def category_of_val_alone(broken: BrokenSet) -> None:
    val = broken.move("val", 0, 6)
    val["categories"].append({"id": 4, "name": "bottle"})
    val["annotations"].append({**val["annotations"][0], "id": 999, "category_id": 4})


@case("category_not_listed", also="split_class_absent")
def category_not_in_val(broken: BrokenSet) -> None:
    val = broken.move("val", 0, 6)
    del val["categories"][2]
    for entry in val["annotations"]:
        if entry["category_id"] == 3:
            entry["category_id"] = 1
    broken.expected.update(
        {
            name: sorted(("can" if box[0] == "cup" else box[0], *box[1:]) for box in boxes)
            for name, boxes in broken.expected.items()
            if name < "images/007"
        }
    )


@case("category_unused")
def category_without_boxes(broken: BrokenSet) -> None:
    broken.categories.append({"id": 4, "name": "bottle"})


@case("category_rare", also="split_class_absent", rare_boxes=5)
def category_of_one_box(broken: BrokenSet) -> None:
    broken.categories.append({"id": 4, "name": "bottle"})
    broken.add_box([1, 2, 30, 40], category_id=4)
    broken.expect_box("003.jpg", "bottle", 1, 2, 30, 40, 200)


@case("category_not_listed")
def category_of_the_second_train_file(broken: BrokenSet) -> None:
    """Not in the first file, but in the train set."""
    second = second_train_file(broken)
    second["categories"] = [{"id": 4, "name": "bottle"}]
    for entry in second["annotations"]:
        entry["category_id"] = 4
    broken.expected.update(
        {
            name: sorted(("bottle", *box[1:]) for box in boxes)
            for name, boxes in broken.expected.items()
            if name >= "images/013"
        }
    )
