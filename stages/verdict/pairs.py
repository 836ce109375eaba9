"""Which of two cells is better in a statistic, and how sure that is, from replicates of both on the same images.

Interval and test. AP is biased upwards on few images, and its replicates, which hold fewer different images, are so
once more: percentile intervals of one cell's AP covered 80 to 92 % in place of 95 in simulations, of the difference
of two very unequal cells 91 to 93. BCa repairs most of that; its acceleration adds nothing and costs a jackknife. As
good and simpler is the standard interval around the bias-corrected value: value - bias -/+ quantile x error, both from
the replicates (Davison & Hinkley 1997, "Bootstrap Methods and their Application", section 5.2; Efron & Tibshirani
1993, chapters 10 and 13; "norm" of R's boot.ci). It covered 93 to 96 % in all but very thin groups
(tests/test_verdict_pairs.py), extends to repeats, and its p is no multiple of 1 / R, which 66 pairs would exhaust.

Few images. AP is no mean: replicates vary less than fresh images do. Between detectors that are equal by construction
(3,200 samples of 300 images, 2,800 of 100, three classes, mAP) the values lay 4.5 and 7.3 % further out than the
replicates' error said, which is about .75 / sqrt(images), and the error scattered as with 110 and 49 degrees of freedom
in place of 299 and 99. Without regard to that 6 and 7 % of the families had a false verdict. Hence WIDER and SCATTER,
somewhat more than was measured; then it is 3.5 and 2.9 %. Plain means need none of it and are covered more often.

Repeats. Images vary and trainings vary. With several runs of a cell on one split the variance between runs is pooled
over the two cells (as in Student's two-sample t) and added to that of the images, degrees of freedom as by Welch 1947
and Satterthwaite 1946. With several splits (folds) the differences on each are the sample; their variance holds both.
Folds share training images, so that it is taken 1 / F + 1 / (F - 1) times instead of 1 / F (Nadeau & Bengio 2003,
"Inference for the generalization error"), and is at least that of the images alone. With one run of each cell the
interval is about these two trained models; another seed may say otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from stages.analysis.curves import MIN_BOXES
from stages.errors import InputError
from stages.verdict.replicates import Replicates, Statistic

ALPHA = 0.05
# The images' error is taken 1 + WIDER / sqrt(images) times, with (images - 1) / SCATTER degrees of freedom; see above.
WIDER, SCATTER = 1.25, 2.0
# How often as many images as are said to be needed would decide, if the difference is what was observed.
POWER = 0.8

Outcome = Literal["better", "worse", "not distinguishable"]


@dataclass(frozen=True)
class Estimate:
    """A statistic of a cell, or the difference of one between two: value, the mean over the runs; [low, high], its
    95 % interval, which need not have the value in its middle; error: its standard error, None where nothing varies
    that could be measured (one image), the interval then is all that is possible.

    of_images, of_runs: the two parts of error squared; freedom: degrees of freedom of the interval; boxes, images: of
    all splits together; splits: on how many the cells were evaluated; runs: of the first and the second cell on all of
    them; thin: fewer than MIN_BOXES boxes, which decide nothing.
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


@dataclass(frozen=True)
class Pair:
    """Cell `first` against `second` in a statistic. difference: an Estimate, first - second.

    outcome: of `first`. probability: that first is the better one; p: two-sided, of no difference; p_holm: p after
    Holm's correction over all pairs compared (Holm 1979, "A simple sequentially rejective multiple test procedure"),
    which decides: better or worse under ALPHA, unless thin. A decided pair's interval never holds 0.

    images_needed, repeats_needed: where it is not distinguishable, how many images, or runs of each cell (or splits,
    where there are several), would decide it with probability POWER at the observed difference; None where thin, where
    that cannot be told from these runs, or where no number of them would do.
    """

    first: str
    second: str
    outcome: Outcome
    difference: Estimate
    probability: float
    p: float
    p_holm: float
    images_needed: int | None
    repeats_needed: int | None

    def swapped(self) -> Pair:
        """The same of `second` against `first`."""
        one = self.difference
        turned: dict[Outcome, Outcome] = {"better": "worse", "worse": "better"}
        return replace(self, first=self.second, second=self.first, outcome=turned.get(self.outcome, self.outcome),
                       difference=replace(one, value=-one.value, low=-one.high, high=-one.low, bias=-one.bias,
                                          runs=one.runs[::-1]), probability=1 - self.probability)


def estimate(runs: Sequence[Replicates], statistic: Statistic) -> Estimate | None:
    """One cell, of one or several runs. None where the splits have no such box. Raises InputError without runs."""
    return _estimate("the cell", [runs], statistic)


def compare(cells: Mapping[str, Sequence[Replicates]], statistic: Statistic,
            family: Sequence[tuple[str, str]] | None = None) -> tuple[Pair, ...]:
    """Verdicts over pairs of cells: the `family`, by default every two in the order of `cells`.

    cells: name -> its runs: seeds, with replicates of the same split, or folds, on different ones; a pair is compared
    on the splits that both have. Where a pair's splits have no such box, it is left out.
    Raises InputError where two cells share no split, or a cell has no run.
    """
    found = []
    for first, second in combinations(cells, 2) if family is None else family:
        difference = _estimate(f"{first} and {second}", [cells[first], cells[second]], statistic)
        if difference is not None:
            found.append((first, second, difference, *_test(difference)))
    adjusted, factor = holm([p for *_, p in found])
    return tuple(_judge(*one, corrected, times) for one, corrected, times in zip(found, adjusted, factor))


def holm(p: Sequence[float]) -> tuple[list[float], list[int]]:
    """Holm's step-down: corrected p values, at most 1, and what each one was multiplied by: the number of hypotheses
    for the smallest, one less for the next, never falling in p."""
    corrected, factor, largest = [0.0] * len(p), [0] * len(p), 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda index: p[index])):
        factor[index] = len(p) - rank
        largest = corrected[index] = max(largest, min(1.0, factor[index] * p[index]))
    return corrected, factor


def _estimate(names: str, cells: Sequence[Sequence[Replicates]], statistic: Statistic) -> Estimate | None:
    """Of one cell, or of the first less the second."""
    keys = [{run.split: run for run in runs} for runs in cells]
    if not all(keys):
        raise InputError(f"{names}: no evaluated run")
    shared = [run for key, run in keys[0].items() if all(key in other for other in keys)]
    if not shared:
        raise InputError(f"{names} were not evaluated on the same annotations with the same draws; evaluate both again")
    shared = [run for run in shared if run.boxes_of(statistic)]
    if not shared:
        return None
    parts = [[np.array([run.of(statistic) for run in runs if run.split == split.split]) for runs in cells]
             for split in shared]
    boxes, images = sum(run.boxes_of(statistic) for run in shared), sum(run.images for run in shared)
    # (1 + R,) for each split.
    values = [groups[0].mean(axis=0) - (groups[1].mean(axis=0) if len(groups) > 1 else 0) for groups in parts]
    value = float(np.mean([one[0] for one in values]))
    finite = [one[1:][~np.isnan(one[1:])] for one in values]
    known = images > 1 and all(len(one) > 1 for one in finite)
    bias = float(np.mean([one.mean() for one in finite])) - value if known else 0.0
    of_images = float(np.mean([one.var(ddof=1) * (1 + WIDER / math.sqrt(run.images)) ** 2
                               for one, run in zip(finite, shared)])) / len(parts) if known else 0.0
    of_runs, run_freedom = _between_runs(parts, values, of_images)
    freedom = float(run_freedom)
    if len(parts) == 1:
        freedom = _freedom(of_images, (images - 1) / SCATTER, of_runs, run_freedom)
    error = math.sqrt(of_images + of_runs) if known else None
    reach = float(stdtrit(freedom, 1 - ALPHA / 2)) * error if error else 0.0
    lowest = 0.0 if len(cells) == 1 else -1.0
    ends = np.clip([value - bias - reach, value - bias + reach], lowest, 1) if known else (lowest, 1.0)
    runs = tuple(sum(len(groups[index]) for groups in parts) for index in range(len(cells)))
    return Estimate(value, float(ends[0]), float(ends[1]), error, bias, of_images, of_runs, freedom, boxes, images,
                    len(parts), runs, boxes < MIN_BOXES)


def _between_runs(parts: Sequence[Sequence[np.ndarray]], values: Sequence[np.ndarray],
                  of_images: float) -> tuple[float, int]:
    """The variance of the mean that images do not explain, and its degrees of freedom; 0 and 0 for single runs."""
    splits = len(parts)
    if splits > 1:
        between = float(np.var([one[0] for one in values], ddof=1))
        return max(between * (1 / splits + 1 / (splits - 1)) - of_images, 0.0), splits - 1
    groups = [group[:, 0] for group in parts[0]]
    freedom = sum(len(group) - 1 for group in groups)
    if not freedom:
        return 0.0, 0
    pooled = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / freedom
    return pooled * sum(1 / len(group) for group in groups), freedom


def _freedom(of_images: float, image_freedom: float, of_runs: float, run_freedom: int) -> float:
    """Welch and Satterthwaite's degrees of freedom of a sum of two estimated variances."""
    total = of_images + of_runs
    if not of_runs or not total:
        return float(max(image_freedom, 1))
    return total**2 / (of_images**2 / max(image_freedom, 1) + of_runs**2 / run_freedom)


def _test(one: Estimate) -> tuple[float, float]:
    """The probability that the difference is above 0, and the two-sided p that there is none."""
    centre = one.value - one.bias
    if one.error is None or (one.error == 0 and centre == 0):
        return 0.5, 1.0
    t = centre / one.error if one.error else math.copysign(math.inf, centre)
    return float(stdtr(one.freedom, t)), float(min(1.0, 2 * stdtr(one.freedom, -abs(t))))


def _judge(first: str, second: str, one: Estimate, probability: float, p: float, p_holm: float, factor: int) -> Pair:
    outcome: Outcome = "not distinguishable"
    # The interval lies around the bias-corrected value; what is printed and what is tested must point the same way.
    if p_holm < ALPHA and not one.thin and one.value * (one.value - one.bias) > 0:
        outcome = "better" if one.value > 0 else "worse"
    images, repeats = (None, None) if outcome != "not distinguishable" or one.thin else _needed(one, factor)
    return Pair(first, second, outcome, one, probability, p, p_holm, images, repeats)


def _needed(one: Estimate, factor: int) -> tuple[int | None, int | None]:
    """Images and repeats so that |difference| = (z(1 - ALPHA / (2 factor)) + z(POWER)) x error, the usual sample size
    (Lachin 1981, "Introduction to sample size determination and power analysis for clinical trials"): images' part of
    the squared error shrinks as 1 / images, the runs' as 1 / runs, and each has the other as its floor."""
    if not one.error or not one.value:
        return None, None
    allowed = (one.value / (ndtri(1 - ALPHA / (2 * factor)) + ndtri(POWER))) ** 2
    if one.splits > 1:
        return None, max(one.splits + 1, math.ceil(one.splits * one.error**2 / allowed))
    images = repeats = None
    if one.of_images and allowed > one.of_runs:
        images = max(one.images + 1, math.ceil(one.images * one.of_images / (allowed - one.of_runs)))
    if one.of_runs and allowed > one.of_images:
        # As many of each cell: of_runs is the pooled variance times the sum of 1 / runs.
        pooled = one.of_runs / sum(1 / number for number in one.runs)
        repeats = max(*one.runs, math.ceil(len(one.runs) * pooled / (allowed - one.of_images)))
    return images, repeats
