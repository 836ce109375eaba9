"""Several folders with images of the same names: the labels are put on the ones that are meant, or on none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from broken_sets.outcome import Outcome
from exports import Export
from exports.export import CLASSES, HEIGHT, WIDTH
from recognised_exports import recognise

from stages.errors import InputError
from stages.study.params import Source


@pytest.fixture
def export(tmp_path) -> Export:
    return Export(tmp_path / "set")


def others(export: Export, folder: str, scale: int = 1, suffix: str = ".jpg") -> None:
    """Pictures of noise under the names of the set's images."""
    rng = np.random.default_rng(7)
    (export.root / folder).mkdir(parents=True, exist_ok=True)
    for name in export.boxes:
        noise = rng.integers(0, 255, (HEIGHT * scale, WIDTH * scale, 3), dtype=np.uint8)
        file = export.root / folder / Path(name).with_suffix(suffix)
        file.write_bytes(cv2.imencode(suffix, noise)[1].tobytes())


def train(export: Export) -> Source:
    return recognise(export.root).data.train


def test_the_split_of_the_annotation_file(export):
    export.images("train")
    others(export, "test")
    export.coco("train.json")
    assert train(export) == Source("train.json", "train")


def test_a_folder_of_the_split_that_lacks_an_image(export):
    export.images("train")
    (export.root / "train/a0.jpg").unlink()
    others(export, "test")
    export.coco("train.json")
    assert train(export) == Source("train.json", "train")


def test_each_split_has_its_own_folder_of_equal_numbering(export):
    export.images("train2017")
    others(export, "val2017")
    for split in ("train", "val"):
        export.coco(f"annotations/instances_{split}2017.json")
    recognised = recognise(export.root)
    assert recognised.data.train.images == "train2017"
    assert recognised.data.val.images == "val2017"


@pytest.mark.parametrize("folder", ["vis", "mask", "a"])
def test_a_folder_called_images(export, folder):
    export.images("images")
    others(export, folder)
    export.coco("annotations.json")
    assert train(export) == Source("annotations.json", "images")


def test_of_two_folders_called_images_the_one_beside_the_file(export):
    export.images("images")
    others(export, "a/images")
    export.coco("annotations.json")
    assert train(export) == Source("annotations.json", "images")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_the_folder_beside_labels(export, suffix):
    export.images("images/all")
    others(export, "mask", suffix=suffix)
    others(export, "x/images", suffix=suffix)
    export.text("classes.txt", *CLASSES)
    export.yolo("labels/all")
    assert train(export) == Source("labels/all", "images/all")


def test_the_suffix_that_voc_names(export):
    export.images("photographs")
    others(export, "mask", suffix=".png")
    export.voc("boxes")
    assert train(export) == Source("boxes", "photographs")


@pytest.mark.parametrize("kind", ["coco", "voc"])
def test_the_declared_sizes(export, kind):
    export.images("photographs")
    others(export, "large", scale=2)
    if kind == "coco":
        export.coco("boxes.json")
    else:
        export.voc("boxes")
    assert train(export).images == "photographs"


def test_copies_are_as_good_as_the_originals(export):
    export.images("photographs")
    export.images("backup")
    export.coco("boxes.json")
    assert train(export) == Source("boxes.json", "backup")


@pytest.mark.parametrize("kind", ["coco", "voc", "yolo"])
def test_nothing_tells(export, kind):
    export.images("pictures/train")
    others(export, "pictures/test")
    labels = "labels.json" if kind == "coco" else "labels"
    export.text("classes.txt", *CLASSES)
    getattr(export, kind)(labels)
    with pytest.raises(InputError) as caught:
        recognise(export.root)
    line = str(caught.value)
    assert f"in {labels} lie in pictures/test and in pictures/train" in line
    assert f"train: {{annotations: {labels}, images: pictures/train}}" in line
    assert f"source: {kind}" in line


def test_the_report_says_where_images_lie(export, tmp_path):
    export.images("images")
    export.coco("annotations.json")
    outcome = Outcome(recognise(export.root), tmp_path / "prepared", page=True)
    assert outcome.report["files"][0]["folder"] == "images"
    page = (tmp_path / "prepared/report.html").read_text(encoding="utf-8")
    assert "annotations.json (train): 6 images in images, 12 boxes" in page
