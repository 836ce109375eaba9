"""Splits made of the train images: the shares that were asked for, what the report says of them, and shared images."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_labels import labels

from stages.data.checks.splits import check_shared
from stages.data.findings import Findings
from stages.data.load import Loaded
from stages.data.probe import Probe
from stages.data.split import balance, divide
from stages.study.params import Data, load

BOXES = [(10.0, 10.0, 20.0, 20.0), (40.0, 40.0, 30.0, 30.0)]


def data(**changes) -> Data:
    return dataclasses.replace(load().data, source="coco", **changes)


def loaded(images: int = 100, **sets: int) -> Loaded:
    """So many images of the train files, of which each shows a box of both classes, and of other splits' files."""
    result = Loaded({"train": labels([BOXES] * images)}, groups={"train": np.arange(images)})
    for name, number in sets.items():
        result.sets[name] = labels([BOXES] * number, folder=name)
    return result


def sizes(sets) -> dict[str, int]:
    return {name: len(part.images) for name, part in sets.items()}


@pytest.mark.parametrize(
    ("val_share", "test_share", "expected"),
    [
        (0.2, 0.1, {"train": 70, "val": 20, "test": 10}),
        (0.1, 0.3, {"train": 60, "val": 10, "test": 30}),
    ],
)
def test_the_shares_asked_for_are_kept(val_share, test_share, expected):
    divided = divide(loaded(), data(val_share=val_share, test_share=test_share), seed=0)
    assert sizes(divided.sets) == expected and divided.folds == {}
    assert divided.shares == pytest.approx(
        {name: number / 100 for name, number in expected.items()}
    )
    report = balance(divided.sets, divided.shares)
    for name, number in expected.items():
        assert (report[name]["target"], report[name]["share"]) == pytest.approx(
            (number / 100, number / 100)
        )
        assert report[name]["distance"] == pytest.approx(0) and report[name][
            "largest"
        ] == pytest.approx(0)
    names = [set(part.images["file_name"]) for part in divided.sets.values()]
    assert len(set.union(*names)) == 100
    assert divided.groups[None].tolist() == [
        int(name.split("/")[1].split(".")[0]) for name in divided.sets["train"].images["file_name"]
    ]


def test_a_split_with_files_of_its_own_takes_no_share():
    own_val = divide(loaded(val=7), data(val_share=0.3, test_share=0.2), seed=0)
    assert sizes(own_val.sets) == {"train": 80, "val": 7, "test": 20}
    assert own_val.shares == pytest.approx({"train": 0.8, "test": 0.2})
    own_test = divide(loaded(test=9), data(val_share=0.3, test_share=0.2), seed=0)
    assert sizes(own_test.sets) == {"train": 70, "val": 30, "test": 9}
    assert own_test.shares == pytest.approx({"train": 0.7, "val": 0.3})
    both = divide(loaded(val=7, test=9), data(), seed=0)
    assert sizes(both.sets) == {"train": 100, "val": 7, "test": 9}
    assert both.shares == {} and balance(both.sets, both.shares) == {}


@pytest.mark.parametrize("fold", [0, 3])
def test_folds_share_what_test_leaves(fold):
    divided = divide(loaded(), data(val_share=0.5, test_share=0.2, folds=4, fold=fold), seed=0)
    assert sizes(divided.sets) == {"train": 60, "val": 20, "test": 20}
    assert divided.shares == pytest.approx({"train": 0.6, "val": 0.2, "test": 0.2})
    assert set(divided.folds) == {0, 1, 2, 3} - {fold}
    assert {tuple(sizes(sets).items()) for sets in divided.folds.values()} == {
        (("train", 60), ("val", 20))
    }
    held = [
        set(sets["val"].images["file_name"]) for sets in (divided.sets, *divided.folds.values())
    ]
    assert len(set.union(*held)) == 80
    assert {len(groups) for groups in divided.groups.values()} == {60} and set(divided.groups) == {
        None,
        *divided.folds,
    }
    # With a test set of its own nothing is taken for it.
    own = divide(loaded(test=9), data(test_share=0.2, folds=4, fold=fold), seed=0)
    assert sizes(own.sets) == {"train": 75, "val": 25, "test": 9}
    assert own.shares == pytest.approx({"train": 0.75, "val": 0.25})


def test_balance_names_the_class_that_is_furthest_off():
    sets = {"train": labels([BOXES] * 3), "val": labels([BOXES[:1]])}
    report = balance(sets, {"train": 0.75, "val": 0.25})
    # All three bags and three of the four cans.
    assert (report["train"]["largest"], report["train"]["largest_class"]) == (
        pytest.approx(0.25),
        "bag",
    )
    assert (report["val"]["largest"], report["val"]["largest_class"]) == (
        pytest.approx(-0.25),
        "bag",
    )
    assert report["val"]["distance"] == pytest.approx(3 / 7)
    empty = balance({"train": labels([[], []]), "val": labels([[]])}, {"train": 0.5, "val": 0.5})
    assert {part["largest_class"] for part in empty.values()} == {None}
    assert [part["share"] for part in empty.values()] == pytest.approx([2 / 3, 1 / 3])


@pytest.mark.parametrize("action", ["drop", "keep"])
def test_probes_follow_their_images_when_shared_ones_are_dropped(action, tmp_path):
    """The second and the fourth of train have the bytes of two of val."""
    sets = {"train": labels([BOXES] * 5), "val": labels([BOXES] * 2, folder="val")}
    probes = {
        "train": [Probe(digest=bytes([number])) for number in range(5)],
        "val": [Probe(digest=bytes([number])) for number in (3, 1)],
    }
    numbers = {"train": np.arange(5), "val": np.array([3, 1])}
    findings = Findings(
        {"split_image_shared": action, "split_group_shared": action}, tmp_path / "changes.csv"
    )
    check_shared(sets, probes, numbers, findings)
    findings.close()
    left = [0, 2, 4] if action == "drop" else [0, 1, 2, 3, 4]
    assert sets["train"].images["file_name"].tolist() == [f"images/{number}.png" for number in left]
    assert [probe.digest for probe in probes["train"]] == [bytes([number]) for number in left]
    assert numbers["train"].tolist() == left and len(probes["val"]) == len(sets["val"].images) == 2
    found = {finding["code"]: finding for finding in findings.as_list()}
    assert found["split_image_shared"]["count"] == 2
    assert [place["before"] for place in found["split_image_shared"]["examples"]] == [
        "also val: val/1.png",
        "also val: val/0.png",
    ]
