"""The bootstrap over images: average precisions of a cell on resampled splits, each evaluated once,
without matching.

Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapters 6 and 8: a replicate draws as
many images as the split has, with replacement; an image drawn k times counts k times. All cells of
a split share the draws, so that differences between them are paired. Matching happens within an
image, so that a replicate only changes how often each detection and box counts: with the detections
of a class sorted once, its precisions are ratios of cumulative weights.
"""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from stages import machine
from stages.errors import InputError
from stages.scoring.engine import AREAS, IOUS, RECALLS
from stages.study.metrics import METRICS, SIZES
from stages.verdict.matches import Matches, Ranked

# Average precision over IoU .50:.95, and at one IoU; the positions are those in IOUS.
LEVEL_IOUS = {"AP": slice(None), "AP50": slice(0, 1), "AP75": slice(5, 6)}
# Numbers in an array of a thread, of which it needs some four at once, 4 bytes each. With a tenth
# of it numpy's calls are so short that threads wait for each other between them.
_BLOCK = 1 << 21


@dataclass(frozen=True)
class Statistic:
    """level: of LEVEL_IOUS; size: of AREAS; category: a position in Truth.classes, or None for the mean
    over all classes that have such boxes."""

    level: str = "AP"
    size: str = "all"
    category: int | None = None


# The study's metrics, COCO's first six numbers.
_SIX = (*map(Statistic, LEVEL_IOUS), *(Statistic(size=size) for size in SIZES))
STUDY_STATISTICS = dict(zip(METRICS, _SIX, strict=True))


@dataclass(frozen=True)
class Replicates:
    """ap (1 + R, K, 4 AREAS, 3 LEVEL_IOUS) float64: row 0 is the split itself, then its replicates; NaN
    where a class has no box of the size there. boxes (K, 4 AREAS) int64 and images: of the split
    itself. split: a number that says which boxes and draws these are: replicates are paired where
    it is the same."""

    ap: np.ndarray
    boxes: np.ndarray
    images: int
    split: int
    _means: dict[Statistic, np.ndarray] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def of(self, statistic: Statistic) -> np.ndarray:
        """(1 + R,) float64, to be read only; NaN where there is nothing to measure."""
        size, level = list(AREAS).index(statistic.size), list(LEVEL_IOUS).index(statistic.level)
        values = self.ap[:, :, size, level]
        if statistic.category is not None:
            return values[:, statistic.category]
        # Estimates, pairs and bounds of a metric all ask for it.
        if statistic not in self._means:
            self._means[statistic] = _mean_over_classes(values)
        return self._means[statistic]

    def boxes_of(self, statistic: Statistic) -> int:
        """How many boxes of the split carry the statistic."""
        column = self.boxes[:, list(AREAS).index(statistic.size)]
        return int(column.sum() if statistic.category is None else column[statistic.category])


def _mean_over_classes(values: np.ndarray) -> np.ndarray:
    """(1 + R, K) -> (1 + R,): over the classes that have a value."""
    present = ~np.isnan(values)
    number = present.sum(axis=1)
    total = np.where(present, values, 0.0).sum(axis=1)
    mean: np.ndarray = np.full(len(total), np.nan)
    np.divide(total, number, out=mean, where=number > 0)
    mean.flags.writeable = False
    return mean


def draw_weights(images: int, replicates: int, seed: int) -> np.ndarray:
    """(R, I) int32: how often each image counts in each replicate; a row sums to I. The same for
    the same arguments.

    Raises InputError where there is no image.
    """
    if images < 1:
        raise InputError("the bootstrap draws images, and the split has none")
    shares = np.full(images, 1 / images)
    return np.random.default_rng(seed).multinomial(images, shares, replicates).astype(np.int32)


def evaluate_replicates(
    matches: Matches, weights: np.ndarray, workers: int | None = None
) -> Replicates:
    """The average precisions of the split and of its replicates, each equal to pycocotools' on a
    set in which every image stands as often as its weight says. (Equal scores within one image and
    class keep their order: all copies of the first stand before all copies of the second.)

    weights (R, I) of integers from 0; workers: threads, by default one per CPU. Raises InputError
    where the weights are not of these images.
    """
    if weights.ndim != 2 or weights.shape[1] != matches.boxes.shape[2]:
        raise InputError(
            f"weights of shape {weights.shape} for a split of {matches.boxes.shape[2]} images"
        )
    rows = np.vstack((np.ones((1, weights.shape[1]), dtype=np.int32), weights), dtype=np.int32)
    groups = []
    longest = 0
    for ranked in matches.classes:
        sizes = [_Group.of(ranked, size) for size in range(len(AREAS))]
        longest = max(longest, *(len(group.images) for group in sizes))
        groups.append(sizes)
    ap = np.full((len(rows), len(groups), len(AREAS), len(LEVEL_IOUS)), np.nan)
    length = max(1, min(256, _BLOCK // (longest + 1)))

    def work(start: int) -> None:
        block = rows[start : start + length]
        for index, sizes in enumerate(groups):
            boxes = (block @ matches.boxes[index].T).astype(np.int64)
            for size, group in enumerate(sizes):
                precision = _average_precisions(group, block, boxes[:, size])
                for level, at in enumerate(LEVEL_IOUS.values()):
                    ap[start : start + length, index, size, level] = precision[at].mean(axis=0)

    with ThreadPoolExecutor(workers or machine.cpus()) as pool:
        list(pool.map(work, range(0, len(rows), length)))
    split = zlib.crc32(rows.data, zlib.crc32(np.ascontiguousarray(matches.boxes).data))
    return Replicates(ap, matches.boxes.sum(axis=2, dtype=np.int64), matches.boxes.shape[2], split)


@dataclass(frozen=True)
class _Threshold:
    """One IoU of a group, all int64. images (F,): of the detections that find a box, by falling
    score; at (F,): their positions in _Group.cut; more (M,): images of detections that count at
    this IoU though not at every one; more_at (F,): how many of them are ranked no later."""

    images: np.ndarray
    at: np.ndarray
    more: np.ndarray
    more_at: np.ndarray


@dataclass(frozen=True)
class _Group:
    """One class and size. images (B,) int64: of the detections that count at every IoU, by falling
    score; cut (U,) int64: how many of them are ranked no later than each detection that finds a box
    at some IoU.

    Nearly all detections count at every IoU, so that their weights are summed once for all of them.
    """

    images: np.ndarray
    cut: np.ndarray
    thresholds: tuple[_Threshold, ...]

    @classmethod
    def of(cls, ranked: Ranked, size: int) -> _Group:
        finds, counted = ranked.finds[size], ranked.counted[size]
        finders = np.flatnonzero(finds.any(axis=0))
        # What comes after the last box that is found changes no precision at a found box.
        last = int(finders[-1]) + 1 if len(finders) else 0
        always = counted[:, :last].all(axis=0)
        base = np.flatnonzero(always)
        thresholds = []
        for index in range(len(IOUS)):
            boxed = np.flatnonzero(finds[index])
            more = np.flatnonzero(counted[index, :last] & ~always)
            at, more_at = np.searchsorted(finders, boxed), np.searchsorted(more, boxed, "right")
            thresholds.append(_Threshold(ranked.image[boxed], at, ranked.image[more], more_at))
        cut = np.searchsorted(base, finders, "right")
        return cls(ranked.image[base], cut, tuple(thresholds))


def _average_precisions(group: _Group, weights: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """COCO's 101-point AP (pycocotools, COCOeval.accumulate): (10 IOUS, R); NaN where there is no
    box.

    weights (R, I) int32; boxes (R,): how many there are to find.
    """
    result = np.zeros((len(group.thresholds), len(weights)))
    if len(group.cut):
        counted = _sums(weights, group.images).take(group.cut, axis=1)
        reached, start = _reached(boxes)
        for index, threshold in enumerate(group.thresholds):
            if not len(threshold.images):
                continue
            true = weights.take(threshold.images, axis=1)
            true = np.cumsum(true, axis=1, out=true)
            total = counted.take(threshold.at, axis=1)
            if len(threshold.more):
                total += _sums(weights, threshold.more).take(threshold.more_at, axis=1)
            # Images of weight 0 may leave 0 / 0 at the top, which is no precision.
            precision = true / np.maximum(total, 1, out=total)
            # The envelope: the best precision at this recall or a higher one. Floats from 0 order
            # as their bits do, and the maximum of integers is four times as fast.
            bits = precision.view(np.int64)[:, ::-1]
            np.maximum.accumulate(bits, axis=1, out=bits)
            # Each found box brings the curve past some of the 101 recalls, which take the envelope
            # there.
            passed = reached.take(true + start[:, None])
            result[index] = np.einsum("re,re->r", precision, passed)
            result[index] -= np.einsum("re,re->r", precision[:, 1:], passed[:, :-1])
    result /= len(RECALLS)
    result[:, boxes == 0] = np.nan
    return result


def _sums(weights: np.ndarray, images: np.ndarray) -> np.ndarray:
    """(R, N + 1) int32: the weight of the first 0, 1, ..., N of these images (N,)."""
    result = np.zeros((len(weights), len(images) + 1), dtype=np.int32)
    np.cumsum(weights.take(images, axis=1), axis=1, out=result[:, 1:])
    return result


def _reached(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many of RECALLS are reached with 0, 1, ..., n found of n boxes, one table after the
    other, as float64; and the start (R,) of each one's. A table as comparing found / n with RECALLS
    is the only way to agree with pycocotools in the last bit: .07 * 100 is above 7."""
    number, row = np.unique(boxes, return_inverse=True)
    start = np.cumsum(number + 1) - (number + 1)
    every = np.repeat(np.maximum(number, 1), number + 1)
    boxes_found = np.arange(len(every)) - np.repeat(start, number + 1)
    recall = boxes_found / every
    below = boxes_found * 100 // every
    next_reached = (RECALLS[np.minimum(below + 1, 100)] <= recall) & (below < 100)
    reached = below + (RECALLS[below] <= recall) + next_reached
    return reached.astype(np.float64), start[row]
