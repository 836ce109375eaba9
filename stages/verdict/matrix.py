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
from stages.verdict import best, choice, comparability, costs, holding, learning_curve
from stages.verdict.best import Standing
from stages.verdict.costs import Candidate, front
from stages.verdict.differences import differences
from stages.verdict.estimates import Estimate
from stages.verdict.fairness import Fairness
from stages.verdict.hypotheses import Finding, judge
from stages.verdict.judgement import Judgement, good_cells
from stages.verdict.measured import Measured, measure
from stages.verdict.pairs import Pair
from stages.verdict.selected_rows import groups
from stages.verdict.statements import TRAIN_LOSS
from stages.verdict.trained import Trained, levels_of_cell

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
    rows = groups(study, results)
    metric, margin, cost = study.verdicts.metric, study.verdicts.margin, study.verdicts.cost
    measured = measure(study, results, rows, root)
    estimates = {name: measured.estimates(name) for name in rows}
    verdicts = measured.verdicts()
    settings = comparability.settings_of(results, root)
    fair = comparability.fair_pairs(study, results, rows, settings)
    candidates = []
    for name, names in rows.items():
        repeats = [results[row] for row in names]
        score, run_id = _value(estimates[name][metric]), results[name].run_id
        own_costs, spread = costs.costs_of(repeats), costs.spreads_of(repeats)
        candidates.append(Candidate(name, score, own_costs, run_id, spread))
    highest = choice.highest(candidates, cost)
    standings = _standings(study, measured, estimates, verdicts[metric], highest)
    details = {name: cell.files.details for name, cell in results.items()}
    good = {name: details[name] for name in good_cells(standings)}
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
        choice=choice.choose(candidates, metric, standings, margin, cost),
        suspects=_of_good(measured, good, "suspects", suspects.combine),
        unlabelled=_of_good(measured, good, "unlabelled", suspects.unlabelled_by_all),
        names=short_names(study),
        holds=False,
        why="",
        costs={candidate.name: candidate.costs for candidate in candidates},
        cost_spread={candidate.name: candidate.spread for candidate in candidates},
        margin=margin,
        standings=standings,
        shares=learning_curve.curves(
            study, images, measured.runs(metric), measured.judged[metric][1], verdicts[metric]
        ),
    )
    elsewhere = {split.name: split.elsewhere for split in measured.splits}
    busy = costs.busy(cells)
    against = holding.obstacles(judgement, elsewhere, busy)
    uneven = comparability.uneven_repeats(study, rows, settings)
    judgement = replace(judgement, obstructed=bool(against))
    holds, why = holding.holds(judgement, elsewhere, costs.machines(cells), busy, uneven)
    return replace(judgement, holds=holds, why=why)


def _standings(
    study: Study,
    measured: Measured,
    estimates: Estimates,
    verdicts: Sequence[Pair],
    highest: str | None,
) -> dict[str, Standing]:
    """Of the metric that decides; `verdicts`: the pairs of it."""
    metric = study.verdicts.metric
    runs = {}
    for name, members in measured.runs(metric).items():
        if estimates[name][metric] is not None:
            runs[name] = members
    if highest is None or highest not in runs:
        return {}
    joint = differences(runs, verdicts, measured.judged[metric][1])
    return best.standings(joint, highest, study.verdicts.margin, metric in measured.thin())


def _findings(
    study: Study,
    measured: Measured,
    estimates: Estimates,
    verdicts: Mapping[str, Sequence[Pair]],
    fair: Mapping[tuple[str, str], Fairness],
) -> tuple[Finding, ...]:
    trained = []
    for name, names in measured.rows.items():
        values = {metric: _value(estimate) for metric, estimate in estimates[name].items()}
        losses = measured.losses(name)
        values[TRAIN_LOSS] = statistics.fmean(losses) if losses else None
        cell = measured.results[name]
        row = levels_of_cell(cell)
        trained.append(Trained(name, row, values, cell.run_id, len(names), cell.parameters))
    table = {}
    for metric, members in verdicts.items():
        for pair in members:
            table[metric, pair.first, pair.second] = pair.difference
            table[metric, pair.second, pair.first] = pair.difference.swapped()

    def estimate_of(first: str, second: str, metric: str) -> Estimate | None:
        return table.get((metric, first, second))

    def fairness_of(first: str, second: str, _: str) -> Fairness | None:
        return fair.get((first, second))

    levels = params.levels(study)
    thin = measured.thin()
    return tuple(judge(study.hypotheses, trained, levels, estimate_of, fairness_of, thin))


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
