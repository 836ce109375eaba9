"""Splits made of the train images: the shares that were asked for, what the report says of them, shared images, and
which images belong together."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from made_labels import labels

from stages.data.checks import splits
from stages.data.checks.splits import (
    check_folds,
    check_shared_images,
    equal_pairs,
    linked_groups,
    look_alikes,
)
from stages.data.findings import Findings
from stages.data.labels import Labels
from stages.data.probe import HASH_BITS, Probe
from stages.data.split import balance, divide
from stages.study.params import Data, load_study

HALVES = {"train": 0.5, "val": 0.5}
BOXES = [(10.0, 10.0, 20.0, 20.0), (40.0, 40.0, 30.0, 30.0)]


def data(**changes) -> Data:
    return dataclasses.replace(load_study().data, source="coco", **changes)


def given(images: int = 100, **others: int) -> dict[str, Labels]:
    """So many images of the train files, of which each shows a box of both classes, and of other splits' files."""
    sets = {"train": labels([BOXES] * images)}
    for name, number in others.items():
        sets[name] = labels([BOXES] * number, split=name)
    return sets


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
    divided = divide(given(), data(val_share=val_share, test_share=test_share), seed=0)
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
    for name, part in divided.sets.items():
        assert part.split == name
        assert part.images["group_number"].tolist() == [
            int(file.split("/")[1].split(".")[0]) for file in part.images["file_name"]
        ]


def test_a_split_with_files_of_its_own_takes_no_share():
    own_val = divide(given(val=7), data(val_share=0.3, test_share=0.2), seed=0)
    assert sizes(own_val.sets) == {"train": 80, "val": 7, "test": 20}
    assert own_val.shares == pytest.approx({"train": 0.8, "test": 0.2})
    own_test = divide(given(test=9), data(val_share=0.3, test_share=0.2), seed=0)
    assert sizes(own_test.sets) == {"train": 70, "val": 30, "test": 9}
    assert own_test.shares == pytest.approx({"train": 0.7, "val": 0.3})
    both = divide(given(val=7, test=9), data(), seed=0)
    assert sizes(both.sets) == {"train": 100, "val": 7, "test": 9}
    assert both.shares == {} and balance(both.sets, both.shares) == {}


@pytest.mark.parametrize("fold", [0, 3])
def test_folds_share_what_test_leaves(fold):
    divided = divide(given(), data(val_share=0.5, test_share=0.2, folds=4, fold=fold), seed=0)
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
    # With a test set of its own nothing is taken for it.
    own = divide(given(test=9), data(test_share=0.2, folds=4, fold=fold), seed=0)
    assert sizes(own.sets) == {"train": 75, "val": 25, "test": 9}
    assert own.shares == pytest.approx({"train": 0.75, "val": 0.25})


def labelled(*images: list[int]) -> Labels:
    """Images with a box of each of these classes, of three."""
    made = labels([BOXES[:1] * len(classes) for classes in images], classes="abc")
    made.boxes["label"] = np.array([label for classes in images for label in classes], dtype=int)
    return made


def test_a_class_that_val_of_another_fold_lacks_is_said(tmp_path):
    findings = Findings({}, tmp_path / "changes.csv")
    check_folds(
        {
            1: {"train": labelled([0, 1], [2]), "val": labelled([0, 2])},
            2: {"train": labelled([0]), "val": labelled([0])},
        },
        findings,
    )
    findings.close()
    (found,) = findings.as_list()
    assert found["code"] == "split_class_absent" and found["count"] == 1
    (place,) = found["examples"]
    assert (place["label"], place["before"]) == ("b", "1 boxes in the other split of fold 1")


def test_balance_by_hand():
    sets = {"train": labelled([0, 0, 0], [0, 2, 2]), "val": labelled([2, 2]), "test": labelled([])}
    report = balance(sets, {"train": 0.5, "val": 0.25, "test": 0.25})
    # Train has 4 of 4 and 2 of 4 boxes, so 2/3 and 1/3 where the whole has 1/2 and 1/2.
    assert report["train"] == {
        "target": 0.5,
        "share": 0.5,
        "distance": pytest.approx(1 / 6),
        "largest": 0.5,
        "largest_class": "a",
    }
    assert [list(report[name].values()) for name in ("val", "test")] == [
        [0.25, 0.25, 0.5, -0.25, "a"],
        [0.25, 0.25, 1.0, -0.25, "a"],
    ]
    perfect = balance({"train": labelled([0, 1, 2]), "val": labelled([0, 1, 2])}, HALVES)
    assert {(row["distance"], row["largest"]) for row in perfect.values()} == {(0.0, 0.0)}


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
    empty = balance({"train": labels([[], []]), "val": labels([[]])}, HALVES)
    assert {part["largest_class"] for part in empty.values()} == {None}
    assert [part["share"] for part in empty.values()] == pytest.approx([2 / 3, 1 / 3])


@pytest.mark.parametrize("action", ["drop", "keep"])
def test_probes_follow_their_images_when_shared_ones_are_dropped(action, tmp_path):
    """The second and the fourth of train have the bytes of two of val."""
    sets = {"train": labels([BOXES] * 5), "val": labels([BOXES] * 2, split="val")}
    for name, numbers in (("train", range(5)), ("val", (3, 1))):
        images = sets[name].images
        images["group_number"] = list(numbers)
        probes = [Probe(digest=bytes([number])) for number in numbers]
        images["probe"] = pd.Series(probes, dtype=object)
    findings = Findings(
        {"split_image_shared": action, "split_group_shared": action}, tmp_path / "changes.csv"
    )
    check_shared_images(sets, findings)
    findings.close()
    left = [0, 2, 4] if action == "drop" else [0, 1, 2, 3, 4]
    images = sets["train"].images
    assert images["file_name"].tolist() == [f"train/{number}.png" for number in left]
    assert [probe.digest for probe in images["probe"]] == [bytes([number]) for number in left]
    assert images["group_number"].tolist() == left and len(sets["val"].images) == 2
    found = {finding["code"]: finding for finding in findings.as_list()}
    assert found["split_image_shared"]["count"] == 2
    assert [place["before"] for place in found["split_image_shared"]["examples"]] == [
        "also val: val/1.png",
        "also val: val/0.png",
    ]


def hashes(*distances: int) -> list[bytes]:
    """A hash, and others that differ from it in so many of their bits, from the first one on."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2, HASH_BITS)
    found = []
    for distance in distances:
        bits = first.copy()
        bits[:distance] ^= 1
        found.append(np.packbits(bits.astype(np.uint8)).tobytes())
    return found


@pytest.mark.parametrize("bits", [0, 1, 60, 127])
def test_the_threshold_of_look_alikes_holds(bits):
    assert look_alikes(hashes(0, bits), bits).tolist() == [[0, 1]]
    assert look_alikes(hashes(0, bits + 1), bits).tolist() == []
    # From each other the first and the last differ in twice as many.
    apart = look_alikes(hashes(0, bits, 2 * bits), bits).tolist()
    assert apart == ([[0, 1], [0, 2], [1, 2]] if bits == 0 else [[0, 1], [1, 2]])


def test_every_pair_is_compared_across_blocks(monkeypatch):
    monkeypatch.setattr(splits, "_BLOCK", 2)
    found = look_alikes([b"", *hashes(0, 100, 3, 103, 200)], 10)
    # Rows count images without pixels too.
    assert sorted(found.tolist()) == [[1, 3], [2, 4]]
    assert look_alikes([b"", *hashes(0)], 10).tolist() == look_alikes([], 10).tolist() == []


def test_equal_values_are_linked_in_a_chain_and_nothing_is_equal_to_nothing():
    assert equal_pairs(["a", None, "b", "a", b"", None, b"", "a"]).tolist() == [[0, 3], [3, 7]]
    assert equal_pairs([]).shape == (0, 2)


def test_images_that_are_linked_through_others_are_one_group():
    joined = linked_groups(6, np.array([[0, 3]]), np.array([[3, 5], [1, 2]]))
    members = [np.flatnonzero(joined == number).tolist() for number in range(joined.max() + 1)]
    assert sorted(members) == [[0, 3, 5], [1, 2], [4]]
    assert linked_groups(3, equal_pairs([])).tolist() == linked_groups(3).tolist() == [0, 1, 2]
