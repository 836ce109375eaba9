"""Makes the splits that have no files of their own from the images of the train files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.data.assign import assign
from stages.data.labels import Labels
from stages.errors import InputError
from stages.study.params import Data
from stages.study.paths import SPLITS

_TRAIN = SPLITS.index("train")


@dataclass(frozen=True)
class Divided:
    """sets: train, val and test; shares: the wanted share of each in what was divided, none for
    splits that came with files; folds: number -> train and val of every fold but data.fold, which
    is in `sets`."""

    sets: dict[str, Labels]
    shares: dict[str, float]
    folds: dict[int, dict[str, Labels]]


def divide(given: dict[str, Labels], data: Data, seed: int) -> Divided:
    """The splits, balanced in classes and COCO sizes without cutting a group. given: those that
    have files; `train` is divided where others are missing.

    With data.folds = n > 1, the images that test leaves are divided into n and val is number
    data.fold. Raises InputError where there are fewer groups than parts.
    """
    pool = given["train"]
    groups = pool.images["group_number"].to_numpy()
    counts = strata(pool)
    shares = {"train": 1.0, "val": data.val_share, "test": data.test_share}
    for name in ("val", "test"):
        if name in given:
            shares[name] = 0.0
    has_folds = data.folds > 1 and "val" not in given
    if has_folds:
        shares["val"] = (1 - shares["test"]) / data.folds
    shares["train"] = 1 - shares["val"] - shares["test"]
    parts: dict[int, np.ndarray] = {}
    try:
        if has_folds:
            parts = _folds(counts, groups, shares["test"], data.folds, seed)
            own_part = parts.pop(data.fold)
        else:
            own_part = _parts(counts, groups, shares, seed)
    except ValueError as error:
        raise InputError(
            f"data: {error}; add images, or lower data.folds or data.near_duplicate_bits"
        ) from None
    shares = {name: share for name, share in shares.items() if share}
    sets = {**given, **_split(pool, own_part, tuple(shares))}
    folds = {number: _split(pool, part, ("train", "val")) for number, part in parts.items()}
    if len(shares) == 1:
        shares = {}
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
    rows = {}
    for name, wanted in shares.items():
        inside, whole = boxes[name], np.sum(list(boxes.values()), axis=0)
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
