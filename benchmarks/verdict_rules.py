"""How often each rule of choice ships a cell that loses more than the margin, in studies whose truth is known.

Run: python -m benchmarks.verdict_rules [STUDIES=400] [REPLICATES=400] [SEED=0]

A cell's score on an image is its mean, an effect of the image that all cells share, one of image and cell, and one of
image and training, all normal: the error of a difference on 50 images is .028, as between the cells of a small study.
Repeats: three trainings of each cell, each with a shift of its own. Every study is put through stages.verdict as a
real one is: replicates, pairs, standings, choice. The rules:

    shown         the cheapest cell that is shown to lose no more than the margin; none where none is
    highest       that, and where none is shown, the cell of highest score
    expected      that, and where none is shown, the cheapest cell whose expected loss is below the margin
    not worse     what was done before: the cheapest cell whose plain 95 % interval against the highest reaches 0

Columns in per cent of the studies: `shown` is how often something is shown, and how often that is wrong; for the other
rules how often the cell that they ship loses more than the margin. `price`: mean rank of what it costs, 0 the cheapest,
1 the dearest. docs/verdicts.md has the table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from stages.verdict.best import Standing, standings
from stages.verdict.choice import choose_cell, highest_cell
from stages.verdict.costs import Candidate
from stages.verdict.differences import joint_differences
from stages.verdict.pairs import Pair, compare_cells
from stages.verdict.replicates import Replicates, Statistic, draw_weights

MARGIN = 0.02
COST = "latency_ms"
IMAGES = (50, 200, 1000)
CELLS = (3, 13)
# Standard deviations of an image's score, shared by all cells, of a cell and of a training; and of
# a training's mean.
OF_IMAGE, OF_CELL, OF_TRAINING, OF_SEED = 0.2, 0.1, 0.1, 0.01
RUNS = 3
METRIC = "val/bbox_mAP_50"


def equal(cells: int, _: np.random.Generator) -> np.ndarray:
    return np.zeros(cells)


def clear_best(cells: int, _: np.random.Generator) -> np.ndarray:
    return np.append(np.full(cells - 1, -0.1), 0.0)


def just_within(cells: int, _: np.random.Generator) -> np.ndarray:
    return np.append(np.full(cells - 1, -0.9 * MARGIN), 0.0)


def just_outside(cells: int, _: np.random.Generator) -> np.ndarray:
    return np.append(np.full(cells - 1, -1.1 * MARGIN), 0.0)


def well_outside(cells: int, _: np.random.Generator) -> np.ndarray:
    return np.append(np.full(cells - 1, -1.5 * MARGIN), 0.0)


def ladder(cells: int, _: np.random.Generator) -> np.ndarray:
    return 0.01 * (np.arange(cells) - cells + 1)


def mixed(cells: int, rng: np.random.Generator) -> np.ndarray:
    """Scores that have nothing to do with costs."""
    return rng.normal(0, 0.03, cells)


def wide(cells: int, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0, 0.1, cells)


# The cheapest cell comes first.
FAMILIES: Mapping[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "all equal": equal,
    "one best by .10": clear_best,
    "others .018 below": just_within,
    "others .022 below": just_outside,
    "others .03 below": well_outside,
    "each .01 below the next": ladder,
    "spread of .03, any costs": mixed,
    "spread of .10, any costs": wide,
}
RULES = ("highest", "expected", "not worse")


@dataclass
class Tally:
    """What was counted over the studies of one kind. wrong, price: by rule. certain: (probability to be the best,
    whether it is), of every cell."""

    studies: int = 0
    shown: int = 0
    wrongly_shown: int = 0
    exceeded: int = 0
    best_missed: int = 0
    wrongly_worse: int = 0
    wrongly_as_good: int = 0
    uncovered: int = 0
    wrong: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RULES, 0))
    price: dict[str, float] = field(default_factory=lambda: dict.fromkeys(RULES, 0.0))
    loss: dict[str, float] = field(default_factory=lambda: dict.fromkeys(RULES, 0.0))
    certain: list[tuple[float, float]] = field(default_factory=list)


def scores(truth: np.ndarray, images: int, runs: int, rng: np.random.Generator) -> np.ndarray:
    """(images, K, runs): the score of every training on every image."""
    shared = rng.normal(0, OF_IMAGE, (images, 1, 1))
    of_cell = rng.normal(0, OF_CELL, (images, len(truth), 1))
    of_training = rng.normal(0, OF_TRAINING, (images, len(truth), runs))
    of_seed = rng.normal(0, OF_SEED if runs > 1 else 0.0, (len(truth), runs))
    return 0.4 + truth[:, None] + of_seed + shared + of_cell + of_training


def replicated(values: np.ndarray, weights: np.ndarray) -> dict[str, list[Replicates]]:
    """As stages.verdict.measured makes them. values: of `scores`; weights (R, images)."""
    images, cells, runs = values.shape
    means = np.vstack((np.ones((1, images)), weights)) @ values.reshape(images, -1) / images
    means = means.reshape(-1, cells, runs)
    boxes = np.full((1, 4), 1000)
    result = {}
    for cell in range(cells):
        members = []
        for run in range(runs):
            column = means[:, cell, run][:, None, None, None]
            ap = np.broadcast_to(column, (len(column), 1, 4, 3))
            members.append(Replicates(ap, boxes, images, split=1))
        result[str(cell)] = members
    return result


@dataclass(frozen=True)
class Judged:
    """A study as stages.verdict sees it. candidates: the cheapest first."""

    candidates: list[Candidate]
    pairs: tuple[Pair, ...]
    standings: dict[str, Standing]
    top: str


def judged(values: np.ndarray, weights: np.ndarray) -> Judged:
    runs = replicated(values, weights)
    pairs = compare_cells(runs, Statistic())
    candidates = []
    for place, score in enumerate(values.mean(axis=(0, 2))):
        candidates.append(Candidate(str(place), float(score), {COST: place + 1.0}))
    top = highest_cell(candidates, COST)
    found = standings(joint_differences(runs, pairs, Statistic()), top, MARGIN)
    return Judged(candidates, pairs, found, top)


def shipped(study: Judged) -> tuple[bool, dict[str, int]]:
    """Whether a cell is shown to be within the margin, and the cell that each rule ships."""
    choice = choose_cell(study.candidates, METRIC, study.standings, MARGIN, COST)
    cheapest_expected = next(
        candidate.name
        for candidate in study.candidates
        if study.standings[candidate.name].expected_loss < MARGIN or candidate.name == study.top
    )
    worse = set()
    for pair in study.pairs:
        for turned in (pair, pair.swapped()):
            if turned.second == study.top and turned.difference.high < 0:
                worse.add(turned.first)
    not_worse = next(one.name for one in study.candidates if one.name not in worse)
    return choice.shown, {
        "highest": int(choice.chosen if choice.shown else study.top),
        "expected": int(choice.chosen if choice.shown else cheapest_expected),
        "not worse": int(not_worse),
    }


def count(tally: Tally, study: Judged, truth: np.ndarray) -> None:
    losses = truth.max() - truth
    shown, chosen = shipped(study)
    tally.studies += 1
    tally.shown += shown
    tally.wrongly_shown += shown and bool(losses[chosen["highest"]] > MARGIN)
    for rule, cell in chosen.items():
        tally.wrong[rule] += bool(losses[cell] > MARGIN)
        tally.price[rule] += cell / (len(truth) - 1)
        tally.loss[rule] += float(losses[cell])
    below_top = truth - truth[int(study.top)]
    exceeded = worse = as_good = uncovered = False
    for name, standing in study.standings.items():
        cell = int(name)
        # The loss against the best of the others; of the best itself it is below 0.
        exceeded |= bool(losses[cell] > standing.loss_high + 1e-12)
        worse |= standing.word == "worse" and bool(below_top[cell] >= 0)
        as_good |= standing.word == "as good" and bool(below_top[cell] < -MARGIN)
        uncovered |= not standing.interval[0] <= below_top[cell] <= standing.interval[1]
        tally.certain.append((standing.p_best, float(losses[cell] == 0) / (losses == 0).sum()))
    tally.exceeded += exceeded
    tally.wrongly_worse += worse
    tally.wrongly_as_good += as_good
    tally.uncovered += uncovered
    possible = [study.standings[str(cell)].possible_best for cell in np.flatnonzero(losses == 0)]
    tally.best_missed += not any(possible)


def simulate(
    family: str, cells: int, images: int, runs: int, studies: int, replicates: int, seed: int
) -> Tally:
    rng = np.random.default_rng([seed, cells, images, runs, list(FAMILIES).index(family)])
    weights = draw_weights(images, replicates, seed)
    tally = Tally()
    for _ in range(studies):
        truth = FAMILIES[family](cells, rng)
        count(tally, judged(scores(truth, images, runs, rng), weights), truth)
    return tally


def kinds() -> Iterator[tuple[str, int, int, int]]:
    for cells in CELLS:
        for runs in (1, RUNS):
            for family in FAMILIES:
                for images in IMAGES:
                    yield family, cells, images, runs


def reliability(certain: list[tuple[float, float]]) -> list[tuple[float, float, int]]:
    """Mean probability, share that is the best, and number, in bins of the probability."""
    pairs = np.array(certain)
    edges = np.array([0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0])
    place = np.clip(np.searchsorted(edges, pairs[:, 0], side="right") - 1, 0, len(edges) - 2)
    rows = []
    for index in range(len(edges) - 1):
        members = pairs[place == index]
        if len(members):
            rows.append((members[:, 0].mean(), members[:, 1].mean(), len(members)))
    return rows


def main(studies: str = "400", replicates: str = "400", seed: str = "0") -> None:
    by_spread: dict[str, list[tuple[float, float]]] = {}
    print(f"margin {MARGIN}, {studies} studies of each kind, {replicates} replicates")
    print(
        "cells runs images | shown, wrong | loss over the margin: highest expected not worse | "
        "price: highest expected not worse | mean loss: same | any bound exceeded, best missed, false worse, "
        "false as good, intervals uncovered | truth"
    )
    for family, cells, images, runs in kinds():
        tally = simulate(family, cells, images, runs, int(studies), int(replicates), int(seed))

        def share(number: float, total: int = tally.studies) -> str:
            return f"{100 * number / total:5.1f}"

        print(
            f"{cells:5d} {runs:4d} {images:6d} | {share(tally.shown)} {share(tally.wrongly_shown)} | "
            + " ".join(share(tally.wrong[rule]) for rule in RULES)
            + " | "
            + " ".join(f"{tally.price[rule] / tally.studies:4.2f}" for rule in RULES)
            + " | "
            + " ".join(f"{tally.loss[rule] / tally.studies:.4f}" for rule in RULES)
            + f" | {share(tally.exceeded)} {share(tally.best_missed)} {share(tally.wrongly_worse)} "
            f"{share(tally.wrongly_as_good)} {share(tally.uncovered)} | {family}",
            flush=True,
        )
        if family.startswith("spread"):
            by_spread.setdefault(f"{family}, runs {runs}", []).extend(tally.certain)
    for name, certain in by_spread.items():
        print(f"\n{name}: said, is, cells")
        for said, is_best, number in reliability(certain):
            print(f"{said:.3f} {is_best:.3f} {number}")


if __name__ == "__main__":
    main(*sys.argv[1:])
