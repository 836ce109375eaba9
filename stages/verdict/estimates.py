"""A statistic of a cell, or its difference between two cells, with its interval, from replicates on
the same images.

Interval. AP is biased upwards on few images, and its replicates, which hold fewer different images,
are so once more: percentile intervals of one cell's AP covered 80 to 92 % in place of 95 in
simulations, of the difference of two very unequal cells 91 to 93. BCa repairs most of that; its
acceleration adds nothing and costs a jackknife. As good and simpler is the standard interval around
the bias-corrected value: value - bias -/+ quantile x error, both from the replicates (Davison &
Hinkley 1997, "Bootstrap Methods and their Application", section 5.2; Efron & Tibshirani 1993,
chapters 10 and 13; "norm" of R's boot.ci). It covered 93 to 96 % in all but very thin groups
(tests/verdict/test_coverage.py), extends to repeats, and its p is no multiple of 1 / R, which 66
pairs would exhaust.

Few images. AP is no mean: replicates vary less than fresh images do. Between detectors that are
equal by construction (3,200 samples of 300 images, 2,800 of 100, three classes, mAP) the values lay
4.5 and 7.3 % further out than the replicates' error said, which is about .75 / sqrt(images), and
the error scattered as with 110 and 49 degrees of freedom in place of 299 and 99. Without regard to
that 6 and 7 % of the families had a false verdict. Hence WIDER and SCATTER, somewhat more than was
measured; then it is 3.5 and 2.9 %. Plain means need none of it and are covered more often.

Repeats. Images vary and trainings vary. With several runs of a cell on one split the variance
between runs is pooled over the two cells (as in Student's two-sample t) and added to that of the
images, degrees of freedom as by Welch 1947 and Satterthwaite 1946. With several splits (folds) the
differences on each are the sample; their variance holds both. Folds share training images, so that
it is taken 1 / F + 1 / (F - 1) times instead of 1 / F (Nadeau & Bengio 2003, "Inference for the
generalization error"), and is at least that of the images alone. With one run of each cell the
interval is about these two trained models; another seed may say otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from stages.errors import InputError
from stages.study.group_metrics import MIN_BOXES
from stages.verdict.replicates import Replicates, Statistic

ALPHA = 0.05
# The images' error is taken 1 + WIDER / sqrt(images) times, with (images - 1) / SCATTER degrees of
# freedom; see above.
WIDER, SCATTER = 1.25, 2.0
# How often as many images as are said to be needed would decide, if the difference is what was
# observed.
POWER = 0.8


@dataclass(frozen=True)
class Estimate:
    """A statistic of a cell, or the difference of one between two: value, the mean over the runs;
    [low, high], its 95 % interval, which need not have the value in its middle; error: its standard
    error, None where nothing varies that could be measured (one image), the interval then is all
    that is possible. of_images, of_runs: the two parts of error squared; freedom: degrees of freedom of the interval;
    boxes, images: of all splits together; splits: on how many the cells were evaluated; runs: of
    the first and the second cell on all of them; thin: fewer than MIN_BOXES boxes, which decide
    nothing.
    """

    value: float
    low: float
    high: float
    error: float | None
    bias: float
    of_images: float
    of_runs: float
    freedom: float
    boxes: int
    images: int
    splits: int
    runs: tuple[int, ...]
    thin: bool

    @property
    def centre(self) -> float:
        """The value, corrected for bias."""
        return self.value - self.bias

    def swapped(self) -> Estimate:
        """Of a difference: the same of the second cell less the first."""
        return replace(
            self,
            value=-self.value,
            low=-self.high,
            high=-self.low,
            bias=-self.bias,
            runs=self.runs[::-1],
        )

    def interval(self, alpha: float, largest: float = 1.0) -> tuple[float, float]:
        """Of a difference: its ends at the level 1 - alpha. largest: what a difference can be."""
        if self.error is None:
            return -largest, largest
        return _ends(self.centre, self.error, self.freedom, alpha, (-largest, largest))

    def test(self, bound: float = 0.0) -> tuple[float, float]:
        """Of a difference: the probability that it is above `bound`, and the two-sided p of its
        being that."""
        distance = self.centre - bound
        if self.error is None or (self.error == 0 and distance == 0):
            return 0.5, 1.0
        t = distance / self.error if self.error else math.copysign(math.inf, distance)
        return float(stdtr(self.freedom, t)), float(min(1.0, 2 * stdtr(self.freedom, -abs(t))))


@dataclass(frozen=True)
class SplitScores:
    """A statistic of a cell's runs on one split: scores (N runs, 1 + R), the split itself first,
    then its replicates; boxes, images: that the split has."""

    scores: np.ndarray
    boxes: int
    images: int

    @cached_property
    def mean(self) -> np.ndarray:
        """(1 + R,), over the runs."""
        return np.asarray(self.scores.mean(axis=0))


Scores = Mapping[int, SplitScores]


def scores_of(runs: Sequence[Replicates], statistic: Statistic) -> Scores:
    """A cell's runs by their split."""
    by_split: dict[int, list[Replicates]] = {}
    for run in runs:
        by_split.setdefault(run.split, []).append(run)
    result = {}
    for split, members in by_split.items():
        scores = np.array([run.of(statistic) for run in members])
        result[split] = SplitScores(scores, members[0].boxes_of(statistic), members[0].images)
    return result


def estimate(runs: Sequence[Replicates], statistic: Statistic) -> Estimate | None:
    """One cell. None where the splits have no such box. Raises InputError without runs."""
    return estimate_of({"the cell": scores_of(runs, statistic)})


def estimate_of(cells: Mapping[str, Scores]) -> Estimate | None:
    """Of one cell, or of the first of two less the second, on the splits that both have; None where
    those have no such box.

    cells: name -> scores_of(). Raises InputError where the two share no split, or one has no run.
    """
    splits = _common_splits(cells)
    if not splits:
        return None
    first, *second = cells.values()
    boxes = sum(first[split].boxes for split in splits)
    images = sum(first[split].images for split in splits)
    measured = []
    replicates = []
    for split in splits:
        # (1 + R,)
        values = first[split].mean
        for scores in second:
            values = values - scores[split].mean
        measured.append(float(values[0]))
        replicates.append(values[1:][~np.isnan(values[1:])])
    value = float(np.mean(measured))
    varies = images > 1 and min(map(len, replicates)) > 1
    bias = of_images = 0.0
    if varies:
        bias = float(np.mean(list(map(np.mean, replicates)))) - value
        variances = []
        for split, array in zip(splits, replicates, strict=True):
            wider = 1 + WIDER / math.sqrt(first[split].images)
            variances.append(array.var(ddof=1) * wider**2)
        of_images = float(np.mean(variances)) / len(splits)
    if len(splits) > 1:
        # What images do not explain of the variance of the mean over splits.
        share = 1 / len(splits) + 1 / (len(splits) - 1)
        of_runs = max(float(np.var(measured, ddof=1)) * share - of_images, 0.0)
        freedom = float(len(splits) - 1)
    else:
        groups = [scores[splits[0]].scores[:, 0] for scores in cells.values()]
        of_runs, run_freedom = _between_runs(groups)
        freedom = _freedom(of_images, max((images - 1) / SCATTER, 1), of_runs, run_freedom)
    lowest = -1.0 if second else 0.0
    error, ends = None, (lowest, 1.0)
    if varies:
        error = math.sqrt(of_images + of_runs)
        ends = _ends(value - bias, error, freedom, ALPHA, (lowest, 1.0))
    runs = []
    for scores in cells.values():
        runs.append(sum(len(scores[split].scores) for split in splits))
    return Estimate(
        value,
        *ends,
        error,
        bias,
        of_images,
        of_runs,
        freedom,
        boxes,
        images,
        splits=len(splits),
        runs=tuple(runs),
        thin=boxes < MIN_BOXES,
    )


def loss_difference(first: np.ndarray, second: np.ndarray) -> Estimate:
    """The first cell's train loss less the second's, of several trainings each."""
    of_runs, freedom = _between_runs([first, second])
    value, error = float(first.mean() - second.mean()), math.sqrt(of_runs)
    ends = _ends(value, error, float(freedom), ALPHA, (-math.inf, math.inf))
    runs = len(first), len(second)
    return Estimate(value, *ends, error, 0.0, 0.0, of_runs, float(freedom), 0, 0, 0, runs, False)


def sample_sizes(
    estimated: Estimate, distance: float, quantile: float
) -> tuple[int | None, int | None]:
    """Images, and repeats, so that |distance| = (quantile + z(POWER)) x error (Lachin 1981,
    "Introduction to sample size determination and power analysis for clinical trials"): images'
    part of the squared error shrinks as 1 / images, the runs' as 1 / runs, and each has the other
    as its floor. None where that cannot be told from these runs, or no number would do."""
    if not estimated.error or not distance:
        return None, None
    allowed = (distance / (quantile + ndtri(POWER))) ** 2
    if estimated.splits > 1:
        splits = math.ceil(estimated.splits * estimated.error**2 / allowed)
        return None, max(estimated.splits + 1, splits)
    images = repeats = None
    if estimated.of_images and allowed > estimated.of_runs:
        share = estimated.of_images / (allowed - estimated.of_runs)
        images = max(estimated.images + 1, math.ceil(estimated.images * share))
    if estimated.of_runs and allowed > estimated.of_images:
        # As many of each cell: of_runs is the pooled variance times the sum of 1 / runs.
        pooled = estimated.of_runs / sum(1 / number for number in estimated.runs)
        number = math.ceil(len(estimated.runs) * pooled / (allowed - estimated.of_images))
        repeats = max(*estimated.runs, number)
    return images, repeats


def _common_splits(cells: Mapping[str, Scores]) -> list[int]:
    """Those that all cells have and that hold a box of the statistic."""
    names = " and ".join(cells)
    if not all(cells.values()):
        raise InputError(f"{names}: no evaluated run")
    first, *rest = cells.values()
    common = set(first).intersection(*rest)
    if not common:
        raise InputError(
            f"{names} were not evaluated on the same annotations with the same draws; "
            "evaluate both again"
        )
    return [split for split in first if split in common and first[split].boxes]


def _ends(
    centre: float, error: float, freedom: float, alpha: float, limits: tuple[float, float]
) -> tuple[float, float]:
    reach = float(stdtrit(freedom, 1 - alpha / 2)) * error if error else 0.0
    low, high = np.clip([centre - reach, centre + reach], *limits)
    return float(low), float(high)


def _between_runs(groups: Sequence[np.ndarray]) -> tuple[float, int]:
    """The variance that seeds give the mean of each cell, or the difference of the two means, and
    its degrees of freedom; 0 and 0 for single runs. groups: each cell's scores of its runs."""
    freedom = sum(len(group) - 1 for group in groups)
    if not freedom:
        return 0.0, 0
    pooled = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / freedom
    return pooled * sum(1 / len(group) for group in groups), freedom


def _freedom(of_images: float, image_freedom: float, of_runs: float, run_freedom: int) -> float:
    """Welch and Satterthwaite's degrees of freedom of a sum of two estimated variances."""
    if not of_runs:
        return float(image_freedom)
    total = of_images + of_runs
    return total**2 / (of_images**2 / image_freedom + of_runs**2 / run_freedom)
