"""An order of the training images of which every beginning is a small, balanced training set.

The images of a smaller share are then within those of any larger one. Whole groups follow each
other, each the one of some at random that brings the numbers of boxes per stratum nearest to the
share of the images reached (herding: Welling 2009, "Herding dynamical weights to learn").
"""

from __future__ import annotations

import numpy as np

# Groups of which the best is taken: all of a small set, a sample of the rest of a larger one.
_CANDIDATES = 256


def order(counts: np.ndarray, groups: np.ndarray, seed: int) -> list[list[int]]:
    """Rows of images, a list for each group, first those that every share has.

    counts: (images, strata) numbers of boxes. groups: (images,) integers. One seed gives one order.
    """
    names, group = np.unique(groups, return_inverse=True)
    images = np.bincount(group, minlength=len(names)).astype(float)
    present = np.flatnonzero(counts.any(axis=0))
    content = np.zeros((len(names), 1 + len(present)))
    content[:, 0] = images
    for column, stratum in enumerate(present, start=1):
        content[:, column] = np.bincount(group, counts[:, stratum], len(names))
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(images.astype(int))[:-1])
    return [members[number].tolist() for number in _herd(content, np.random.default_rng(seed))]


def _herd(content: np.ndarray, rng: np.random.Generator) -> list[int]:
    """content: (groups, 1 + strata), images first."""
    whole = content.sum(axis=0)
    total = np.zeros_like(whole)
    waiting = rng.permutation(len(content))
    sequence = []
    while len(waiting):
        # The permutation is at random, and so is its beginning.
        candidates = waiting[:_CANDIDATES]
        after = total + content[candidates]
        share = after[:, :1] / whole[0]
        # Chi-square-like, as in assign.py: a stratum counts by how many boxes it has.
        cost = ((after - share * whole) ** 2 / whole).sum(axis=1)
        best = int(cost.argmin())
        sequence.append(int(candidates[best]))
        total = after[best]
        # What was passed over goes to the end, so that others are looked at next.
        rest = np.delete(candidates, best)
        waiting = np.concatenate([waiting[_CANDIDATES:], rest])
    return sequence
