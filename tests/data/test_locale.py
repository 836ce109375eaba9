"""Letters outside ASCII, in names of classes and files, under locales that are not UTF-8."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from broken_sets import BrokenSet, Healthy
from broken_sets.outcome import Outcome
from conftest import ROOT, Project

CALLED = {"can": "Äpfel", "bag": "Birne", "cup": "杯 \ud83d\ude00"}
# Boxes of each class in the data set that MMDetection makes of a file, as a training sees them.
COUNT = """
import contextlib, json, sys
import stages.model.ops
from mmdet.datasets import CocoDataset
classes = json.loads(sys.argv[2])
with contextlib.redirect_stdout(sys.stderr):
    dataset = CocoDataset(ann_file=sys.argv[1], metainfo={"classes": classes}, data_prefix={"img": ""}, pipeline=[])
counts = [0] * len(classes)
for index in range(len(dataset)):
    for instance in dataset.get_data_info(index)["instances"]:
        counts[instance["bbox_label"]] += 1
import locale
print(json.dumps([locale.getpreferredencoding(False), len(dataset), counts]))
"""


@pytest.fixture(scope="session")
def latin1(tmp_path_factory) -> dict[str, str]:
    """The environment of a locale with ISO-8859-1, made for these tests."""
    folder = tmp_path_factory.mktemp("locales")
    if not shutil.which("localedef"):
        pytest.skip("there is no localedef on this machine to make a locale")
    made = subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "ISO-8859-1", folder / "de_DE.ISO-8859-1"],
        check=False,
        capture_output=True,
        text=True,
    )
    # A bare machine has localedef and no character maps; what it leaves then is an empty folder.
    if not (folder / "de_DE.ISO-8859-1" / "LC_CTYPE").is_file():
        pytest.skip(f"localedef makes no locale: {made.stderr}")
    return {"LOCPATH": str(folder), "LC_ALL": "de_DE.ISO-8859-1"}


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> BrokenSet:
    """A healthy set with names of classes, images and folders outside ASCII."""
    folder = tmp_path_factory.mktemp("umlaut")
    broken = Healthy(folder / "healthy").copy(folder / "Bär")
    for entry in broken.categories:
        entry["name"] = CALLED[entry["name"]].encode("utf-16", "surrogatepass").decode("utf-16")
    (broken.root / "images" / "größe").mkdir()
    for image in broken.images:
        name = f"größe/ü{image['file_name']}"
        (broken.root / "images" / image["file_name"]).rename(broken.root / "images" / name)
        image["file_name"] = name
    return broken


def run(*arguments: str, **env: str) -> str:
    """What a Python program prints in another locale, in no UTF-8 mode of its parent."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LC_", "LANG", "PYTHONUTF8"))
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**clean, **env},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert not done.returncode, done.stderr[-3000:]
    return done.stdout


def test_mmdetection_loads_the_same_boxes_in_a_locale_of_latin_1(broken, latin1, tmp_path):
    outcome = Outcome(broken, tmp_path / "prepared")
    assert not outcome.error and not outcome.found
    train = outcome.splits()["train"]
    classes = [category["name"] for category in train["categories"]]
    assert [len(name) for name in classes] == [5, 5, 3]
    expected = [
        sum(box["category_id"] == number for box in train["annotations"]) for number in (1, 2, 3)
    ]
    assert min(expected) > 0
    path = str(tmp_path / "prepared" / "train.json")
    encoding, images, counts = json.loads(run("-c", COUNT, path, json.dumps(classes), **latin1))
    assert (encoding.upper(), images, counts) == ("ISO-8859-1", len(train["images"]), expected)
    for split in ("train", "val", "test"):
        assert (tmp_path / "prepared" / f"{split}.json").read_bytes().isascii()


def test_programs_read_names_as_utf8_in_every_locale(broken, latin1, project: Project):
    broken.write()
    prepared = []
    for env in (latin1, {"LC_ALL": "C", "PYTHONUTF8": "0"}):
        done = project.run("python", "-m", "stages.data_check", str(broken.root), **env)
        report = json.loads((project.folder / "data/checked/report.json").read_bytes())
        assert report["classes"] == [entry["name"] for entry in broken.categories], done.stdout
        codes = {finding["code"] for finding in report["findings"]}
        assert "image_missing" not in codes and report["groups"]["images"] == len(broken.images), (
            codes
        )
        prepared.append((project.folder / "data/checked/train.json").read_bytes())
    assert prepared[0] == prepared[1] and prepared[0].isascii()
