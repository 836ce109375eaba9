"""data-check as a program: the block that it prints, the folder that it names, DVC's links, and what it lets alone."""

from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from broken_sets.outcome import Outcome
from exports import READ, Export
from recognised_exports import build, recognise

from stages import data_check
from stages.data.discover import data_block, discover, write_block
from stages.data.disk import belongs, walk
from stages.data.sources.coco import first_entries
from stages.data_check import has_images
from stages.errors import InputError
from stages.study import params
from stages.study.params import ROOT
from stages.study.strict import StudyError


def without(text: str, *starts: str) -> list[str]:
    return [line for line in text.splitlines() if not line.lstrip().startswith(starts)]


@pytest.mark.parametrize("name", ["cvat_coco_of_a_project", "roboflow_voc", "labelimg_yolo"])
def test_the_block_pasted_is_the_file_written(name, tmp_path):
    """With all comments and all that is not about the set."""
    export = build(name, tmp_path / "my set: ü #1")
    old = (ROOT / "params.yaml").read_text(encoding="utf-8")
    path = tmp_path / "params.yaml"
    path.write_text(old, encoding="utf-8")
    data = discover(
        export.root,
        dataclasses.replace(params.load_study(path).data, policy={"image_missing": "drop"}),
    )
    text = data_block(path, data)
    head, rest = old.split("\ndata:\n")
    tail = rest[rest.index("\n\n") :]
    assert text.startswith("data:\n") and text.endswith("\n")
    pasted = f"{head}\n{text.rstrip()}{tail}"
    write_block(path, data)
    assert path.read_text(encoding="utf-8") == pasted
    assert params.load_study(path).data == data
    changed = ("source:", "root:", "train:", "val:", "test:", "policy:")
    assert without(pasted, *changed) == without(old, *changed)
    assert re.findall(r" # (.*)$", pasted, re.MULTILINE) == re.findall(
        r" # (.*)$", old, re.MULTILINE
    )


def test_a_list_of_files_in_the_block(tmp_path):
    export = Export(tmp_path / "set")
    export.images("images")
    export.coco("first.json", "train")
    export.coco("second.json", "val")
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    data = discover(export.root, params.load_study(path).data)
    write_block(path, data)
    assert params.load_study(path).data.train == params.Source(
        ["first.json", "second.json"], "images"
    )


def test_the_set_that_is_written_is_prepared(project, tmp_path):
    """From `make data-check ... WRITE=1` to `dvc repro prepare`, with a policy that is tried on the way."""
    export = build("datumaro_coco", tmp_path / "set")
    (export.root / "images/train/a0.jpg").unlink()
    check = ("--silent", "data-check", f"ROOT={export.root}")
    refused = project.make(*check, check=False)
    assert (
        refused.returncode
        and "images/train/a0.jpg" in refused.stdout
        and "POLICY=" in refused.stdout
    )
    done = project.make(*check, "WRITE=1", "POLICY=image_missing=drop")
    assert (
        "data_check: train: coco annotations/instances_train.json, images in images/train"
        in done.stdout
    )
    written = project.params()["data"]
    assert written["policy"] == {"image_missing": "drop"} and written["root"] == str(export.root)
    assert "prepare: train: 3 images, 6 boxes" in project.run("dvc", "repro", "prepare").stdout


def test_the_command_of_a_message_typed_into_a_shell(project, tmp_path):
    """Neither the shell nor make takes anything in the name for its own."""
    root = tmp_path / """a [1] ü $HOME $(id) `id` "q" it's"""
    build("datumaro_coco", root / "set")
    with pytest.raises(InputError, match="the set lies below it") as caught:
        recognise(root)
    typed = shlex.split(str(caught.value).split("; ")[-1])
    assert typed == ["make", "data-check", f"ROOT={root / 'set'}"]
    done = project.make("--silent", *typed[1:])
    assert f"root: {root / 'set'}" in done.stdout.replace('"', '"')
    refused = project.make("--silent", *typed[1:], "POLICY=box_tiny=$(id)", check=False)
    assert "box_tiny: '$(id)' is not one of" in refused.stdout


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("", {"box_tiny": "drop"}),
        ("image_missing=drop", {"box_tiny": "drop", "image_missing": "drop"}),
        ("image_missing=drop  box_tiny=keep", {"box_tiny": "keep", "image_missing": "drop"}),
    ],
)
def test_a_policy_to_try(text, policy):
    assert data_check.changed_policy(text, {"box_tiny": "drop"}) == policy


def test_a_policy_that_cannot_be():
    with pytest.raises(StudyError, match="image_mising: no such check; near it: image_missing"):
        data_check.changed_policy("image_mising=drop", {})


@pytest.mark.parametrize(
    "name", ["cvat_coco_of_a_task", "cvat_voc", "roboflow_yolo", "labelimg_voc"]
)
def test_a_root_one_folder_too_high_names_the_one_that_fits(name, tmp_path):
    build(name, tmp_path / "downloads" / "my set")
    with pytest.raises(
        InputError, match=r"the set lies below it: .*/downloads/my set; make data-check ROOT="
    ):
        recognise(tmp_path / "downloads")


def test_a_root_with_several_sets_names_them(tmp_path):
    build("cvat_coco_of_a_task", tmp_path / "downloads" / "first")
    build("voc_devkit", tmp_path / "downloads" / "second")
    with pytest.raises(InputError, match=r"2 sets lie below it: .*/first, .*/second; "):
        recognise(tmp_path / "downloads")


def test_annotations_without_images_beside_a_set(tmp_path):
    build("fiftyone_coco", tmp_path / "downloads" / "first")
    Export(tmp_path / "downloads" / "second").coco("train.json", start="elsewhere/")
    with pytest.raises(InputError, match=r"the set lies below it: .*/downloads/first; "):
        recognise(tmp_path / "downloads")


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("cvat_coco_of_a_task", "annotations"),
        ("cvat_voc", "Annotations"),
        ("cvat_voc", "JPEGImages"),
        ("label_studio_voc", "images"),
        ("datumaro_coco", "images"),
        ("label_studio_coco", "images"),
    ],
)
def test_a_root_one_folder_too_low_names_the_one_that_fits(name, folder, tmp_path):
    export = build(name, tmp_path / "set")
    with pytest.raises(InputError, match=f"make data-check ROOT={export.root}$"):
        recognise(export.root / folder)


def test_the_own_file_of_a_folder_too_low_is_named(tmp_path):
    export = build("label_studio_voc", tmp_path / "set")
    (export.root / "images/own.json").write_text('{"about": 1}')
    with pytest.raises(
        InputError, match=r"annotations \(own\.json is neither COCO nor VOC\), which"
    ):
        recognise(export.root / "images")


def test_a_file_without_a_split_in_its_name_is_for_training(tmp_path):
    export = Export(tmp_path / "set")
    export.images("images")
    for name, split in (("annotations", "train"), ("val", "val"), ("test", "test")):
        export.coco(f"{name}.json", split)
    data = recognise(export.root).data
    assert [data.train.files, data.val.files, data.test.files] == [
        ["annotations.json"],
        ["val.json"],
        ["test.json"],
    ]


def test_two_files_of_one_split_whose_images_have_the_same_names(tmp_path):
    """Joined under one folder, the boxes of one would lie on the images of the other."""
    export = Export(tmp_path / "set")
    for folder, split in (("first", "train"), ("second", "val")):
        export.images(f"images/{folder}", split)
        export.coco(f"annotations/{folder}.json", split)
    with pytest.raises(
        InputError,
        match=r"of annotations/first\.json in images/first and of annotations/second\.json",
    ):
        recognise(export.root)


def test_an_archive_and_a_file_that_is_broken(tmp_path):
    (tmp_path / "export.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match="is a file; unpack"):
        discover(tmp_path / "export.zip", params.load_study().data)
    (tmp_path / "export.zip").unlink()
    # What is wrong with it is for prepare to say.
    (tmp_path / "train.json").write_text('{"images": [')
    assert recognise(tmp_path).data.train.files == ["train.json"]
    (tmp_path / "train.json").write_text("no JSON at all")
    assert recognise(tmp_path).data.train.files == ["train.json"]


def test_labels_without_images_are_recognised(tmp_path):
    for name, first in (
        ("datumaro_coco", "annotations/instances_train.json"),
        ("roboflow_voc", "train"),
    ):
        export = build(name, tmp_path / name)
        for file in export.root.rglob("*.jpg"):
            file.unlink()
        assert recognise(export.root).data.train.files == [first]


def test_lists_are_found_wherever_they_stand_in_a_large_file(tmp_path):
    """The beginning of the file ends long before the list, and a text speaks of one."""
    filler = ", ".join(['{"id": 1, "bbox": [1, 2, 3, 4], "note": "\\"images\\": ["}'] * 10_000)
    (tmp_path / "a.json").write_text(
        f'\ufeff{{"annotations": [{filler}],\n "images" :\n [ {{"file_name": "a.jpg"}}]}}'
    )
    assert first_entries(tmp_path / "a.json", "images", 9) == [{"file_name": "a.jpg"}]
    assert len(first_entries(tmp_path / "a.json", "annotations", 9)) == 9
    assert first_entries(tmp_path / "a.json", "categories", 9) is None


def test_nothing_outside_is_opened_to_recognise_a_set(tmp_path):
    outside = Export(tmp_path / "outside")
    outside.coco("annotations/instances_default.json")
    root = tmp_path / "set"
    root.mkdir()
    (root / "annotations").symlink_to(outside.root / "annotations")
    (root / "train.json").symlink_to(outside.root / "annotations/instances_default.json")
    with pytest.raises(InputError, match="neither COCO"):
        recognise(root)


@pytest.mark.parametrize("photographs", ["a.heic", "images/b.AVIF", "link"])
def test_photographs_that_cannot_be_opened_are_not_taken_for_labels_alone(photographs, tmp_path):
    """prepare is to name each, rather than to be told to open none."""
    root = tmp_path / "set"
    (root / "images").mkdir(parents=True)
    (root / "train.json").write_text("{}")
    assert not has_images(walk(root))
    if photographs == "link":
        (tmp_path / "elsewhere").mkdir()
        (root / "link").symlink_to(tmp_path / "elsewhere")
    else:
        (root / photographs).write_bytes(b"")
    assert has_images(walk(root))


def as_links(root: Path, cache: Path, prefix: str = "files/md5/") -> None:
    """What `dvc add` leaves with cache.type symlink: each file is a link to its object."""
    for number, file in enumerate(sorted(path for path in root.rglob("*.*") if path.is_file())):
        target = cache / f"{prefix}{number:02x}" / f"{number:030x}"
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
        file.symlink_to(target)


@pytest.mark.parametrize("name", ["datumaro_coco", "roboflow_voc", "roboflow_yolo"])
def test_links_into_dvcs_cache_belong_to_the_set(name, tmp_path):
    """Of the repository that the set lies in, wherever its config has the cache."""
    export = build(name, tmp_path / "repository" / "set")
    dvc = tmp_path / "repository" / ".dvc"
    dvc.mkdir()
    (dvc / "config").write_text("[cache]\n    dir = ../../far/away\n    type = symlink\n")
    as_links(export.root, tmp_path / "far/away")
    outcome = Outcome(recognise(export.root), tmp_path / "prepared")
    assert not outcome.error and "path_link_outside" not in outcome.found
    assert len(outcome.boxes()) == len(READ[name].sources) * 2 == 6


def test_a_cache_holds_what_dvc_put_there_alone(tmp_path):
    """A set's own config may call the whole disk its cache."""
    export = build("datumaro_coco", tmp_path / "repository" / "set")
    (tmp_path / "repository" / ".dvc").mkdir()
    (tmp_path / "repository" / ".dvc" / "config").write_text(f"[cache]\n    dir = {tmp_path}\n")
    secret = tmp_path / "secret.jpg"
    (export.root / "images/train/a0.jpg").rename(secret)
    (export.root / "images/train/a0.jpg").symlink_to(secret)
    outcome = Outcome(recognise(export.root), tmp_path / "prepared")
    assert outcome.found["path_link_outside"]["count"] == 1
    assert not belongs(str(tmp_path / "ab" / "secret"), export.root)
    assert belongs(str(tmp_path / "ab" / ("0" * 30)), export.root)


@pytest.mark.slow
def test_dvc_add_with_symlinks(tmp_path):
    """DVC itself makes the links."""
    export = build("datumaro_coco", tmp_path / "repository" / "set")
    for command in ("init --no-scm", "config cache.type symlink", "add set"):
        subprocess.run(
            [str(Path(sys.executable).parent / "dvc"), *command.split()],
            cwd=tmp_path / "repository",
            check=True,
            capture_output=True,
        )
    assert (export.root / "images/train/a0.jpg").is_symlink()
    outcome = Outcome(recognise(export.root), tmp_path / "prepared")
    assert (
        not outcome.error and "path_link_outside" not in outcome.found and len(outcome.boxes()) == 6
    )


def test_the_line_shows_the_first_name(tmp_path):
    export = Export(tmp_path / "set")
    export.images("images")
    export.coco("annotations.json", start="https://host.example/x_")
    outcome = Outcome(recognise(export.root), tmp_path / "prepared")
    assert "path_absolute 6 times, first https://host.example/x_a0.jpg. " in outcome.error
