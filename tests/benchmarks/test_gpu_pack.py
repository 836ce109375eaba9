"""What is packed for a bare GPU machine: sets of images with their boxes, and wheels; without MMDetection."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np

from benchmarks.gpu import photographs, sets, wheels


def coco(images: int) -> dict:
    return {
        "info": {"image_root": "data/raw"},
        "categories": [{"id": 1, "name": "can"}],
        "images": [
            {"id": 10 + n, "file_name": f"{n}.jpg", "width": 64, "height": 64}
            for n in range(images)
        ],
        "annotations": [
            {
                "id": n,
                "image_id": 10 + n,
                "category_id": 1,
                "bbox": [0, 0, 12 * n, 30],
                "area": 360 * n,
            }
            for n in range(images)
        ],
    }


def test_a_repeated_set_has_each_image_with_its_own_boxes():
    repeated = sets.repeated(coco(3), 7)
    assert [image["id"] for image in repeated["images"]] == list(range(1, 10))
    assert [box["id"] for box in repeated["annotations"]] == list(range(1, 10))
    names = {image["id"]: image["file_name"] for image in repeated["images"]}
    assert [(names[box["image_id"]], box["bbox"][2]) for box in repeated["annotations"]] == [
        (f"{n}.jpg", 12 * n) for n in range(3)
    ] * 3


def test_what_is_learnt_by_heart_has_no_small_box():
    easy = sets.easy(coco(5), 2)
    assert [image["file_name"] for image in easy["images"]] == ["2.jpg", "3.jpg"]
    assert [box["bbox"][2] for box in easy["annotations"]] == [24, 36]


def test_a_part_of_a_set_is_drawn_once_for_all_with_its_boxes():
    part = photographs.subset(coco(50), 20)
    assert (
        part == photographs.subset(coco(50), 20)
        and len(part["images"]) == len(part["annotations"]) == 20
    )
    assert {box["image_id"] for box in part["annotations"]} == {
        image["id"] for image in part["images"]
    }


def test_larger_photographs_are_shrunk_with_their_boxes(tmp_path):
    (tmp_path / "set").mkdir()
    cv2.imwrite(str(tmp_path / "set" / "0.jpg"), np.full((600, 1024, 3), 90, np.uint8))
    part = coco(1)
    part["images"][0].update(width=1024, height=600)
    part["annotations"][0].update(bbox=[100, 40, 300, 200], area=60000)
    photographs._write_photographs(part, tmp_path / "set", tmp_path / "packed")
    assert cv2.imread(str(tmp_path / "packed" / "0.jpg")).shape == (300, 512, 3)
    assert (part["images"][0]["width"], part["images"][0]["height"]) == (512, 300)
    assert (
        part["annotations"][0]["bbox"] == [50, 20, 150, 100]
        and part["annotations"][0]["area"] == 15000
    )


def test_a_set_is_packed_with_its_splits_and_the_licences_of_its_photographs(tmp_path):
    source, data = tmp_path / "set", tmp_path / "data"
    (source / "photos").mkdir(parents=True)
    whole = coco(40)
    generator = np.random.default_rng(0)
    for image, box in zip(whole["images"], whole["annotations"]):
        image.update(file_name=f"photos/{image['id']}.jpg", group=image["id"] // 2)
        box.update(bbox=[2, 2, 40, 30], area=1200)
        pixels = generator.integers(0, 255, (64, 64, 3), np.uint8)
        cv2.imwrite(str(source / image["file_name"]), pixels)
    (source / "annotations.json").write_text(json.dumps(whole), encoding="utf-8")
    rows = [[image["file_name"], "CC BY 4.0"] for image in whole["images"]]
    with (source / "attribution.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["file", "licence"], *rows])

    counts = photographs.pack(source, data)
    groups = {}
    names = set()
    for split in ("train", "val"):
        part = json.loads((data / "prepared" / f"{split}.json").read_text(encoding="utf-8"))
        assert counts[split]["images"] == len(part["images"]) > 0
        assert part["info"]["image_root"] == "data/raw"
        names |= {image["file_name"] for image in part["images"]}
        groups[split] = {int(Path(image["file_name"]).stem) // 2 for image in part["images"]}
    assert not groups["train"] & groups["val"]
    carried = {path.relative_to(data / "raw").as_posix() for path in (data / "raw").rglob("*.jpg")}
    assert carried == names and len(names) < 40
    with (data / "raw" / "attribution.csv").open(newline="", encoding="utf-8") as file:
        header, *kept = csv.reader(file)
    assert header == ["file", "licence"] and {row[0] for row in kept} == names
    assert counts["attributions"] == len(names)


def test_the_wheels_are_what_a_machine_with_plain_pytorch_lacks():
    carried = wheels.carried()
    assert {
        "mmdet",
        "mmengine",
        "mmcv-lite",
        "pycocotools",
        "hotcoco",
        "setuptools",
        "addict",
        "shapely",
        "six",
        "rich",
        "yapf",
    } <= set(carried)
    assert not {"torch", "numpy", "pillow", "dvc", "mlflow", "opencv-python", "pytest"} & set(
        carried
    )
