"""A COCO file's annotations, read block by block, against json.loads."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from stages.data.findings import Findings
from stages.data.sources import coco_json
from stages.data.sources.annotations import Annotations

COLUMNS = ("position", "image_id", "category_id", "id", "iscrowd", "ignore", "area", "has_area", "rotation", "bbox")
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
        entry = {"id": at, "image_id": at // 3, "category_id": 1, "bbox": [1, 2.5, 30, 40], "area": 12.5, "iscrowd": 0}
        extra = rng.choice(({}, {}, {}, {"note": "}, { [ \" : \\ ü"}, {"attributes": {"rotation": 12.0, "a": [{}, {}]}},
                            {"segmentation": [[1.0, 2.0]]}, {"bbox": None}, {"id": "7"}, {"image_id": 10**30}))
        made.append(rng.choice(({**entry, **extra}, entry, entry)))
    return [*made[:5], "text", None, [], {}, *made[5:]]


def plain(value):
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


@pytest.mark.parametrize("block", [1, 50, 300, 3000, 2**20])
@pytest.mark.parametrize("form", [{}, {"indent": 1}, {"separators": (",", ":")}, {"separators": (" , ", " : ")}])
def test_blocks_hold_what_json_loads_gives(block, form, findings, monkeypatch):
    monkeypatch.setattr(coco_json, "_BLOCK", block)
    content = {"images": [{"id": 1}], "annotations": entries(200), "categories": [{"id": 1}, {"id": 2}]}
    read = coco_json.parse(json.dumps(content, **form), WHERE, findings)
    expected = Annotations.of(content["annotations"])
    assert read["images"] == content["images"] and read["categories"] == content["categories"]
    assert len(read["annotations"]) == 204 and read["annotations"].incomplete == expected.incomplete
    assert read["annotations"].malformed == expected.malformed and read["annotations"].unread == expected.unread
    for name in COLUMNS:
        values, wanted = read["annotations"].column(name), expected.column(name)
        # By their text: NaN is not equal to itself.
        assert repr(list(map(plain, values))) == repr(list(map(plain, wanted)))
    assert not findings.as_list()


def test_every_double_key_and_literal_is_counted_once(findings, monkeypatch):
    monkeypatch.setattr(coco_json, "_BLOCK", 300)
    entry = '{"id": %d, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": %s}'
    listed = [entry % (at, "NaN" if at % 50 == 0 else "81") for at in range(200)]
    listed[70] = listed[70].replace('"image_id": 1', '"image_id": 2, "image_id": 1')
    listed[71] = listed[71].replace('"id"', '"note": "a : b", "id"')
    text = '{"annotations": [' + ", ".join(listed) + "]}"
    assert len(coco_json.parse(text, WHERE, findings)["annotations"]) == 200
    counts = {found["code"]: found["count"] for found in findings.as_list()}
    assert counts == {"json_nan": 4, "json_duplicate_key": 1}


@pytest.mark.parametrize("cut", [0.3, 0.5, 0.9, 0.999])
def test_a_file_that_ends_too_early_is_said_with_its_place(cut, findings, monkeypatch):
    monkeypatch.setattr(coco_json, "_BLOCK", 300)
    text = json.dumps({"images": [], "annotations": entries(100)}, indent=1)
    text = text[:int(len(text) * cut)]
    assert coco_json.parse(text, WHERE, findings) is None
    with pytest.raises(json.JSONDecodeError) as error:
        json.loads(text)
    found, = findings.as_list()
    assert found["examples"][0]["note"].startswith(f"line {error.value.lineno}, column {error.value.colno}: ")
