"""Makes the splits that have no files of their own from the images of the train files, and an order
of the train images of which every beginning is a small, balanced training set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.data.assign import assign, content_of_groups
from stages.data.labels import Labels
from stages.errors import InputError
from stages.study.params import Data
from stages.study.paths import SPLITS

# Groups of which the best is taken: all of a small set, a sample of the rest of a larger one.
_CANDIDATES = 256
# Of the squares in a cost: more than what single precision rounds off.
_ROUNDING = 1e-4
_TRAIN = SPLITS.index("train")


@dataclass(frozen=True)
class Divided:
    """sets: train, val and test; shares: the wanted share of each in what was divided, none for
    splits that came with files; folds: number -> train and val of every fold but data.fold, which
    is in `sets`."""

    sets: dict[str, Labels]
    shares: dict[str, float]
    folds: dict[int, dict[str, Labels]]


def divide(loaded: dict[str, Labels], data: Data, seed: int) -> Divided:
    """The splits, balanced in classes and COCO sizes without cutting a group. loaded: those that
    have files; `train` is divided where others are missing.

    With data.folds = n > 1, the images that test leaves are divided into n and val is number
    data.fold. Raises InputError where there are fewer groups than parts.
    """
    if len(loaded) == len(SPLITS):
        return Divided(loaded, {}, {})
    pool = loaded["train"]
    counts, groups = strata(pool), pool.images["group_number"].to_numpy()
    has_folds = data.folds > 1 and "val" not in loaded
    val_share, test_share = data.val_share, data.test_share
    if "test" in loaded:
        test_share = 0.0
    if has_folds:
        val_share = (1 - test_share) / data.folds
    elif "val" in loaded:
        val_share = 0.0
    shares = {"train": 1 - val_share - test_share, "val": val_share, "test": test_share}
    parts: dict[int, np.ndarray] = {}
    try:
        if has_folds:
            parts = _folds(counts, groups, test_share, data.folds, seed)
            own_part = parts.pop(data.fold)
        else:
            own_part = _parts(counts, groups, shares, seed)
    except ValueError as error:
        raise InputError(
            f"data: {error}; add images, or lower data.folds or data.near_duplicate_bits"
        ) from None
    shares = {name: share for name, share in shares.items() if share}
    sets = {**loaded, **_split(pool, own_part, tuple(shares))}
    folds = {number: _split(pool, part, ("train", "val")) for number, part in parts.items()}
    return Divided({name: sets[name] for name in SPLITS}, shares, folds)


def _split(pool: Labels, part: np.ndarray, names: tuple[str, ...]) -> dict[str, Labels]:
    """part: (images,) the position in SPLITS of each image of `pool`."""
    return {name: pool.part(name, part == SPLITS.index(name)) for name in names}


def strata(labels: Labels) -> np.ndarray:
    """(images, classes + 3) numbers of boxes per class and per COCO size."""
    return np.concatenate([labels.boxes_per_class(), labels.boxes_per_size()], axis=1)


def balance(sets: dict[str, Labels], shares: dict[str, float]) -> dict[str, Any]:
    """How near each split in `shares` came to what was wanted, for the report; {} where none was
    made.

    share: of the images. distance: half the sum over classes of |share of the class in the split -
    in all|, 0 for equal distributions, 1 for a split without boxes. largest: of the differences
    between the share of a class's boxes that lies in the split and the wanted share, negative for
    too few, the largest; largest_class: where it occurs. Without any box 0, 0 and None.
    """
    boxes = {name: sets[name].boxes_per_class().sum(axis=0).astype(float) for name in shares}
    images = sum(len(sets[name].images) for name in shares)
    whole = np.sum(list(boxes.values()), axis=0)
    rows = {}
    for name, wanted in shares.items():
        inside = boxes[name]
        row = {"target": wanted, "share": len(sets[name].images) / images}
        row |= {"distance": 0.0, "largest": 0.0, "largest_class": None}
        if whole.any():
            classes = np.flatnonzero(whole)
            deviation = inside[classes] / whole[classes] - wanted
            worst = np.abs(deviation).argmax()
            row["largest"] = float(deviation[worst])
            row["largest_class"] = sets[name].classes[classes[worst]]
            row["distance"] = 1.0
        if inside.any():
            difference = inside / inside.sum() - whole / whole.sum()
            row["distance"] = float(np.abs(difference).sum() / 2)
        rows[name] = row
    return rows


def _parts(
    counts: np.ndarray, groups: np.ndarray, shares: dict[str, float], seed: int
) -> np.ndarray:
    """The position in SPLITS of each image; a share of 0 has none."""
    wanted = {name: share for name, share in shares.items() if share}
    numbers = np.array([SPLITS.index(name) for name in wanted])
    if len(wanted) == 1:
        return np.full(len(counts), numbers[0])
    return numbers[assign(counts, groups, list(wanted.values()), seed)]


def _folds(
    counts: np.ndarray, groups: np.ndarray, test_share: float, folds: int, seed: int
) -> dict[int, np.ndarray]:
    """Fold -> the position in SPLITS of each image."""
    # The test images are the same for every fold, or the folds could not be compared.
    part = _parts(counts, groups, {"train": 1 - test_share, "test": test_share}, seed)
    rest = np.flatnonzero(part == _TRAIN)
    number = assign(counts[rest], groups[rest], [1 / folds] * folds, seed)
    parts = {}
    for fold in range(folds):
        parts[fold] = part.copy()
        parts[fold][rest[number == fold]] = SPLITS.index("val")
    return parts


def train_order(counts: np.ndarray, groups: np.ndarray, seed: int) -> list[list[int]]:
    """Rows of images, a list for each group, of which every beginning is a small, balanced set: the
    images of a smaller train_share are within those of any larger one.

    Whole groups follow each other, each the one of some at random that brings the numbers of boxes
    per stratum nearest to the share of the images reached (herding: Welling 2009, "Herding
    dynamical weights to learn"). counts: (images, strata) numbers of boxes. groups: (images,)
    integers. One seed gives one order.
    """
    # Whole numbers, which single precision has exactly up to 2^24, in half the memory.
    group, content = content_of_groups(counts, groups, kind=np.float32)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    # Groups at random, and so is the beginning of those that wait.
    shuffled = np.random.default_rng(seed).permutation(len(content))
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
