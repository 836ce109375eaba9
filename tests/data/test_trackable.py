"""What DVC cannot take is said in a line before DVC is asked."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from broken_sets.outcome import Outcome
from exports import Export
from recognised_exports import recognise

from stages import plan
from stages.data.trackable import obstacle
from stages.errors import InputError
from stages.study import params

BREAK: dict[str, Callable[[Path], None]] = {
    "M\\xfcll.txt: the name is not UTF-8": lambda root: latin(root, b"images/M\xfcll.txt").touch(),
    "M\\xfcll: the name is not UTF-8": lambda root: latin(root, b"M\xfcll").mkdir(),
    "gone\\n.jpg: a link that leads to no file": lambda root: (root / "gone\n.jpg").symlink_to(
        "nowhere"
    ),
    ".dvcignore: a .dvcignore within a set": lambda root: (root / "images/.dvcignore").touch(),
    "pipe: neither a file nor a folder": lambda root: os.mkfifo(root / "images/pipe"),
}


def latin(root: Path, name: bytes) -> Path:
    return root / os.fsdecode(name)


@pytest.fixture
def export(tmp_path) -> Export:
    export = Export(tmp_path / "set")
    export.images("images")
    export.coco("a.json")
    return export


@pytest.mark.parametrize("says", BREAK)
def test_one_line(says, export, tmp_path, caplog):
    assert not obstacle(export.root)
    BREAK[says](export.root)
    line = obstacle(export.root)
    assert line.startswith(str(export.root)) and says in line and line.isprintable()
    outcome = Outcome(recognise(export.root), tmp_path / "prepared")
    assert not outcome.error and caplog.messages.count(line) == 1


def test_what_dvc_takes(export):
    """Links to files and folders, names of any language, and what DVC passes over."""
    (export.root / "linked.jpg").symlink_to("images/a0.jpg")
    (export.root / "again").symlink_to("images")
    (export.root / "사진 1\n.jpg").touch()
    (export.root / ".git").mkdir()
    (export.root / ".git/gone").symlink_to("nowhere")
    assert not obstacle(export.root)


def test_plan_says_it_before_dvc_is_asked(export, tmp_path, monkeypatch):
    os.mkfifo(export.root / "pipe")
    study = params.load_study()
    data = dataclasses.replace(study.data, source="coco", root=str(export.root))
    monkeypatch.setattr(params, "load_study", lambda: dataclasses.replace(study, data=data))
    with pytest.raises(InputError, match=r"data\.root: .*/pipe: neither a file nor a folder"):
        plan.main()
