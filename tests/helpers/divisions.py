"""Sets to divide whose classes have a long tail, and the digest of their divisions."""

from __future__ import annotations

import hashlib

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
