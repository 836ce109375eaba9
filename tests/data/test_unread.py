"""What a newcomer takes for a part of the set: it is read, or a line says that it is not."""

from __future__ import annotations

import pytest
from broken_sets.outcome import Outcome
from exports import Export
from exports.export import CLASSES
from recognised_exports import recognise

from stages.data.disk import walk
from stages.data.sources.coco import recognise_coco
from stages.data.sources.image_folders import split_of
from stages.data.sources.layouts import recognise_voc


@pytest.fixture
def export(tmp_path) -> Export:
    return Export(tmp_path / "set")


def check_whole(export: Export, tmp_path, *codes: str) -> None:
    outcome = Outcome(recognise(export.root), tmp_path / "prepared")
    assert not outcome.error and set(outcome.found) == set(codes)
    assert sum(map(len, outcome.boxes().values())) == 12


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_suffixes_in_capitals(kind, export, tmp_path):
    export.images("images")
    export.text("classes.txt", *CLASSES)
    getattr(export, kind)("labels")
    for file in list((export.root / "labels").iterdir())[:2]:
        file.rename(file.with_suffix(file.suffix.upper()))
    check_whole(export, tmp_path)


def test_listed_xml_in_capitals(export, tmp_path):
    export.images("JPEGImages")
    export.voc("Annotations")
    export.text("ImageSets/Main/train.txt", *(f"a{index}" for index in range(6)))
    for file in list((export.root / "Annotations").iterdir())[:2]:
        file.rename(file.with_suffix(".XML"))
    check_whole(export, tmp_path)


def test_two_label_files_of_one_image(export, tmp_path):
    export.images("images")
    export.text("classes.txt", *CLASSES)
    export.yolo("labels")
    export.text("labels/a0.TXT", "0 .5 .5 .1 .1")
    outcome = Outcome(recognise(export.root), tmp_path / "prepared")
    assert outcome.found["label_file_broken"]["count"] == 1
    assert "images/a0.jpg" not in outcome.boxes()


@pytest.mark.parametrize("kind", ["coco", "voc", "yolo"])
def test_what_macos_puts_beside_files(kind, export, tmp_path):
    export.images("images")
    labels = "labels.json" if kind == "coco" else "labels"
    getattr(export, kind)(labels)
    if kind == "yolo":
        export.text("my.yaml", "names: [can, bag]")
    for file in list(export.root.rglob("*.*")):
        file.with_name(f"._{file.name}").write_bytes(b"\0\5\x16\x07\xff")
    check_whole(export, tmp_path)


def test_a_list_called_valid(export):
    export.images("JPEGImages")
    export.voc("Annotations")
    export.text("ImageSets/Main/train.txt", "a0", "a1", "a2", "a3")
    export.text("ImageSets/Main/valid.txt", "a4")
    assert recognise(export.root).data.val.files == ["ImageSets/Main/valid.txt"]


def test_sets_beside_a_split(export):
    for folder, split in (("train", "train"), ("batch2", "val")):
        export.images(folder, split)
        export.coco(f"{folder}/_annotations.coco.json", split)
    layout = recognise_coco(walk(export.root))
    assert list(layout.sets) == ["train"]
    assert layout.notes == [
        "batch2/_annotations.coco.json is left out: its name says no split, and others do"
    ]


def test_voc_beside_a_split(export):
    for folder, split in (("train", "train"), ("batch2", "val")):
        export.images(folder, split)
        export.voc(folder, split)
    assert recognise_voc(walk(export.root)).notes == [
        "batch2 is left out: its name says no split, and others do"
    ]


def test_masks_are_no_images_without_labels(export, tmp_path):
    export.images("images")
    export.images("masks")
    export.coco("labels.json")
    check_whole(export, tmp_path)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("trainAnnotations.json", "train"),
        ("testAnnotations.json", "test"),
        ("Trainingsdaten.json", "train"),
        ("Testdaten.json", "test"),
        ("valset", "val"),
        ("devkit", None),
        ("dataset", None),
        ("contest_images", None),
    ],
)
def test_the_split_that_a_name_says(name, split):
    assert split_of(name) == split


def test_files_that_are_joined_are_named(export):
    export.images("images")
    export.coco("b.json", "train")
    export.coco("a.json", "val")
    assert recognise_coco(walk(export.root)).notes == [
        "a.json and b.json are joined for training: their names say no split"
    ]
