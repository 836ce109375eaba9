"""What compare concludes of the trained cells, from the files that the stages left."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stages.analysis import suspects
from stages.results.cell import CellResult
from stages.study import params
from stages.study.names import short_names
from stages.study.params import ROOT, Study
from stages.verdict import best, holding, learning_curve
from stages.verdict.best import Standing
from stages.verdict.choice import choose_cell, highest_cell
from stages.verdict.costs import candidate_of, front
from stages.verdict.design import TRAIN_LOSS, Trained, group_repeats
from stages.verdict.differences import joint_differences
from stages.verdict.estimates import Estimate
from stages.verdict.expressions import TRAIN_SHARE
from stages.verdict.fairness import Fairness, fair_pairs, uneven_repeats
from stages.verdict.hypotheses import Finding, judge
from stages.verdict.judgement import Judgement, good_cells
from stages.verdict.measured import Measured, measure_splits
from stages.verdict.pairs import Pair
from stages.verdict.settings import settings_of

Estimates = Mapping[str, Mapping[str, Estimate | None]]


def conclude(
    study: Study,
    cells: Sequence[CellResult],
    holes: Mapping[str, str] | None = None,
    root: Path = ROOT,
) -> Judgement:
    """The verdicts over `cells`, which are rows of the study with results, in the order of
    params.yaml.

    holes: rows without results -> why. Reads data/prepared/, predictions/, details.json and
    models/<cell>/config.py under `root`. Raises InputError, one line, where one of those cannot be
    read.
    """
    results = {cell.name: cell for cell in cells}
    rows = group_repeats(study, results)
    metric, margin, cost = study.verdicts.metric, study.verdicts.margin, study.verdicts.cost
    measured = measure_splits(study, results, rows, root)
    estimates = {name: measured.estimates(name) for name in rows}
    verdicts = measured.verdicts()
    settings = settings_of(results, root)
    fair = fair_pairs(study, results, rows, settings)
    candidates = []
    for name, names in rows.items():
        score = _value(estimates[name][metric])
        candidates.append(candidate_of(name, score, [results[row] for row in names]))
    highest = highest_cell(candidates, cost)
    runs, statistic = measured.runs(metric), measured.judged[metric][1]
    scored = {name: runs[name] for name in runs if estimates[name][metric] is not None}
    standings: dict[str, Standing] = {}
    if highest is not None:
        joint = joint_differences(scored, verdicts[metric], statistic)
        standings = best.standings(joint, highest, margin, metric in measured.thin())
    good = {name: results[name].files.details for name in good_cells(standings)}
    images = {name: results[name].run.get("train_images") for name in rows}
    judgement = Judgement(
        metric=metric,
        repeats=rows,
        holes=dict(holes or {}),
        estimates=estimates,
        groups={name: measured.groups(name) for name in rows},
        pairs=verdicts,
        fairness=fair,
        findings=_findings(study, measured, estimates, verdicts, fair),
        front=front(candidates, metric),
        choice=choose_cell(candidates, metric, standings, margin, cost),
        suspects=_of_good(measured, good, "suspects", suspects.combine),
        unlabelled=_of_good(measured, good, "unlabelled", suspects.unlabelled_by_all),
        names=short_names(study),
        holds=False,
        why="",
        candidates={candidate.name: candidate for candidate in candidates},
        margin=margin,
        standings=standings,
        shares=learning_curve.share_curves(study, images, runs, statistic, verdicts[metric]),
    )
    elsewhere = {split.name: split.elsewhere for split in measured.splits}
    machines = {cell.measured.place for cell in cells if cell.measured.place}
    # What other processes used of the machine while the latency was measured.
    busy = {}
    for cell in cells:
        if cell.measured.others is not None:
            busy[cell.name] = cell.measured.others
    uneven = uneven_repeats(study, rows, settings)
    against = holding.obstacles(judgement, elsewhere, busy)
    holds, reasons = holding.holds(judgement, against, machines, busy, uneven)
    return replace(judgement, obstructed=bool(against), holds=holds, why=reasons)


def _findings(
    study: Study,
    measured: Measured,
    estimates: Estimates,
    verdicts: Mapping[str, Sequence[Pair]],
    fair: Mapping[tuple[str, str], Fairness],
) -> tuple[Finding, ...]:
    trained = []
    for name, names in measured.rows.items():
        cell, losses = measured.results[name], measured.losses(name)
        values = {metric: _value(estimate) for metric, estimate in estimates[name].items()}
        values[TRAIN_LOSS] = statistics.fmean(losses) if losses else None
        row = {**cell.row, TRAIN_SHARE: cell.run.get(TRAIN_SHARE) or 1.0}
        trained.append(Trained(name, row, values, cell.run_id, len(names), cell.parameters))
    table = {}
    for metric, members in verdicts.items():
        for pair in members:
            table[pair.first, pair.second, metric] = pair.difference
            table[pair.second, pair.first, metric] = pair.difference.swapped()
    return tuple(
        judge(
            study.hypotheses,
            trained,
            params.levels(study),
            lambda first, second, metric: table.get((first, second, metric)),
            fair,
            measured.thin(),
        )
    )


def _of_good(
    measured: Measured,
    good: Mapping[str, Mapping[str, Any]],
    key: str,
    combine: Callable[[dict[str, list[dict[str, Any]]]], list[dict[str, Any]]],
) -> dict[str, list[dict[str, Any]]]:
    """Split -> what the good cells' details.json hold under a key, combined."""
    combined = {}
    for split in measured.splits:
        by_cell = {}
        for name, details in good.items():
            if name in split.runs:
                by_cell[name] = details[split.name].get(key, [])
        combined[split.name] = combine(by_cell)
    return combined


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value
