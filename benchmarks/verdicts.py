"""How fast a matrix of cells is resampled and compared, against pycocotools and hotcoco.

Run: python -m benchmarks.verdicts [FOLD=../shared/data/recycling_annotations/val_3.json] [ROUNDS=3] [CELLS=12]
     [REPLICATES=1000]

On fold 3 of the study (981 images, 4,690 boxes) with 98,100 generated detections a cell, 100 an image. The unit is one
evaluation by pycocotools (evaluate, accumulate, summarize), all read in. Ours: matching, REPLICATES replicates of every
cell, in all sizes and classes, and the verdicts over all pairs of cells in all of these statistics, also with all read
in. The bounds of stages/verdict/best.py, which one metric has, are timed apart. hotcoco.compare does one pair with as
many replicates, in its twelve statistics and no verdict. A round times every contestant once, so that a drift of the
machine hits all. Asked for: all pairs of 12 cells in 12 of the units.
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
from stages.evaluation.engine import SIZES
from stages.evaluation.tables import Detections, Truth, read_detections, read_truth
from stages.verdict.best import standings
from stages.verdict.differences import differences
from stages.verdict.matches import match
from stages.verdict.pairs import Pair, compare
from stages.verdict.replicates import STUDY, Replicates, Statistic, draw, evaluate

# Of one pycocotools evaluation, for all pairs of 12 cells.
LIMIT = 12


def main(fold: str = str(FOLD), rounds: str = "3", cells: str = "12", replicates: str = "1000") -> None:
    coco = renumbered(Path(fold))
    results = generated(coco, DETECTIONS, seed=0)
    number, draws = int(cells), int(replicates)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "truth.json"
        path.write_text(json.dumps(coco), encoding="utf-8")
        truth = read_truth(path)
        matrix = {f"cell {index}": shaken(read_detections(results, truth), index) for index in range(number)}
        contestants: dict[str, Callable[[], Callable[[], object]]] = {
            "pycocotools, one evaluation": lambda: prepared(path, results),
            "one cell, matched": lambda: lambda: match(truth, matrix["cell 0"]),
            f"one cell, {draws} replicates": lambda: one_cell(truth, matrix["cell 0"], draws),
            f"all {number} cells and {comb(number, 2)} pairs": lambda: lambda: verdicts(truth, matrix, draws),
            "hotcoco.compare, one pair": lambda: one_pair(path, matrix, draws),
            f"{comb(number, 2)} pairs, one metric": lambda: pairs_of(resampled(truth, matrix, draws)),
            "the same, and what each cell may lose": lambda: bounds_of(resampled(truth, matrix, draws))}
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
    median = {name: statistics.median(values) for name, values in seconds.items()}
    unit, whole, theirs = (median[name] for name in (next(iter(median)), list(median)[3], list(median)[4]))
    print(f"{len(coco['images'])} images, {len(coco['annotations'])} boxes, {len(results)} detections a cell, "
          f"{len(os.sched_getaffinity(0))} cores, median of {rounds} rounds")
    for name, value in median.items():
        print(f"{name:28s} {value:8.3f} s {value / unit:8.3f} x pycocotools "
              f"(rounds: {', '.join(f'{each:.3f}' for each in seconds[name])})")
    print(f"all pairs: {whole / unit:.2f} x pycocotools, asked for at most {LIMIT}: "
          f"{'yes' if whole / unit <= LIMIT else 'NO'}; pair by pair with hotcoco.compare: "
          f"{theirs * comb(number, 2) / unit:.0f} x")
    plain, bounded = (median[name] for name in list(median)[5:])
    print(f"the simultaneous bounds: {bounded / plain:.2f} x the pairs alone, {(bounded - plain) / whole:.4f} of all")
    print(f"peak memory of the process until all pairs were done once: {peak / 1024:.0f} MiB")


def shaken(found: Detections, index: int) -> Detections:
    """Another detector: boxes moved by `index` hundredths of their size, and other scores."""
    rng = np.random.default_rng(index)
    boxes = found.boxes.copy()
    boxes[:, :2] += rng.normal(0, 0.01 * index, (len(boxes), 2)) * boxes[:, 2:]
    score = np.round(np.clip(found.score + rng.normal(0, 0.02, len(boxes)), 0, 1), 4)
    return replace(found, boxes=boxes, score=score)


def one_cell(truth: Truth, found: Detections, draws: int) -> Callable[[], Replicates]:
    matches, weights = match(truth, found), draw(len(truth.image_ids), draws, seed=0)
    return lambda: evaluate(matches, weights)


def verdicts(truth: Truth, matrix: dict[str, Detections], draws: int) -> list[tuple[Pair, ...]]:
    """The study's six metrics, and AP and AP50 of every class in every size."""
    weights = draw(len(truth.image_ids), draws, seed=0)
    runs = {name: [evaluate(match(truth, found), weights)] for name, found in matrix.items()}
    every = [*STUDY.values(), *(Statistic(level, size, category) for level in ("AP", "AP50") for size in SIZES
                                for category in range(len(truth.classes)))]
    return [compare(runs, statistic) for statistic in every]


def resampled(truth: Truth, matrix: dict[str, Detections], draws: int) -> dict[str, list[Replicates]]:
    weights = draw(len(truth.image_ids), draws, seed=0)
    return {name: [evaluate(match(truth, found), weights)] for name, found in matrix.items()}


def pairs_of(runs: dict[str, list[Replicates]]) -> Callable[[], object]:
    return lambda: compare(runs, STUDY["bbox_mAP_50"])


def bounds_of(runs: dict[str, list[Replicates]]) -> Callable[[], object]:
    statistic = STUDY["bbox_mAP_50"]

    def work() -> object:
        pairs = compare(runs, statistic)
        return standings(differences(runs, pairs, statistic), next(iter(runs)), 0.01)

    return work


def one_pair(path: Path, matrix: dict[str, Detections], draws: int) -> Callable[[], object]:
    truth = hotcoco.COCO(str(path))
    evaluated = []
    for found in list(matrix.values())[:2]:
        # Numbered as the file is: positions from 0, ids from 1.
        table = np.column_stack((found.image + 1, found.boxes, found.score, found.category + 1)).astype(float)
        evaluated.append(hotcoco.COCOeval(truth, truth.load_res(table), "bbox"))
        evaluated[-1].evaluate()
    return lambda: hotcoco.compare(*evaluated, n_bootstrap=draws, seed=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
