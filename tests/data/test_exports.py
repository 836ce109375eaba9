"""data-check on what annotation tools export: recognised by content and read, or refused with the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from broken_sets.outcome import Outcome
from exports import READ, REFUSED
from recognised_exports import build, recognise

from stages.errors import InputError


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
