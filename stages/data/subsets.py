"""An order of the training images of which every beginning is a small, balanced training set.

The images of a smaller share are then within those of any larger one. Whole groups follow each
other, each the one of some at random that brings the numbers of boxes per stratum nearest to the
share of the images reached (herding: Welling 2009, "Herding dynamical weights to learn").
"""

from __future__ import annotations

import numpy as np

# Groups of which the best is taken: all of a small set, a sample of the rest of a larger one.
_CANDIDATES = 256
# Of the squares in a cost: more than what single precision rounds off.
_ROUNDING = 1e-4


def order(counts: np.ndarray, groups: np.ndarray, seed: int) -> list[list[int]]:
    """Rows of images, a list for each group, first those that every share has.

    counts: (images, strata) numbers of boxes. groups: (images,) integers. One seed gives one order.
    """
    names, group = np.unique(groups, return_inverse=True)
    images = np.bincount(group, minlength=len(names)).astype(float)
    present = np.flatnonzero(counts.any(axis=0))
    # Whole numbers, which single precision has exactly up to 2^24.
    content = np.zeros((len(names), 1 + len(present)), dtype=np.float32)
    content[:, 0] = images
    for column, stratum in enumerate(present, start=1):
        content[:, column] = np.bincount(group, counts[:, stratum], len(names))
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(images.astype(int))[:-1])
    # Groups at random, and so is the beginning of those that wait.
    shuffled = np.random.default_rng(seed).permutation(len(names))
    return [members[shuffled[place]].tolist() for place in _herd(content[shuffled])]


def _herd(content: np.ndarray) -> list[int]:
    """content: (groups, 1 + strata), images first.

    The cost of a beginning is chi-square-like, as in assign.py: a stratum counts by how many boxes
    it has. With z for what a group has beyond its images' share of each stratum, over the root of
    the stratum, it is the square of the sum of z: of a sample, the group is best whose
    z^2 + 2 z * sum is least.
    """
    whole = content.sum(axis=0, dtype=np.float64)
    share, root = whole / whole[0], np.sqrt(whole)
    # z, and the square of its length.
    terms = np.empty((len(content), len(whole) + 1), dtype=np.float32)
    np.divide(content - content[:, :1] * share.astype(np.float32), root, out=terms[:, :-1])
    terms[:, -1] = np.square(terms[:, :-1]).sum(axis=1)
    factors = np.ones(len(whole) + 1, dtype=np.float32)
    total = np.zeros_like(whole)
    waiting = np.arange(len(content))
    sequence = []
    while len(waiting):
        # A round over all that wait, a sample at a time; what is passed over waits for the next
        # one, behind what is too little for a sample.
        stop = len(waiting) // _CANDIDATES * _CANDIDATES or len(waiting)
        passed_over = np.ones(stop, dtype=bool)
        for start in range(0, stop, _CANDIDATES):
            candidates = waiting[start : start + _CANDIDATES]
            reached = 2 * (total - total[0] * share) / root
            factors[:-1] = reached
            cost = terms.take(candidates, axis=0) @ factors
            best = cost.argmin()
            least = float(cost[best])
            is_near = cost <= least + _ROUNDING * (abs(least) + reached @ reached)
            if np.count_nonzero(is_near) > 1:
                nearest = np.flatnonzero(is_near)
                best = nearest[_costs(total + content[candidates[nearest]], whole).argmin()]
            group = candidates[best]
            sequence.append(int(group))
            total += content[group]
            passed_over[start + best] = False
        waiting = np.concatenate([waiting[stop:], waiting[:stop][passed_over]])
    return sequence


def _costs(totals: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """(beginnings,) exact costs. totals: (beginnings, 1 + strata)."""
    share = totals[:, :1] / whole[0]
    return ((totals - share * whole) ** 2 / whole).sum(axis=1)
