"""Sentences of the data page that must hold for the set at hand: counts with their units, and what was done."""

from __future__ import annotations

import re

import pytest
from broken_sets import CASES, BrokenSet, Healthy
from broken_sets.outcome import Outcome
from PIL import Image
from report_cells import Page

from stages.data.catalogue import CHECKS


@pytest.fixture(scope="module")
def healthy(tmp_path_factory) -> Healthy:
    return Healthy(tmp_path_factory.mktemp("healthy"))


def page_of(broken: BrokenSet, folder, policy: dict[str, str] | None = None) -> tuple[Outcome, str]:
    outcome = Outcome(broken, folder, policy, page=True)
    assert not outcome.error
    return outcome, re.sub(
        r"\s+", " ", Page((folder / "report.html").read_text(encoding="utf-8")).text
    )


def test_look_alikes_that_the_users_splits_part(healthy, tmp_path):
    """Four copies of an image of val lie in train: ten pairs of five images."""
    broken = healthy.copy(tmp_path / "set")
    broken.move("val", 6, 12)
    picture = Image.open(healthy.folder / "images/007.jpg")
    for number in range(4):
        picture.save(
            broken.add_image(f"copy{number}.jpg", id=900 + number), quality=60 + 5 * number
        )
        broken.annotations[-1]["image_id"] = 900 + number
    outcome, text = page_of(broken, tmp_path / "prepared")
    assert outcome.found["near_duplicates"]["count"] == 10 and "10 pairs of images" in text
    assert (
        outcome.found["split_group_shared"]["count"] == 4
        and "4 images" in text
        and "4 splits" not in text
    )
    assert "one side of every split" not in text and "stay in one split" not in text
    assert "where your own files part them, split_group_shared says so" in text


def test_one_place_for_many_is_said_as_that(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    CASES["segmentations"].breaks(broken)
    outcome, text = page_of(broken, tmp_path / "prepared")
    finding = outcome.found["fields_not_copied"]
    assert finding["count"] > 20 > len(finding["examples"])
    assert f"{len(finding['examples'])} rows for all of {finding['count']} entries." in text
    assert "The first 2 of" not in text


@pytest.mark.parametrize(
    ("name", "code", "action", "sentence"),
    [
        (
            "box_over_the_edge",
            "box_outside",
            "keep",
            "data.policy says keep: nothing was changed. Without it: Clipped",
        ),
        (
            "box_over_the_edge",
            "box_outside",
            "drop",
            "data.policy says drop: they were left out. Without it: Clipped",
        ),
        ("box_over_the_edge", "box_outside", "repair", "Clipped to the image."),
    ],
)
def test_what_was_done_is_what_the_policy_says(name, code, action, sentence, healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    CASES[name].breaks(broken)
    outcome, text = page_of(broken, tmp_path / "prepared", {code: action})
    assert outcome.found[code]["help"].startswith(sentence) and sentence in text
    assert ("data.policy says" in text) == (action != CHECKS[code].actions[0])
