"""How fast a matrix of cells is resampled and compared, against pycocotools and hotcoco.

Run: python -m benchmarks.verdicts [FOLD=../shared/data/recycling_annotations/val_3.json] [ROUNDS=3] [CELLS=12]
     [REPLICATES=1000]

On fold 3 of the study (981 images, 4,690 boxes) with 98,100 generated detections a cell, 100 an image. The unit is one
evaluation by pycocotools (evaluate, accumulate, summarize), all read in. Ours: matching, REPLICATES replicates of every
cell, in all sizes and classes, and the verdicts over all pairs of cells in all of these statistics, also with all read
in. hotcoco.compare does one pair with as many replicates, in its twelve statistics and no verdict. A round times every
contestant once, so that a drift of the machine hits all. Asked for: all pairs of 12 cells in 12 of the units.

The simultaneous bounds of stages/verdict/best.py, which one metric has, are timed apart, in milliseconds and therefore
in many turns: the pairs of one cell more in one metric, with the bounds and without. Asked for: with them and the
replicates no more than 1.3 of the time without.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from math import comb
from pathlib import Path

import hotcoco
import numpy as np

from benchmarks.evaluation import DETECTIONS, FOLD, generated, prepared, renumbered
from stages.scoring.engine import AREAS
from stages.scoring.tables import Detections, Truth, read_detections, read_truth
from stages.verdict.best import standings
from stages.verdict.differences import joint_differences
from stages.verdict.matches import match_detections
from stages.verdict.pairs import Pair, compare_cells
from stages.verdict.replicates import (
    STUDY_STATISTICS,
    Replicates,
    Statistic,
    draw_weights,
    evaluate_replicates,
)

# Of one pycocotools evaluation, for all pairs of 12 cells.
LIMIT = 12
# With the simultaneous bounds, of the time without them.
BOUNDS_LIMIT = 1.3
# How often the pairs of one metric are judged with the bounds and without.
TURNS = 25


def main(
    fold: str = str(FOLD), rounds: str = "3", cells: str = "12", replicates: str = "1000"
) -> None:
    coco = renumbered(Path(fold))
    results = generated(coco, DETECTIONS, seed=0)
    number, draws = int(cells), int(replicates)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "truth.json"
        path.write_text(json.dumps(coco), encoding="utf-8")
        truth = read_truth(path)
        matrix = {
            f"cell {index}": shaken(read_detections(results, truth), index)
            for index in range(number)
        }
        contestants: dict[str, Callable[[], Callable[[], object]]] = {
            "pycocotools, one evaluation": lambda: prepared(path, results),
            "one cell, matched": lambda: lambda: match_detections(truth, matrix["cell 0"]),
            f"one cell, {draws} replicates": lambda: one_cell(truth, matrix["cell 0"], draws),
            f"all {number} cells and {comb(number, 2)} pairs": lambda: (
                lambda: verdicts(truth, matrix, draws)
            ),
            "hotcoco.compare, one pair": lambda: one_pair(path, matrix, draws),
        }
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        peak = 0
        for _ in range(int(rounds)):
            for name, contestant in contestants.items():
                work = contestant()
                start = time.perf_counter()
                work()
                seconds[name].append(time.perf_counter() - start)
                if name.startswith("all"):
                    peak = peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        matrix[f"cell {number}"] = shaken(read_detections(results, truth), number)
        replicates_s, plain_s, bounded_s = bounds(truth, matrix, draws)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    unit, whole, theirs = (
        median[name] for name in (next(iter(median)), list(median)[3], list(median)[4])
    )
    print(
        f"{len(coco['images'])} images, {len(coco['annotations'])} boxes, {len(results)} detections a cell, "
        f"{len(os.sched_getaffinity(0))} cores, median of {rounds} rounds"
    )
    for name, value in median.items():
        print(
            f"{name:28s} {value:8.3f} s {value / unit:8.3f} x pycocotools "
            f"(rounds: {', '.join(f'{each:.3f}' for each in seconds[name])})"
        )
    print(
        f"all pairs: {whole / unit:.2f} x pycocotools, asked for at most {LIMIT}: "
        f"{'yes' if whole / unit <= LIMIT else 'NO'}; pair by pair with hotcoco.compare: "
        f"{theirs * comb(number, 2) / unit:.0f} x"
    )
    ratio = (replicates_s + bounded_s) / (replicates_s + plain_s)
    print(
        f"{comb(number + 1, 2)} pairs in one metric: {1000 * plain_s:.1f} ms, with the simultaneous bounds "
        f"{1000 * bounded_s:.1f} ms, {bounded_s / plain_s:.2f} x (medians of {TURNS} turns)"
    )
    print(
        f"with the {draws} replicates of {number + 1} cells, {replicates_s:.1f} s: {ratio:.3f} x, asked for at "
        f"most {BOUNDS_LIMIT}: {'yes' if ratio <= BOUNDS_LIMIT else 'NO'}"
    )
    print(f"peak memory of the process until all pairs were done once: {peak / 1024:.0f} MiB")


def shaken(found: Detections, index: int) -> Detections:
    """Another detector: boxes moved by `index` hundredths of their size, and other scores."""
    rng = np.random.default_rng(index)
    boxes = found.boxes.copy()
    boxes[:, :2] += rng.normal(0, 0.01 * index, (len(boxes), 2)) * boxes[:, 2:]
    score = np.round(np.clip(found.score + rng.normal(0, 0.02, len(boxes)), 0, 1), 4)
    return replace(found, boxes=boxes, score=score)


def one_cell(truth: Truth, found: Detections, draws: int) -> Callable[[], Replicates]:
    matches, weights = (
        match_detections(truth, found),
        draw_weights(len(truth.image_ids), draws, seed=0),
    )
    return lambda: evaluate_replicates(matches, weights)


def verdicts(truth: Truth, matrix: dict[str, Detections], draws: int) -> list[tuple[Pair, ...]]:
    """The study's six metrics, and AP and AP50 of every class in every size."""
    weights = draw_weights(len(truth.image_ids), draws, seed=0)
    runs = {
        name: [evaluate_replicates(match_detections(truth, found), weights)]
        for name, found in matrix.items()
    }
    every = [
        *STUDY_STATISTICS.values(),
        *(
            Statistic(level, size, category)
            for level in ("AP", "AP50")
            for size in AREAS
            for category in range(len(truth.classes))
        ),
    ]
    return [compare_cells(runs, statistic) for statistic in every]


def bounds(truth: Truth, matrix: dict[str, Detections], draws: int) -> tuple[float, float, float]:
    """Seconds for the replicates of all cells, and of all pairs in one metric without and with the bounds (medians)."""
    statistic = STUDY_STATISTICS["bbox_mAP_50"]
    start = time.perf_counter()
    weights = draw_weights(len(truth.image_ids), draws, seed=0)
    runs = {
        name: [evaluate_replicates(match_detections(truth, found), weights)]
        for name, found in matrix.items()
    }
    replicates_s = time.perf_counter() - start
    plain, bounded = [], []
    for _ in range(TURNS):
        unread = copies(runs)
        start = time.perf_counter()
        compare_cells(unread, statistic)
        plain.append(time.perf_counter() - start)
        unread = copies(runs)
        start = time.perf_counter()
        pairs = compare_cells(unread, statistic)
        standings(joint_differences(unread, pairs, statistic), next(iter(runs)), 0.01)
        bounded.append(time.perf_counter() - start)
    return replicates_s, statistics.median(plain), statistics.median(bounded)


def copies(runs: dict[str, list[Replicates]]) -> dict[str, list[Replicates]]:
    """Replicates keep the means over classes that they were asked for; copies have kept none."""
    return {name: [replace(run) for run in members] for name, members in runs.items()}


def one_pair(path: Path, matrix: dict[str, Detections], draws: int) -> Callable[[], object]:
    truth = hotcoco.COCO(str(path))
    evaluated = []
    for found in list(matrix.values())[:2]:
        # Numbered as the file is: positions from 0, ids from 1.
        table = np.column_stack(
            (found.image + 1, found.boxes, found.score, found.category + 1)
        ).astype(float)
        evaluated.append(hotcoco.COCOeval(truth, truth.load_res(table), "bbox"))
        evaluated[-1].evaluate()
    return lambda: hotcoco.compare(*evaluated, n_bootstrap=draws, seed=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
