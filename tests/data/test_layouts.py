"""Sets in the layouts of labelling tools: recognised by content and read, or refused with the way out; what a newcomer
takes for a part of the set is read too, or a line says that it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from broken_sets.outcome import Outcome
from exports import READ, REFUSED, Export
from exports.export import CLASSES
from recognised_exports import build, recognise

from stages.data.disk import walk
from stages.data.sources.coco import recognise_coco
from stages.data.sources.image_folders import Layout, split_of
from stages.data.sources.layouts import recognise_voc, recognise_yolo
from stages.errors import InputError
from stages.study.params import Source

NAMES = "names: [can, bag]"


@pytest.fixture
def export(tmp_path) -> Export:
    return Export(tmp_path / "set")


@pytest.mark.parametrize("name", READ)
def test_read(name, tmp_path):
    export = build(name, tmp_path / "set")
    recognised = recognise(export.root)
    data, sources = recognised.data, READ[name].sources
    assert data.source == READ[name].source
    assert {
        split: (source.annotations, source.images)
        for split in ("train", "val", "test")
        for source in [getattr(data, split)]
        if source.files
    } == sources
    outcome = Outcome(recognised, tmp_path / "prepared")
    assert not outcome.error
    boxes = {
        Path(file).name: [(label, *map(round, box[:4])) for label, *box in found]
        for file, found in outcome.boxes().items()
    }
    assert boxes == {file: sorted(found) for file, found in export.boxes.items()}
    # A split of its own stays what it is.
    for split in sources.keys() & {"val", "test"}:
        names = {Path(image["file_name"]).name for image in outcome.splits()[split]["images"]}
        assert names == {"val": {"a4.jpg"}, "test": {"a5.jpg"}}[split]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path):
    export = build(name, tmp_path / "set")
    with pytest.raises(InputError) as caught:
        recognise(export.root)
    line = str(caught.value)
    assert all(words in line for words in REFUSED[name].says) and line.isprintable()
    assert str(export.root) in line


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
