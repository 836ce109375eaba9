"""Sets to divide whose classes have a long tail, and the digest of their divisions."""

from __future__ import annotations

import hashlib
import warnings

import numpy as np

from stages.data.assign import assign


def long_tailed(images: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(counts, groups) with about one image in fifty without a box and groups of 1 to 4."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(3 / np.arange(1, classes + 1) ** 1.5, size=(images, classes))
    counts[rng.random(images) < 0.02] = 0
    return counts, np.repeat(np.arange(images), rng.integers(1, 5, size=images))[:images]


def digest(seed: int) -> str:
    """Of divisions of a set whose exchanges are all looked at, and of one where they are sampled."""
    divisions = [
        assign(*long_tailed(images, 6, 0), shares, seed)
        for images, shares in [(60, [1 / 3] * 3), (60, [0.7, 0.15, 0.15]), (900, [0.7, 0.15, 0.15])]
    ]
    return hashlib.sha256(np.concatenate(divisions).astype("<i8").tobytes()).hexdigest()


def made_set(seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """(counts, groups, folds) of 20 to 400 images, 1 to 12 long-tailed classes, groups of 1 to 15, 2 to 7 folds."""
    rng = np.random.default_rng(seed)
    images, classes, folds = (
        int(rng.integers(20, 401)),
        int(rng.integers(1, 13)),
        int(rng.integers(2, 8)),
    )
    largest = min(int(rng.integers(1, 16)), images // folds)
    groups = np.repeat(np.arange(images), rng.integers(1, largest + 1, size=images))[:images]
    frequency = rng.uniform(0.5, 5) / np.arange(1, classes + 1) ** rng.uniform(0.5, 2)
    return rng.poisson(frequency, size=(images, classes)), rng.permutation(images)[groups], folds


def cost(counts: np.ndarray, parts: np.ndarray, shares: list[float]) -> float:
    """The cost of stages/data/assign.py, written down once more from its definition."""
    strata = np.column_stack([np.ones(len(counts)), counts])
    whole = strata.sum(axis=0)
    strata, whole = strata[:, whole > 0], whole[whole > 0]
    return sum(
        ((strata[parts == k].sum(axis=0) - share * whole) ** 2 / (share * whole)).sum()
        for k, share in enumerate(shares)
    )


def lacking(counts: np.ndarray, groups: np.ndarray, parts: np.ndarray, n: int) -> int:
    """Pairs of a part and a class it lacks, over the classes with a group for each of the n parts."""
    enough = [len(np.unique(groups[column > 0])) >= n for column in counts.T]
    return sum(int((counts[parts == k][:, enough].sum(axis=0) == 0).sum()) for k in range(n))


def stratified_group_k_fold(
    counts: np.ndarray, groups: np.ndarray, folds: int, seed: int
) -> np.ndarray:
    """scikit-learn's folds, stratified by the rarest class of every image."""
    from sklearn.model_selection import (
        StratifiedGroupKFold,
    )  # seconds that the processes below need not wait

    boxes = counts.sum(axis=0)
    rarest = np.where(counts > 0, boxes, boxes.max() + 1).argmin(axis=1)
    parts = np.empty(len(counts), dtype=int)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for fold, (_, inside) in enumerate(splitter.split(counts, rarest, groups)):
            parts[inside] = fold
    return parts
