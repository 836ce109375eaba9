"""Faults of Pascal VOC and YOLO files."""

from __future__ import annotations

import re

from broken_sets.base import CLASSES, BrokenSet
from broken_sets.case import case

XML, TXT = "Annotations/003.xml", "labels/003.txt"


def lose_third(broken: BrokenSet) -> None:
    del broken.expected["images/003.jpg"]


@case("label_file_broken", kind="voc", also="image_unreferenced")
def xml_cut(broken: BrokenSet) -> None:
    broken.edit(XML, lambda text: text[:200])
    lose_third(broken)


@case("label_file_broken", kind="voc", also="image_unreferenced")
def xml_of_another_kind(broken: BrokenSet) -> None:
    broken.edit(XML, lambda text: "<svg><rect/></svg>")
    lose_third(broken)


@case("label_file_broken", kind="voc", also="image_unreferenced")
def xml_of_entities(broken: BrokenSet) -> None:
    """A thousand million laughs."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    broken.edit(
        XML,
        lambda text: (
            f'<!DOCTYPE a [<!ENTITY l0 "laugh">{laughs}]>' + text.replace("003.jpg", "&l9;")
        ),
    )
    lose_third(broken)


@case("label_file_broken", kind="voc", also="image_unreferenced")
def xml_of_an_external_entity(broken: BrokenSet) -> None:
    secret = broken.root.parent / "secret.txt"
    secret.write_text("003.jpg")
    broken.edit(
        XML,
        lambda text: (
            f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{secret}">]>' + text.replace("003.jpg", "&x;")
        ),
    )
    lose_third(broken)


@case("label_file_broken", kind="voc", also="image_unreferenced")
def xml_linked_from_outside(broken: BrokenSet) -> None:
    (broken.root / XML).rename(broken.root.parent / "outside.xml")
    (broken.root / XML).symlink_to(broken.root.parent / "outside.xml")
    lose_third(broken)


@case("image_size_missing", kind="voc")
def xml_without_size(broken: BrokenSet) -> None:
    broken.edit(XML, lambda text: re.sub("<size>.*</size>", "", text))


@case("difficult_as_crowd", kind="voc", also="box_crowd")
def xml_of_a_difficult_object(broken: BrokenSet) -> None:
    broken.edit(XML, lambda text: text.replace("<difficult>0", "<difficult>1", 1))


@case("annotation_category_unknown", kind="voc")
def xml_of_a_class_that_is_not_listed(broken: BrokenSet) -> None:
    (broken.root / "labels.txt").write_text("\n".join(sorted(CLASSES)))
    broken.edit(
        XML,
        lambda text: text.replace(
            "</annotation>",
            "<object><name>bottle</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax>"
            "<ymax>40</ymax></bndbox></object></annotation>",
        ),
    )


@case("entry_incomplete", kind="voc")
def xml_of_a_nameless_object(broken: BrokenSet) -> None:
    broken.edit(
        XML, lambda text: text.replace("</annotation>", "<object><bndbox/></object></annotation>")
    )


@case("box_malformed", kind="voc")
def xml_without_a_side(broken: BrokenSet) -> None:
    broken.edit(
        XML,
        lambda text: text.replace(
            "</annotation>",
            "<object><name>can</name><bndbox><xmin>1</xmin></bndbox></object></annotation>",
        ),
    )


@case("annotation_file_missing", kind="voc", says="none.txt")
def list_of_xml_missing(broken: BrokenSet) -> None:
    broken.data["train"] = {"annotations": "ImageSets/none.txt", "images": "images"}


@case("label_file_broken", kind="voc", also="image_unreferenced")
def list_that_leads_elsewhere(broken: BrokenSet) -> None:
    names = [name.split("/")[1].split(".")[0] for name in broken.expected]
    (broken.root / "list.txt").write_text(
        "\n".join([*names[:20], "../../etc/passwd", "/etc/passwd", "absent", "a\0b"])
    )
    broken.data["train"] = {"annotations": "list.txt", "images": "images"}
    for name in list(broken.expected)[20:]:
        del broken.expected[name]


@case("names_missing", kind="yolo", says="data.yaml")
def no_class_names(broken: BrokenSet) -> None:
    (broken.root / "data.yaml").unlink()


@case("names_missing", kind="yolo", says="data.yaml")
def class_names_that_are_no_yaml(broken: BrokenSet) -> None:
    (broken.root / "data.yaml").write_text("names: [can, bag")


@case("names_missing", kind="yolo", says="line 3: a name is a list or a mapping")
def class_name_with_a_colon(broken: BrokenSet) -> None:
    (broken.root / "data.yaml").write_text("names:\n- can\n- bag: red\n- cup\n")


@case("names_missing", kind="yolo", says="line 2: names stands twice")
def class_names_twice(broken: BrokenSet) -> None:
    (broken.root / "data.yaml").write_text("names: [can, bag, cup]\nnames: [cup, bag, can]\n")


@case("names_missing", kind="yolo", says="the key 'can' of names is no class number")
def class_names_as_keys(broken: BrokenSet) -> None:
    (broken.root / "data.yaml").write_text("names: {can: 0, bag: 1, cup: 2}\n")


@case("names_missing", kind="yolo", says="names is the text 'coco.names'")
def class_names_in_a_file_that_is_absent(broken: BrokenSet) -> None:
    (broken.root / "data.yaml").write_text("names: coco.names\n")


@case("names_missing", kind="yolo", says="line 1: the tag !secret")
def class_names_with_a_tag(broken: BrokenSet) -> None:
    (broken.root / "data.yaml").write_text("path: !secret x\nnames: [can, bag, cup]\n")


@case("category_id_duplicate", kind="yolo", says="id 1: bag and cup")
def class_number_twice(broken: BrokenSet) -> None:
    (broken.root / "data.yaml").write_text("names: {0: can, 1: bag, 1: cup}\n")


@case("names_count", kind="yolo")
def class_count_of_4(broken: BrokenSet) -> None:
    broken.edit("data.yaml", lambda text: f"nc: 4\n{text}")


@case("names_differ", kind="yolo")
def class_names_in_two_orders(broken: BrokenSet) -> None:
    (broken.root / "classes.txt").write_text("bag\ncan\ncup\n")


@case("names_differ", kind="yolo")
def class_names_in_two_orders_beside_the_labels(broken: BrokenSet) -> None:
    (broken.root / "labels/classes.txt").write_text("bag\ncan\ncup\n")


@case("names_differ", kind="yolo")
def class_names_of_two_yaml_files(broken: BrokenSet) -> None:
    (broken.root / "coco8.yaml").write_text("names: [bag, can, cup]\n")


@case("names_comment", kind="yolo", also="category_unused")
def class_list_with_a_comment(broken: BrokenSet) -> None:
    """At its end, where it moves no class."""
    (broken.root / "data.yaml").unlink()
    (broken.root / "classes.txt").write_text("can\nbag\ncup\n# of 2024\n")


@case("category_name_empty", kind="yolo", says="categories[1]")
def class_list_with_a_gap(broken: BrokenSet) -> None:
    (broken.root / "data.yaml").unlink()
    (broken.root / "classes.txt").write_text("can\n\ncup\n\n")


@case("category_name_spaces", kind="yolo", after="'bag'")
def class_list_with_spaces(broken: BrokenSet) -> None:
    (broken.root / "data.yaml").unlink()
    (broken.root / "classes.txt").write_text("can\r\n bag \r\ncup\r\n")


@case("annotation_file_missing", kind="yolo", says="labels/train")
def no_folder_of_labels(broken: BrokenSet) -> None:
    broken.data["train"] = {"annotations": "labels/train", "images": "images"}


@case("annotation_category_unknown", kind="yolo")
def class_out_of_range(broken: BrokenSet) -> None:
    broken.edit(
        TXT,
        lambda text: (
            text + "3 0.5 0.5 0.3 0.3\n-1 0.5 0.5 0.3 0.3\n" + "9" * 5000 + " 0.5 0.5 0.3 0.3\n"
        ),
    )


@case("box_malformed", kind="yolo")
def line_of_words(broken: BrokenSet) -> None:
    broken.edit(TXT, lambda text: "0 0.5 0.5 0.3\n0 a b c d\n\n" + text)


@case("box_wholly_outside", kind="yolo")
def line_of_pixels(broken: BrokenSet) -> None:
    broken.edit(TXT, lambda text: text + "0 40 30 20 10\n")


@case("box_outside", kind="yolo", after="72.00 16.00 24.00 32.00")
def line_over_the_edge(broken: BrokenSet) -> None:
    broken.edit(TXT, lambda text: text + "0 1.0 0.5 0.5 0.5\n")
    broken.expect_box("003.jpg", "can", 72, 16, 24, 32, 768)


@case("polygon_as_box", kind="yolo", after="the box around")
def line_of_a_polygon(broken: BrokenSet) -> None:
    broken.edit(TXT, lambda text: text + "2 0.25 0.5 0.75 0.5 0.5 0.75\n")
    broken.expect_box("003.jpg", "cup", 24, 32, 48, 16, 768)


@case("label_without_image", kind="yolo")
def label_alone(broken: BrokenSet) -> None:
    (broken.root / "labels" / "lost.txt").write_text("0 0.5 0.5 0.3 0.3\n")


@case("label_file_broken", kind="yolo", also="image_unreferenced")
def label_in_utf16(broken: BrokenSet) -> None:
    (broken.root / TXT).write_bytes((broken.root / TXT).read_text().encode("utf-16"))
    lose_third(broken)


@case("label_file_broken", kind="yolo", also="image_unreferenced")
def label_is_a_folder(broken: BrokenSet) -> None:
    (broken.root / TXT).unlink()
    (broken.root / TXT).mkdir()
    lose_third(broken)


@case("image_without_boxes", kind="yolo")
def label_of_an_empty_line(broken: BrokenSet) -> None:
    (broken.root / TXT).write_text("\n")
    broken.expected["images/003.jpg"] = []


@case("exif_orientation", kind="yolo")
def yolo_with_exif(broken: BrokenSet) -> None:
    """Shares of the picture as it is shown: 64 x 96."""
    from broken_sets.images import turn

    turn(broken, 2, 6, "shown")
    (broken.root / TXT).write_text("0 0.5 0.5 0.5 0.5\n")
    broken.expected["images/003.jpg"] = [("can", 16.0, 24.0, 32.0, 48.0, 1536.0)]
