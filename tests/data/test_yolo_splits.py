"""train, val and test of a YOLO set's YAML file: followed where they name folders, or a line says that they are not."""

from __future__ import annotations

import pytest
from exports import READ, Export
from recognised_exports import build, recognise

from stages.data.disk import walk
from stages.data.sources.image_folders import Layout
from stages.data.sources.layouts import recognise_yolo
from stages.study.params import Source

NAMES = "names: [can, bag]"


@pytest.fixture
def export(tmp_path) -> Export:
    return Export(tmp_path / "set")


def folders(export: Export, **splits: str) -> None:
    for split, folder in splits.items():
        export.images(f"images/{folder}", split)
        export.yolo(f"labels/{folder}", split)


def layout(export: Export, *lines: str) -> Layout:
    export.text("data.yaml", *lines, NAMES)
    return recognise_yolo(walk(export.root))


def source(folder: str) -> Source:
    return Source(f"labels/{folder}", f"images/{folder}")


def test_folders_whose_names_say_no_split(export):
    folders(export, train="morning", val="evening")
    found = layout(export, "train: images/morning", "val: images/evening")
    assert found.sets == {"train": source("morning"), "val": source("evening")}
    assert not found.notes


def test_the_yaml_file_comes_before_the_names_of_folders(export):
    folders(export, train="train", test="test")
    found = layout(export, "path: ../datasets/cans", "train: images/train", "val: ./images/test/")
    assert found.sets == {"train": source("train"), "val": source("test")}
    assert not found.notes


def test_a_folder_that_is_left_out_by_its_name_alone(export):
    folders(export, train="train", val="eval")
    found = layout(export, "train: images/train", "val: images/eval")
    assert found.sets == {"train": source("train"), "val": source("eval")}
    assert not found.notes


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("images/test", "test: images/test is not followed: no labels of these images were found"),
        ("images/train", "test: images/train is not followed: an earlier split has the same"),
        ("images", "test: images is not followed: an earlier split has the same"),
        ("images/hidden", "test: images/hidden is not followed: the set has no such folder"),
        ("[images/train, images/val]", "is not followed: one folder for each split is read"),
    ],
)
def test_what_is_not_followed_is_said(value, says, export):
    folders(export, train="train", val="val")
    export.images("images/test", "test")
    found = layout(export, "train: images/train", "val: images/val", f"test: {value}")
    assert found.sets == {"train": source("train"), "val": source("val")}
    assert [says in note for note in found.notes] == [True]


def test_lists_of_images(export):
    export.images("images")
    export.yolo("labels")
    for split in ("train", "val"):
        export.text(f"{split}.txt", *(f"./images/{name}" for name in export.names(split)))
    found = layout(export, "train: train.txt", "val: val.txt")
    assert found.sets == {"train": Source("labels", "images")}
    assert ["lists of images are not read" in note for note in found.notes] == [True, True]


@pytest.mark.parametrize("name", [name for name in READ if READ[name].source == "yolo"])
def test_exports_need_no_line(name, tmp_path, caplog):
    recognise(build(name, tmp_path / "set").root)
    assert not caplog.records


@pytest.mark.parametrize("text", ["train: {a: b}", "train: *x", "- 1", "train: \t", "train: ''"])
def test_a_yaml_file_that_says_nothing(text, export):
    folders(export, train="train", val="val")
    assert len(layout(export, text).sets) == 2
