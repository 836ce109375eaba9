"""A COCO file's annotations, read block by block, against json.loads."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from stages.data.findings import Findings
from stages.data.sources import coco_text
from stages.data.sources.annotations import Annotations
from stages.data.sources.coco import parse_coco

BOX = '{"id": %d, "image_id": 1, "category_id": 2, "bbox": [0, 1.5, -9, 9], "area": 81.5, "iscrowd": 0}'
COLUMNS = (
    "position",
    "image_id",
    "category_id",
    "id",
    "iscrowd",
    "ignore",
    "area",
    "has_area",
    "rotation",
    "bbox",
)
WHERE = {"split": "train", "source": "train.json"}


@pytest.fixture
def findings(tmp_path):
    with_file = Findings({}, tmp_path / "changes.csv")
    yield with_file
    with_file.close()


def entries(number: int) -> list:
    rng = random.Random(number)
    made = []
    for at in range(number):
        entry = {
            "id": at,
            "image_id": at // 3,
            "category_id": 1,
            "bbox": [1, 2.5, 30, 40],
            "area": 12.5,
            "iscrowd": 0,
        }
        extra = rng.choice(
            (
                {},
                {},
                {},
                {"note": '}, { [ " : \\ ü'},
                {"attributes": {"rotation": 12.0, "a": [{}, {}]}},
                {"segmentation": [[1.0, 2.0]]},
                {"bbox": None},
                {"id": "7"},
                {"image_id": 10**30},
            )
        )
        made.append(rng.choice(({**entry, **extra}, entry, entry)))
    return [*made[:5], "text", None, [], {}, *made[5:]]


def plain(value):
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


@pytest.mark.parametrize("block", [1, 50, 300, 3000, 2**20])
@pytest.mark.parametrize(
    "form", [{}, {"indent": 1}, {"separators": (",", ":")}, {"separators": (" , ", " : ")}]
)
def test_blocks_hold_what_json_loads_gives(block, form, findings, monkeypatch):
    monkeypatch.setattr(coco_text, "_BLOCK", block)
    content = {
        "images": [{"id": 1}],
        "annotations": entries(200),
        "categories": [{"id": 1}, {"id": 2}],
    }
    read = assert_as_json_loads(json.dumps(content, **form), findings)
    assert read["images"] == content["images"] and read["categories"] == content["categories"]
    assert len(read["annotations"]) == 204


def assert_as_json_loads(text, findings, codes=()):
    read = parse_coco(text, WHERE, findings)
    annotations, expected = read["annotations"], Annotations.of(json.loads(text)["annotations"])
    assert annotations.incomplete == expected.incomplete and annotations.unread == expected.unread
    assert annotations.malformed == expected.malformed
    for name in COLUMNS:
        values, wanted = annotations.column(name), expected.column(name)
        # By their text: NaN is not equal to itself.
        assert repr(list(map(plain, values))) == repr(list(map(plain, wanted)))
    assert [found["code"] for found in findings.as_list()] == list(codes)
    return read


def test_every_double_key_and_literal_is_counted_once(findings, monkeypatch):
    monkeypatch.setattr(coco_text, "_BLOCK", 300)
    entry = '{"id": %d, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": %s}'
    listed = [entry % (at, "NaN" if at % 50 == 0 else "81") for at in range(200)]
    listed[70] = listed[70].replace('"image_id": 1', '"image_id": 2, "image_id": 1')
    listed[71] = listed[71].replace('"id"', '"note": "a : b", "id"')
    text = '{"annotations": [' + ", ".join(listed) + "]}"
    assert len(parse_coco(text, WHERE, findings)["annotations"]) == 200
    counts = {found["code"]: found["count"] for found in findings.as_list()}
    assert counts == {"json_nan": 4, "json_duplicate_key": 1}


def boxes(number: int, **fields) -> list:
    return [
        {
            "id": at + 1,
            "image_id": at // 3,
            "category_id": at % 80,
            "bbox": [at, at + 0.25, 30.5, 40],
            "area": at / 8,
            "iscrowd": 0,
            **fields,
        }
        for at in range(number)
    ]


@pytest.mark.parametrize("form", [{}, {"indent": 1}, {"separators": (",", ":")}])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"segmentation": []},
        {"segmentation": [[1, 2, 3.5, 4]]},
        {"area": None},
        {"iscrowd": False},
        {"attributes": None, "score": 0.5},
    ],
)
def test_annotations_that_differ_in_numbers_alone_become_columns_at_once(
    fields, form, findings, monkeypatch
):
    monkeypatch.setattr(coco_text, "_BLOCK", 3000)
    content = {"annotations": boxes(500, **fields)}
    monkeypatch.setattr(coco_text.Reader, "_add_objects", None)
    read = assert_as_json_loads(json.dumps(content, **form), findings)
    assert isinstance(read["annotations"].column("id"), np.ndarray)


@pytest.mark.parametrize(
    "odd",
    [
        BOX.replace("image_id", "ima4ge_id"),
        BOX.replace("image_id", "image_id2"),
        BOX.replace('"area"', '"-area"'),
        BOX.replace('"id": %d, "image_id": 1', '"image_id": 1, "id": %d'),
        BOX.replace('"image_id": 1', '"image_id": 1.0'),
        BOX.replace('"image_id": 1, "category_id": 2', '"category_id": 2, "image_id": 1'),
        BOX.replace("81.5", "1e5"),
        BOX.replace("81.5", "NaN"),
        BOX.replace("81.5", '"81.5"'),
        BOX.replace("81.5", "true"),
        BOX.replace("0, 1.5", "0, 1.5, 7"),
        BOX.replace("[0, 1.5, -9, 9]", "[]"),
        BOX.replace("[0", f"[{2**70}"),
        BOX.replace('"image_id": 1', f'"image_id": {2**70}'),
        BOX.replace(', "iscrowd": 0', ""),
        BOX.replace("}", ', "note": "7: }, {"}'),
        BOX.replace("}", ', "note": {"a": 1}}'),
    ],
)
def test_an_annotation_unlike_its_neighbours_is_read_as_it_stands(odd, findings, monkeypatch):
    monkeypatch.setattr(coco_text, "_BLOCK", 3000)
    listed = [BOX % at for at in range(200)]
    listed[90] = odd % 90
    assert_as_json_loads(
        '{"annotations": [' + ", ".join(listed) + "]}", findings, ["json_nan"] * ("NaN" in odd)
    )
    listed[0], listed[90] = odd % 90, BOX % 0
    again = parse_coco('{"annotations": [' + ", ".join(listed) + "]}", WHERE, findings)
    assert len(again["annotations"]) == 200


@pytest.mark.parametrize(
    "number", ["01", "-01", "00.5", "1.", "-", "--1", "1-1", "1 2", ".5", "", "1.2.3", "1" * 5000]
)
def test_what_is_no_number_is_no_json(number, findings, monkeypatch):
    monkeypatch.setattr(coco_text, "_BLOCK", 3000)
    listed = [BOX % at for at in range(200)]
    listed[90] = listed[90].replace("81.5", number)
    assert parse_coco('{"annotations": [' + ", ".join(listed) + "]}", WHERE, findings) is None
    assert [found["code"] for found in findings.as_list()] == ["json_invalid"]


@pytest.mark.parametrize("cut", [0.3, 0.5, 0.9, 0.999])
def test_a_file_that_ends_too_early_is_said_with_its_place(cut, findings, monkeypatch):
    monkeypatch.setattr(coco_text, "_BLOCK", 300)
    text = json.dumps({"images": [], "annotations": entries(100)}, indent=1)
    text = text[: int(len(text) * cut)]
    assert parse_coco(text, WHERE, findings) is None
    with pytest.raises(json.JSONDecodeError) as error:
        json.loads(text)
    (found,) = findings.as_list()
    assert found["examples"][0]["note"].startswith(
        f"line {error.value.lineno}, column {error.value.colno}: "
    )
