"""Crowds are neither learnt nor scored, and so count for nothing."""

from __future__ import annotations

import pytest
from broken_sets import Healthy
from broken_sets.outcome import Outcome


@pytest.fixture(scope="session")
def healthy(tmp_path_factory) -> Healthy:
    return Healthy(tmp_path_factory.mktemp("healthy"))


@pytest.mark.parametrize("field", ["iscrowd", "ignore"])
def test_a_set_of_crowds_alone_stops(field, healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    for entry in broken.annotations:
        entry[field] = 1
    outcome = Outcome(broken, tmp_path / "prepared")
    assert "72 boxes of the train files" in outcome.error and "are crowds" in outcome.error


def test_a_set_of_difficult_objects_alone_stops(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set", "voc")
    for path in (broken.root / "Annotations").iterdir():
        path.write_text(path.read_text().replace("<difficult>0", "<difficult>1"))
    assert "are crowds" in Outcome(broken, tmp_path / "prepared").error


def test_crowds_make_no_class_less_rare(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    for entry in [entry for entry in broken.annotations if entry["category_id"] == 1][3:]:
        entry["iscrowd"] = 1
    outcome = Outcome(broken, tmp_path / "prepared")
    rare = outcome.found["category_rare"]["examples"]
    assert [(place["label"], place["before"]) for place in rare] == [("can", "3 boxes")]
    splits = outcome.report["splits"].values()
    assert sum(part["classes"]["can"] for part in splits) == 3
    assert sum(part["boxes"] for part in splits) == 72
    assert sum(sum(part["sizes"].values()) for part in splits) == 72 - 24 + 3


@pytest.mark.parametrize("text", ["false", "False", "0", ""])
def test_text_that_says_no_is_no(text, healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    for entry in broken.annotations:
        entry["ignore"] = text
    outcome = Outcome(broken, tmp_path / "prepared")
    assert not outcome.error and not outcome.found
