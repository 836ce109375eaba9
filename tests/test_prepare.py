"""prepare on the demo set, on small COCO sets with one fault each, and on real photographs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from stages import prepare
from stages.data import coco
from stages.program import InputError
from stages.study.params import Data, DemoImages, Source


def make_set(root: Path, images: int = 20) -> dict:
    """A COCO set with ids from 0: two boxes of two classes on each image."""
    (root / "images").mkdir(parents=True)
    content = {"images": [], "annotations": [], "categories": [{"id": 0, "name": "can"}, {"id": 5, "name": "bag"}]}
    for index in range(images):
        name = f"images/{index:03}.jpg"
        Image.fromarray(np.full((48, 64, 3), index, np.uint8)).save(root / name)
        content["images"].append({"id": index, "file_name": name, "width": 64, "height": 48})
        for box, category in (([1, 2, 10, 20], 0), ([20, 20, 30, 20], 5)):
            content["annotations"].append({
                "id": len(content["annotations"]), "image_id": index, "category_id": category, "bbox": box,
                "area": box[2] * box[3], "iscrowd": 0})
    return content


def data_of(root: Path, **kwargs) -> Data:
    values = {"train": Source("annotations.json"), "val": Source(""), "test": Source(""),
              "val_share": 0.2, "test_share": 0.2, "demo_images": DemoImages(2, 1, 1), **kwargs}
    return Data(source="coco", root=str(root), **values)


def write(root: Path, content, name: str = "annotations.json") -> None:
    (root / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def test_ids_start_at_1_and_nothing_is_lost(tmp_path):
    content = make_set(tmp_path)
    write(tmp_path, content)
    sets, changes = prepare.read_coco(data_of(tmp_path), tmp_path, seed=0)
    for part in sets.values():
        for key in ("images", "annotations", "categories"):
            assert [entry["id"] for entry in part[key]] == list(range(1, len(part[key]) + 1))
    assert sum(len(part["images"]) for part in sets.values()) == 20
    assert {len(part["images"]) for name, part in sets.items() if name != "train"} == {4}
    files = [image["file_name"] for part in sets.values() for image in part["images"]]
    assert len(set(files)) == 20
    # Each box is still on its own image, under its own class.
    names = {1: "can", 2: "bag"}
    for part in sets.values():
        for image in part["images"]:
            assert image["source_id"] == int(Path(image["file_name"]).stem)
            found = [(names[entry["category_id"]], entry["bbox"]) for entry in part["annotations"]
                     if entry["image_id"] == image["id"]]
            assert found == [("can", [1, 2, 10, 20]), ("bag", [20, 20, 30, 20])]
    assert changes["annotations.json"]["annotation ids renumbered"] == 40


def test_no_group_is_cut_and_the_seed_decides(tmp_path):
    content = make_set(tmp_path, 30)
    for image in content["images"]:
        image["group"] = image["id"] // 3
    write(tmp_path, content)
    one, two, again = (prepare.read_coco(data_of(tmp_path), tmp_path, seed)[0] for seed in (0, 1, 0))
    groups = [{image["group"] for image in part["images"]} for part in one.values()]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])
    assert one == again != two


def test_own_split_files_are_matched_by_class_name(tmp_path):
    content = make_set(tmp_path)
    write(tmp_path, content)
    swapped = json.loads(json.dumps(content))
    swapped["categories"] = [{"id": 1, "name": "bag"}, {"id": 2, "name": "can"}]
    for entry in swapped["annotations"]:
        entry["category_id"] = {0: 2, 5: 1}[entry["category_id"]]
    write(tmp_path, swapped, "val.json")
    sets, _ = prepare.read_coco(data_of(tmp_path, val=Source("val.json")), tmp_path, seed=0)
    assert [entry["category_id"] for entry in sets["val"]["annotations"][:2]] == [1, 2]
    assert len(sets["val"]["images"]) == 20


def break_image(content):
    content["images"][3]["file_name"] = "images/absent.jpg"


@pytest.mark.parametrize(("broken", "expected"), [
    ("", "is empty"),
    ("{\"images\": [", "broken JSON at line 1"),
    ("[]", "has no list 'images'"),
    (lambda content: content.update(annotations=[]), "its list 'annotations' is empty"),
    (lambda content: content["annotations"][2].pop("bbox"), "annotations[2] lacks bbox"),
    (lambda content: content["annotations"][2].update(bbox=[1, 2, 3]), "annotations[2].bbox [1, 2, 3]"),
    (lambda content: content["annotations"][2].update(image_id=99), "annotations[2].image_id 99 is not in the file"),
    (lambda content: content["annotations"][2].update(category_id=9), "annotations[2].category_id 9"),
    (lambda content: content["images"][2].update(id=0), "images have duplicate ids"),
    (lambda content: content["categories"][1].update(name="can"), "two categories share a name"),
    (break_image, "images/absent.jpg: no such image, and 0 more of the 20"),
])
def test_a_broken_set_is_one_line_with_its_path(tmp_path, broken, expected):
    content = make_set(tmp_path)
    if callable(broken):
        broken(content)
    write(tmp_path, broken if isinstance(broken, str) else content)
    with pytest.raises(InputError) as caught:
        prepare.read_coco(data_of(tmp_path), tmp_path, seed=0)
    assert expected in str(caught.value) and str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_other_classes_in_val_are_refused(tmp_path):
    content = make_set(tmp_path)
    write(tmp_path, content)
    content["categories"][0]["name"] = "tin"
    write(tmp_path, content, "val.json")
    with pytest.raises(InputError, match=r"val\.json: its categories \['tin', 'bag'\] differ from the train file's"):
        prepare.read_coco(data_of(tmp_path, val=Source("val.json")), tmp_path, seed=0)


def test_a_missing_root_and_a_missing_file_name_their_path(tmp_path):
    with pytest.raises(InputError, match=r"data\.root: no folder"):
        prepare.read_coco(data_of(tmp_path / "no"), tmp_path / "no", seed=0)
    with pytest.raises(InputError, match=r"annotations\.json: no such annotation file; set data.root"):
        prepare.read_coco(data_of(tmp_path), tmp_path, seed=0)


def test_a_changed_pixel_changes_the_digest(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"one")
    before = prepare.digest(tmp_path, ["a.jpg"])
    (tmp_path / "a.jpg").write_bytes(b"two")
    assert prepare.digest(tmp_path, ["a.jpg"]) != before


def test_real_photographs(taco):
    sets, changes = prepare.read_coco(data_of(taco, val_share=0.15, test_share=0.15), taco, seed=0)
    assert sum(len(part["images"]) for part in sets.values()) == 1077
    assert sum(len(part["annotations"]) for part in sets.values()) == 3689
    assert changes["annotations.json"]["boxes without an area dropped"] == 0
    counts = coco.summary(sets["train"])["classes"]
    assert next(iter(counts)) == "General trash" and len(counts) == 10
    groups = [{image["group"] for image in part["images"]} for part in sets.values()]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])


def test_pycocotools_finds_every_box_that_starts_at_id_0(tmp_path):
    from stages.evaluation import scores

    content = make_set(tmp_path, 4)
    renumbered, _ = coco.renumber(content, tmp_path, ["can", "bag"], "")
    perfect = [{key: entry[key] for key in ("image_id", "category_id", "bbox")} | {"score": 1.0}
               for entry in renumbered["annotations"]]
    write(tmp_path, renumbered, "fixed.json")
    truth = scores.load(tmp_path / "fixed.json")
    assert isinstance(truth, COCO)
    assert scores.score(truth, perfect).metrics["bbox_mAP"] == pytest.approx(1.0)
