"""Dividing images into parts: balance in every stratum, whole groups, one seed one division."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, SHARED
from divisions import cost, digest, lacking, long_tailed, made_set, stratified_group_k_fold

from stages.data.assign import assign

SETS = 150


def assert_whole(groups: np.ndarray, parts: np.ndarray, n: int) -> None:
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    assert (parts == parts[first][group]).all()
    assert set(parts.tolist()) == set(range(n))


def test_never_behind_stratified_group_k_fold():
    ratios, dearer = [], []
    for seed in range(SETS):
        counts, groups, folds = made_set(seed)
        shares = [1 / folds] * folds
        ours = assign(counts, groups, shares, seed)
        theirs = stratified_group_k_fold(counts, groups, folds, seed)
        assert_whole(groups, ours, folds)
        reached, reference = cost(counts, ours, shares), cost(counts, theirs, shares)
        fewer = lacking(counts, groups, theirs, folds) - lacking(counts, groups, ours, folds)
        assert fewer >= 0, seed
        if reached > reference + 1e-9:
            assert fewer > 0, seed
            dearer.append(seed)
        ratios.append(reached / reference if reference else 1.0)
    # Presence comes before the cost. Of all 1,379,400 divisions of set 42, none with every class in every part costs
    # less than the one found, and scikit-learn's leaves a class out.
    assert dearer == [42]
    assert np.mean(ratios) < 0.25
    assert np.median(ratios) < 0.1


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.7, 0.15, 0.15]])
def test_reaches_the_best_of_all_divisions_of_few_groups(shares):
    n = len(shares)
    every = np.array(list(itertools.product(range(n), repeat=7)))
    inside = (every[:, None, :] == np.arange(n)[:, None]).astype(float)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        counts, groups = (
            rng.poisson([3, 1, 0.4], size=(20, 3)),
            np.append(np.arange(7), rng.integers(7, size=13)),
        )
        strata = np.zeros((7, 4))
        np.add.at(strata, groups, np.column_stack([np.ones(20), counts]))
        wanted = np.outer(shares, strata.sum(axis=0))
        total = inside @ strata
        costs = ((total - wanted) ** 2 / wanted).sum(axis=(1, 2))
        lacks = (total[:, :, np.count_nonzero(strata, axis=0) >= n] == 0).sum(axis=(1, 2))
        parts = assign(counts, groups, shares, seed)
        assert lacking(counts, groups, parts, n) == lacks.min()
        assert cost(counts, parts, shares) == pytest.approx(costs[lacks == lacks.min()].min()), seed


@pytest.mark.parametrize("images", [150, 3000])
def test_unequal_shares(images):
    shares = [0.7, 0.15, 0.15]
    for seed in range(4):
        counts, groups = long_tailed(images, 20, seed)
        parts = assign(counts, groups, shares, seed)
        assert_whole(groups, parts, 3)
        assert lacking(counts, groups, parts, 3) == 0
        share = np.bincount(parts) / images
        assert np.abs(share - shares).max() < (0.03 if images == 150 else 0.002)
        random = np.random.default_rng(seed).choice(3, size=groups.max() + 1, p=shares)[groups]
        assert cost(counts, parts, shares) < (0.2 if images == 150 else 0.02) * cost(
            counts, random, shares
        )


def test_no_part_lacks_a_class_that_has_one_group_for_each():
    """A division with every class in every part is hidden in sets where each class has one group for each part."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        n, images, classes = int(rng.integers(2, 6)), 40, 8
        hidden = rng.permutation(np.arange(images) % n)
        counts = np.zeros((images, classes), dtype=int)
        for column, part in itertools.product(range(classes), range(n)):
            counts[rng.choice(np.flatnonzero(hidden == part)), column] = rng.integers(1, 4)
        # Every other seed wants shares that the hidden division has not, as far as so few images have room for them.
        shares = rng.dirichlet(np.full(n, 60)) if seed % 2 else np.bincount(hidden) / images
        parts = assign(counts, np.arange(images), shares, seed)
        assert lacking(counts, np.arange(images), parts, n) == 0, seed


def many_classes(images: int, classes: int, seed: int) -> np.ndarray:
    """(images, classes) with one box in each image, of a class that is drawn at random."""
    return np.random.default_rng(seed).multinomial(1, np.full(classes, 1 / classes), size=images)


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        (many_classes(120, 30, 0), [84, 18, 18]),
        (np.repeat(np.eye(40, dtype=int), 12, axis=1), [28, 6, 6]),
        (many_classes(100, 50, 1), [70, 15, 15]),
    ],
)
def test_shares_come_before_classes_that_are_many_or_rare(counts, wanted):
    images = len(counts)
    shares = [0.7, 0.15, 0.15]
    for seed in range(2):
        parts = assign(counts, np.arange(images), shares, seed)
        # A twentieth of each share or one image may go to the classes.
        assert (np.abs(np.bincount(parts) - wanted) <= np.maximum(1, 0.05 * np.array(wanted))).all()
        random = np.random.default_rng(seed).permutation(np.repeat(range(3), wanted))
        assert cost(counts, parts, shares) < cost(counts, random, shares)
        assert lacking(counts, np.arange(images), parts, 3) <= lacking(
            counts, np.arange(images), random, 3
        )


@pytest.mark.parametrize(
    ("sizes", "numbers", "classes"),
    [
        ([60, 20, 10, 5, 5], [65, 20, 15], 1),
        ([30, 30, 30, 10], [60, 30, 10], 40),
        ([25, 25, 25, 25], [50, 25, 25], 40),
        ([96, 3, 1], [96, 3, 1], 40),
        ([34, 33, 33], [34, 33, 33], 40),
    ],
)
def test_no_part_is_empty_where_groups_leave_no_good_division(sizes, numbers, classes):
    """A few cameras' frames, each camera's in one part."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    counts = many_classes(100, classes, 0)
    parts = assign(counts, groups, [0.7, 0.15, 0.15], 0)
    assert_whole(groups, parts, 3)
    assert sorted(np.bincount(parts)) == sorted(numbers)


def test_shares_of_large_groups_come_before_classes():
    """A camera's 100 and another's 40 frames beside small groups, with classes that are rare."""
    sizes = [100, 40] + [4] * 10 + [1] * 20
    groups = np.repeat(np.arange(len(sizes)), sizes)
    for seed in range(3):
        parts = assign(
            np.random.default_rng(seed).poisson(0.02, size=(200, 60)),
            groups,
            [0.7, 0.15, 0.15],
            seed,
        )
        assert_whole(groups, parts, 3)
        # 40 frames more than fill a split of 30: they belong to train, and the rest can be divided.
        assert np.abs(np.bincount(parts) - [140, 30, 30]).max() <= 12


def test_one_seed_gives_one_division_whatever_the_hashing_and_the_processor():
    """OpenBLAS sums in another order with another processor's kernels; elsewhere the variable is without effect."""
    first = digest(0)
    assert first == digest(0)
    command = (
        "import sys; sys.path[:0] = sys.argv[1:]; import divisions; print(divisions.digest(0))"
    )
    for kernel, hashing in (("Prescott", "7"), ("Haswell", "8")):
        env = {**os.environ, "PYTHONHASHSEED": hashing, "OPENBLAS_CORETYPE": kernel}
        done = subprocess.run(
            [sys.executable, "-c", command, str(ROOT), str(ROOT / "tests/helpers")],
            text=True,
            check=True,
            capture_output=True,
            env=env,
        )
        assert done.stdout.strip() == first


def test_another_seed_divides_equal_images_otherwise():
    counts, groups, shares = np.ones((60, 2), dtype=int), np.arange(60), [0.5, 0.25, 0.25]
    first, second = assign(counts, groups, shares, 0), assign(counts, groups, shares, 1)
    assert np.bincount(first).tolist() == np.bincount(second).tolist() == [30, 15, 15]
    assert (first != second).any()


def test_names_of_groups_and_empty_columns_are_without_effect():
    counts, groups, folds = made_set(3)
    wide = np.insert(counts, [0, 1], 0, axis=1)
    parts = assign(counts, groups, [1 / folds] * folds, 0)
    assert (parts == assign(wide, groups * 1000 - 7, [1 / folds] * folds, 0)).all()


@pytest.mark.parametrize("strata", [0, 3])
def test_images_without_boxes_are_divided_by_number(strata):
    parts = assign(np.zeros((40, strata), dtype=int), np.arange(40), [0.7, 0.15, 0.15], 0)
    assert np.bincount(parts).tolist() == [28, 6, 6]


def test_a_giant_group_goes_to_the_largest_part():
    groups = np.append(np.zeros(150, dtype=int), np.arange(1, 51))
    counts = np.random.default_rng(0).poisson(1, size=(200, 4))
    parts = assign(counts, groups, [0.8, 0.1, 0.1], 0)
    assert_whole(groups, parts, 3)
    assert parts[0] == 0
    assert np.abs(np.bincount(parts) - [160, 20, 20]).max() <= 2


def test_as_many_groups_as_parts_and_one_part():
    assert sorted(assign(np.eye(4, dtype=int), np.arange(4), [0.25] * 4, 0).tolist()) == [
        0,
        1,
        2,
        3,
    ]
    assert assign(np.eye(4, dtype=int), np.arange(4), [1.0], 0).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"groups": np.array([5, 5, 9, 9])}, "^2 groups of images cannot be divided into 3 parts$"),
        ({"groups": np.arange(3)}, r"counts \(4, 2\) .* \(3,\) images"),
        ({"counts": np.full((4, 2), -1)}, "not numbers of boxes"),
        ({"counts": np.full((4, 2), 0.5)}, "not numbers of boxes"),
        ({"counts": np.ones(4, dtype=int)}, "not numbers of boxes"),
        ({"shares": [0.8, 0.2, 0.0]}, "positive numbers of sum 1"),
        ({"shares": [0.5, 0.2, 0.2]}, "positive numbers of sum 1"),
    ],
)
def test_arguments_of_another_form(change, message):
    right = {
        "counts": np.ones((4, 2), dtype=int),
        "groups": np.arange(4),
        "shares": [0.5, 0.25, 0.25],
        "seed": 0,
    }
    assign(**right)
    with pytest.raises(ValueError, match=message) as caught:
        assign(**{**right, **change})
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not (SHARED / "data/taco").is_dir(), reason="the set is not on this machine")
def test_nearer_than_the_split_that_came_with_a_real_set():
    coco = json.loads((SHARED / "data/taco/annotations.json").read_text())
    reference = json.loads((SHARED / "data/taco/reference_split.json").read_text())
    row = {image["id"]: number for number, image in enumerate(coco["images"])}
    counts = np.zeros(
        (len(row), 1 + max(category["id"] for category in coco["categories"])), dtype=int
    )
    np.add.at(
        counts,
        tuple(zip(*((row[box["image_id"]], box["category_id"]) for box in coco["annotations"]))),
        1,
    )
    theirs = np.zeros(len(row), dtype=int)
    for part, name in enumerate(("train", "val", "test")):
        theirs[[row[image] for image in reference[name]]] = part
    ours = assign(
        counts, np.array([image["group"] for image in coco["images"]]), [0.7, 0.15, 0.15], 0
    )
    assert cost(counts, ours, [0.7, 0.15, 0.15]) < 0.1 * cost(counts, theirs, [0.7, 0.15, 0.15])
