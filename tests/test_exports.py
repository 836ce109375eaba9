"""data-check on what annotation tools export: recognised by content and read, or refused with the way out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from broken_sets.outcome import Outcome
from exports import READ, REFUSED, Export

from stages.data.discover import discover
from stages.errors import InputError
from stages.study import params


@dataclass
class Recognised:
    """A set as data-check names it, for Outcome to prepare."""

    data: params.Data

    def write(self) -> None:
        """The export is on the disk already."""

    def params(self) -> dict[str, Any]:
        return dataclasses.asdict(self.data)


def recognise(root: Path) -> Recognised:
    study = params.load()
    # A fifth of six images is one.
    data = dataclasses.replace(
        study.data, val_share=0.2, test_share=0.2, pixels="header", rare_boxes=0
    )
    return Recognised(discover(root, data))


def build(name: str, folder: Path) -> Export:
    folder.mkdir(parents=True)
    export = Export(folder)
    (READ | REFUSED)[name].build(export)
    return export


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
