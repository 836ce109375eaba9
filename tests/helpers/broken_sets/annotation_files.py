"""Annotation files that cannot be read, or only in part."""

from __future__ import annotations

import json

from broken_sets.base import BrokenSet
from broken_sets.case import case


def text(broken: BrokenSet) -> str:
    return json.dumps(broken.content)


@case("annotation_file_missing", says="train2.json")
def file_missing(broken: BrokenSet) -> None:
    broken.data["train"] = {"annotations": ["train.json", "train2.json"], "images": "images"}


@case("annotation_file_empty", says="train.json")
def file_empty(broken: BrokenSet) -> None:
    broken.text = b""


@case("annotation_file_empty", says="train.json")
def file_of_spaces(broken: BrokenSet) -> None:
    broken.text = b"\xef\xbb\xbf \n\n"


@case("annotation_file_unreadable", says="images")
def file_is_a_folder(broken: BrokenSet) -> None:
    broken.data["train"] = {"annotations": "images", "images": "images"}


@case("annotation_file_unreadable", says="loop.json")
def file_is_a_link_to_itself(broken: BrokenSet) -> None:
    (broken.root / "loop.json").symlink_to(broken.root / "loop.json")
    broken.data["train"] = {"annotations": "loop.json", "images": "images"}


@case("file_not_utf8", says="line 1")
def file_in_cp949(broken: BrokenSet) -> None:
    broken.text = text(broken).replace('"can"', '"병"').encode("cp949")


@case("file_not_utf8", says="byte 0xff")
def file_in_utf16(broken: BrokenSet) -> None:
    broken.text = text(broken).encode("utf-16")


@case("file_bom")
def byte_order_mark(broken: BrokenSet) -> None:
    broken.text = b"\xef\xbb\xbf" + text(broken).encode()


@case("json_truncated", says="line 1")
def json_cut(broken: BrokenSet) -> None:
    broken.text = text(broken)[:700].encode()


@case("json_truncated")
def json_cut_in_a_text(broken: BrokenSet) -> None:
    broken.text = text(broken).split("003.jp")[0].encode() + b"003"


@case("json_truncated")
def json_cut_in_a_word(broken: BrokenSet) -> None:
    broken.text = b'{"images": [{"id": 1, "other": tru'


@case("json_invalid", says="column")
def json_without_a_comma(broken: BrokenSet) -> None:
    broken.text = text(broken).replace(", ", " ", 1).encode()


@case("json_invalid")
def json_twice(broken: BrokenSet) -> None:
    broken.text = text(broken).encode() * 2


@case("json_invalid", says="nested too deeply")
def json_nested(broken: BrokenSet) -> None:
    broken.text = b"[" * 100_000


@case("json_invalid", says="digits")
def json_of_a_huge_number(broken: BrokenSet) -> None:
    broken.text = text(broken).replace('"id": 1,', f'"id": {"9" * 5000},', 1).encode()


@case("json_nan", also="box_not_finite")
def nan_literal(broken: BrokenSet) -> None:
    broken.add_box([float("nan"), 1, 2, 3])


@case("json_nan")
def nan_in_another_field(broken: BrokenSet) -> None:
    broken.images[2]["exposure"] = float("nan")


@case("json_duplicate_key")
def key_twice(broken: BrokenSet) -> None:
    broken.text = text(broken).replace('"width": 96', '"width": 1, "width": 96', 1).encode()


@case("coco_list_missing", says="annotations")
def list_missing(broken: BrokenSet) -> None:
    del broken.content["annotations"]


@case("coco_list_missing", says="its list is empty")
def list_empty(broken: BrokenSet) -> None:
    broken.content["categories"] = []


@case("coco_list_missing")
def list_is_a_mapping(broken: BrokenSet) -> None:
    broken.content["images"] = {str(image["id"]): image for image in broken.images}


@case("coco_list_missing")
def list_of_results(broken: BrokenSet) -> None:
    broken.text = json.dumps(broken.annotations).encode()


@case("coco_list_missing")
def json_null(broken: BrokenSet) -> None:
    broken.text = b"null"


@case("coco_list_missing", says="test.json categories")
def test_with_boxes_without_categories(broken: BrokenSet) -> None:
    del broken.move("test", 0, 6)["categories"]
