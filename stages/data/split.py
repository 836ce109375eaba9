"""Makes the splits that have no files of their own from the images of the train files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.data.assign import assign, distance
from stages.data.labels import Labels
from stages.data.load import Loaded
from stages.errors import InputError
from stages.study.params import Data
from stages.study.paths import SPLITS


@dataclass(frozen=True)
class Divided:
    """sets: train, val and test; shares: the wanted share of each in what was divided, none for
    splits that came with files; folds: number -> train and val of every fold but data.fold, which
    is in `sets`; groups: (images,) of the train set's images, None being that of `sets`, a number
    that of the fold."""

    sets: dict[str, Labels]
    shares: dict[str, float]
    folds: dict[int, dict[str, Labels]]
    groups: dict[int | None, np.ndarray]


def divide(loaded: Loaded, data: Data, seed: int) -> Divided:
    """The splits, balanced in classes and COCO sizes without cutting a group.

    With data.folds = n > 1, the images that test leaves are divided into n and val is number
    data.fold. Raises InputError where there are fewer groups than parts.
    """
    pool, groups = loaded.sets["train"], loaded.groups["train"]
    counts = strata(pool)
    test_share = 0.0 if "test" in loaded.sets else data.test_share
    val_share = 0.0 if "val" in loaded.sets else data.val_share
    parts: dict[int, np.ndarray] = {}
    try:
        if data.folds > 1 and "val" not in loaded.sets:
            parts = _folds(counts, groups, test_share, data.folds, seed)
            part = parts.pop(data.fold)
            val_share = (1 - test_share) / data.folds
        else:
            part = _parts(
                counts,
                groups,
                {"train": 1 - val_share - test_share, "val": val_share, "test": test_share},
                seed,
            )
    except ValueError as error:
        raise InputError(
            f"data: {error}; add images, or lower data.folds or data.near_duplicate_bits"
        ) from None
    made = {"train": 1 - val_share - test_share, "val": val_share, "test": test_share}
    made = {name: share for name, share in made.items() if share}
    sets = {**loaded.sets, **{name: pool.part(part == SPLITS.index(name)) for name in made}}
    folds = {
        number: {name: pool.part(other == SPLITS.index(name)) for name in ("train", "val")}
        for number, other in parts.items()
    }
    train_groups = {
        number: groups[other == SPLITS.index("train")] for number, other in parts.items()
    }
    train_groups[None] = groups[part == SPLITS.index("train")]
    return Divided(
        {name: sets[name] for name in SPLITS}, made if len(made) > 1 else {}, folds, train_groups
    )


def strata(labels: Labels) -> np.ndarray:
    """(images, classes + 3) numbers of boxes per class and per COCO size."""
    return np.concatenate([labels.boxes_per_class(), labels.boxes_per_size()], axis=1)


def balance(sets: dict[str, Labels], shares: dict[str, float]) -> dict[str, Any]:
    """How near each split in `shares` came to what was wanted, for the report; {} where none was
    made."""
    if not shares:
        return {}
    classes = next(iter(sets.values())).classes
    counts = np.concatenate([sets[name].boxes_per_class() for name in shares])
    parts = np.repeat(np.arange(len(shares)), [len(sets[name].images) for name in shares])
    found = distance(counts, parts, list(shares.values()))
    return {
        name: {
            "target": shares[name],
            "share": part.share,
            "distance": part.total_variation,
            "largest": part.deviation / 100,
            "largest_class": None if part.stratum is None else classes[part.stratum],
        }
        for name, part in zip(shares, found)
    }


def _parts(
    counts: np.ndarray, groups: np.ndarray, shares: dict[str, float], seed: int
) -> np.ndarray:
    wanted = {name: share for name, share in shares.items() if share}
    if len(wanted) == 1:
        return np.full(len(counts), SPLITS.index(next(iter(wanted))))
    numbers = np.array([SPLITS.index(name) for name in wanted])
    return numbers[assign(counts, groups, list(wanted.values()), seed)]


def _folds(
    counts: np.ndarray, groups: np.ndarray, test_share: float, folds: int, seed: int
) -> dict[int, np.ndarray]:
    """Fold -> the position in SPLITS of each image."""
    # The test images are the same for every fold, or the folds could not be compared.
    part = _parts(counts, groups, {"train": 1 - test_share, "test": test_share}, seed)
    rest = np.flatnonzero(part == SPLITS.index("train"))
    number = assign(counts[rest], groups[rest], [1 / folds] * folds, seed)
    found = {fold: part.copy() for fold in range(folds)}
    for fold, own in found.items():
        own[rest[number == fold]] = SPLITS.index("val")
    return found
