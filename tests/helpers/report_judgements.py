"""What compare would conclude of the cells of report_cells: real verdict functions over estimates made by hand."""

from __future__ import annotations

import dataclasses
from itertools import combinations

import numpy as np
from scipy.special import ndtr, ndtri

from stages.results.cell import CellResult
from stages.study.params import ROOT, Hypothesis, known
from stages.study.schema import FACTORS
from stages.verdict import best, choice, fairness, hypotheses
from stages.verdict.costs import Candidate, front
from stages.verdict.design import TRAIN_LOSS, Trained
from stages.verdict.differences import Differences
from stages.verdict.estimates import ALPHA, Estimate
from stages.verdict.judgement import Group, Judgement
from stages.verdict.pairs import Pair, holm_levels
from stages.verdict.settings import Settings

METRIC = "val/bbox_mAP_50"
LEVELS = {factor: known(factor + "s", ROOT) for factor in FACTORS if factor != "image_size"}
STATED = (
    Hypothesis("A larger backbone raises mAP", "r50 < swin_l", {"detector": "faster_rcnn"}),
    Hypothesis(
        "More parameters raise mAP of Cascade R-CNN too", "r50 < r101", {"detector": "cascade_rcnn"}
    ),
)
IMAGES, BOXES = 48, 240
MARGIN = 0.01


def estimate(
    value: float,
    error: float,
    lowest: float = 0.0,
    boxes: int = BOXES,
    runs: tuple[int, ...] = (1,),
):
    """A symmetric 95 % interval of 1.96 x error."""
    low, high = max(lowest, value - 1.96 * error), min(1.0, value + 1.96 * error)
    return Estimate(
        value, low, high, error, 0.0, error**2, 0.0, IMAGES - 1, boxes, IMAGES, 1, runs, boxes < 100
    )


def pairs_of(values: dict[str, float | None], error: float) -> tuple[Pair, ...]:
    """Every two cells that have a value, as if the standard error of each difference were `error`."""
    found = [
        (a, b, values[a] - values[b])
        for a, b in combinations([name for name, value in values.items() if value is not None], 2)
    ]
    p = [2 * float(ndtr(-abs(difference) / error)) for *_, difference in found]
    corrected_p, levels_ = holm_levels(p)
    return tuple(
        Pair(
            a,
            b,
            "not distinguishable"
            if corrected >= ALPHA
            else "better"
            if difference > 0
            else "worse",
            estimate(difference, error, -1.0, runs=(1, 1)),
            float(ndtr(difference / error)),
            one,
            corrected,
            400 if corrected >= ALPHA and difference else None,
            None,
            (difference + ndtri(level / 2) * error, difference - ndtri(level / 2) * error),
        )
        for (a, b, difference), one, corrected, level in zip(
            found, p, corrected_p, levels_, strict=True
        )
    )


def standings_of(
    values: dict[str, float | None], error: float, margin: float, highest: str | None
) -> dict[str, best.Standing]:
    """Where cells with these scores stand against `highest`, if the standard error of each difference is `error`."""
    known_ = {name: value for name, value in values.items() if value is not None}
    number = len(known_)
    score = np.array(list(known_.values()))
    draws = np.random.default_rng(0).normal(size=(number, 4000)) / np.sqrt(2)
    pairs = {
        (pair.first, pair.second): pair.difference
        for one in pairs_of(known_, error)
        for pair in (one, one.swapped())
    }
    found = Differences(
        tuple(known_),
        score[:, None] - score,
        np.full((number, number), error),
        np.full((number, number), float(IMAGES - 1)),
        draws[:, None] - draws[None],
        pairs,
    )
    return best.standings(found, highest, margin) if highest else {}


def judged(
    cells: list[CellResult], error: float = 0.02, stated=STATED, margin: float = MARGIN, **changes
) -> Judgement:
    """The judgement of `cells`, where `error` is the standard error of every difference; `changes` replace fields."""
    scores = {
        cell.name: {
            f"{split}/{key}": value
            for split, known_ in cell.scores.items()
            for key, value in known_.items()
        }
        for cell in cells
    }
    metrics = list(dict.fromkeys(metric for values in scores.values() for metric in values))
    pairs = {
        metric: pairs_of({name: values[metric] for name, values in scores.items()}, error)
        for metric in metrics
    }
    settings = {cell.name: Settings(cell.name, {**cell.run, **cell.row}) for cell in cells}
    rows = {cell.name: cell.row for cell in cells}
    fair = {
        (a, b): fairness.compare_settings(
            settings[a], settings[b], [key for key in FACTORS if rows[a][key] != rows[b][key]]
        )
        for a in rows
        for b in rows
        if a != b
    }
    whole = Judgement(
        metric=METRIC,
        repeats={name: (name,) for name in scores},
        holes={},
        estimates={
            name: {
                metric: None if value is None else estimate(value, error)
                for metric, value in values.items()
            }
            for name, values in scores.items()
        },
        groups={cell.name: groups_of(cell, error) for cell in cells},
        pairs=pairs,
        fairness=fair,
        findings=(),
        front=None,
        choice=None,
        suspects={"val": [], "test": []},
        holds=True,
        why="Nothing speaks against it.",
    )

    def estimate_of(a: str, b: str, metric: str) -> Estimate | None:
        one = whole.pair(a, b, metric)
        return one and one.difference

    candidates = [Candidate(cell.name, scores[cell.name][METRIC], costs_of(cell)) for cell in cells]
    measured = any(candidate.cost("latency_ms") is not None for candidate in candidates)
    cost = "latency_ms" if measured else "parameters"
    standings = standings_of(
        {name: values[METRIC] for name, values in scores.items()},
        error,
        margin,
        choice.highest_cell(candidates, cost),
    )
    findings = hypotheses.judge(
        stated,
        map(trained_of, cells),
        LEVELS,
        estimate_of,
        fair,
    )
    return dataclasses.replace(
        whole,
        **{
            "front": front(candidates, METRIC),
            "findings": tuple(findings),
            "choice": choice.choose_cell(candidates, METRIC, standings, margin, cost),
            "candidates": {candidate.name: candidate for candidate in candidates},
            "margin": margin,
            "standings": standings,
            **changes,
        },
    )


def trained_of(cell: CellResult) -> Trained:
    values = {TRAIN_LOSS: cell.train_loss}
    for split, scores in cell.scores.items():
        for metric, score in scores.items():
            values[f"{split}/{metric}"] = score
    row = {**cell.row, "train_share": cell.run.get("train_share") or 1.0}
    return Trained(cell.name, row, values, cell.run_id, parameters=cell.parameters)


def costs_of(cell: CellResult) -> dict[str, float | None]:
    return {
        "train_minutes": cell.train_minutes,
        "parameters": cell.parameters,
        **{
            key: cell.measured.costs.get(key)
            for key in ("latency_ms", "peak_memory_mib", "size_mib")
        },
    }


def groups_of(cell: CellResult, error: float) -> dict[str, tuple[Group, ...]]:
    return {
        split: tuple(
            Group(
                "class",
                score.name,
                score.boxes,
                *(
                    None if value is None else estimate(value, error, boxes=score.boxes)
                    for value in (score.AP, score.AP50)
                ),
            )
            for score in scores
        )
        for split, scores in cell.per_class.items()
    }
