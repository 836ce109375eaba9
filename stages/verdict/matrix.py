"""What compare concludes of the trained cells: everything in this package, put to the files that
the stages left."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stages.analysis import suspects
from stages.results.cell import CellResult
from stages.study import params
from stages.study.params import ROOT, Study
from stages.study.paths import EVALUATED
from stages.study.short_names import short_names
from stages.verdict import best, choice, comparability, costs, holding, learning_curve
from stages.verdict.best import Standing
from stages.verdict.costs import Candidate, front
from stages.verdict.differences import differences
from stages.verdict.estimates import Estimate, estimate
from stages.verdict.fairness import Fairness
from stages.verdict.hypotheses import EstimateOf, Finding, judge
from stages.verdict.judgement import Judgement, good_cells
from stages.verdict.learning_curve import ShareCurve
from stages.verdict.measured import (
    Judged,
    Results,
    Rows,
    Split,
    cells_of,
    estimates_of,
    groups_of,
    judged_metrics,
    losses_of,
    read_split,
    thin_metrics,
    verdicts_of,
)
from stages.verdict.pairs import Pair
from stages.verdict.selected_rows import groups
from stages.verdict.statements import TRAIN_LOSS
from stages.verdict.trained import Trained, levels_of_cell


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
    metric = study.verdicts.metric
    splits = _splits(study, results, root)
    judged = judged_metrics(study, splits)
    estimates = {name: estimates_of(judged, names) for name, names in rows.items()}
    verdicts = verdicts_of(judged, results, rows)
    thin = thin_metrics(judged)
    settings = comparability.settings_of(results, root)
    fair = comparability.fair_pairs(study, results, rows, settings)
    candidates = []
    spreads = {}
    for name, names in rows.items():
        repeats = [results[row] for row in names]
        own_costs = costs.costs_of(repeats)
        spreads[name] = costs.spreads_of(repeats)
        score = _value(estimates[name][metric])
        candidates.append(Candidate(name, score, own_costs, results[name].run_id, spreads[name]))
    highest = choice.highest(candidates, study.verdicts.cost)
    standings = _standings(study, judged, rows, verdicts[metric], highest)
    margin = study.verdicts.margin
    details = {name: cell.files.details for name, cell in results.items()}
    good = {name: details[name] for name in good_cells(standings)}
    judgement = Judgement(
        metric=metric,
        repeats=rows,
        holes=dict(holes or {}),
        estimates=estimates,
        groups={name: groups_of(splits, names) for name, names in rows.items()},
        pairs=verdicts,
        fairness=fair,
        findings=_findings(study, results, rows, estimates, verdicts, fair, thin),
        front=front(candidates, metric),
        choice=choice.choose(candidates, metric, standings, margin, study.verdicts.cost),
        suspects={
            split.name: suspects.combine(_of_good(split, good, "suspects")) for split in splits
        },
        unlabelled={
            split.name: suspects.unlabelled_by_all(_of_good(split, good, "unlabelled"))
            for split in splits
        },
        names=short_names(study),
        holds=False,
        why="",
        costs={candidate.name: candidate.costs for candidate in candidates},
        cost_spread=spreads,
        margin=margin,
        standings=standings,
        shares=_shares(study, judged, results, rows, verdicts[metric]),
    )
    elsewhere = {split.name: split.elsewhere for split in splits}
    busy = costs.busy(cells)
    against = holding.obstacles(judgement, elsewhere, busy)
    judgement = replace(judgement, obstructed=bool(against))
    holds, why = holding.holds(
        judgement,
        elsewhere,
        costs.machines(cells),
        busy,
        comparability.uneven_repeats(study, rows, settings),
    )
    return replace(judgement, holds=holds, why=why)


def _splits(study: Study, results: Results, root: Path) -> list[Split]:
    digests, folds = {}, {}
    for name, cell in results.items():
        digests[name] = cell.files.per_class.get("annotations", {})
        folds[name] = study.fold_of(study.cell(name))
    number = study.verdicts.replicates
    total = len(EVALUATED) * len(results)
    splits = []
    with tqdm(
        total=total, desc="resampling", unit="evaluation", disable=None, leave=False
    ) as progress:
        for name in EVALUATED:
            cells = list(results.values())
            split = read_split(name, cells, folds, digests, number, study.seed, root, progress)
            splits.append(split)
    return splits


def _standings(
    study: Study,
    judged: Judged,
    rows: Rows,
    verdicts: Sequence[Pair],
    highest: str | None,
) -> dict[str, Standing]:
    """Of the metric that decides; `verdicts`: the pairs of it."""
    metric = study.verdicts.metric
    split, statistic = judged[metric]
    measured = {}
    for name, runs in cells_of(split, rows).items():
        if estimate(runs, statistic) is not None:
            measured[name] = runs
    if highest is None or highest not in measured:
        return {}
    joint = differences(measured, verdicts, statistic)
    return best.standings(joint, highest, study.verdicts.margin, metric in thin_metrics(judged))


def _shares(
    study: Study, judged: Judged, results: Results, rows: Rows, verdicts: Sequence[Pair]
) -> tuple[ShareCurve, ...]:
    """Of the metric that decides; `verdicts`: the pairs of it."""
    split, statistic = judged[study.verdicts.metric]
    images = {name: results[name].run.get("train_images") for name in rows}
    return learning_curve.curves(study, images, cells_of(split, rows), statistic, verdicts)


def _findings(
    study: Study,
    results: Results,
    rows: Rows,
    estimates: Mapping[str, Mapping[str, Estimate | None]],
    verdicts: Mapping[str, Sequence[Pair]],
    fair: Mapping[tuple[str, str], Fairness],
    thin: Mapping[str, int],
) -> tuple[Finding, ...]:
    trained = []
    for name, names in rows.items():
        values = {metric: _value(value) for metric, value in estimates[name].items()}
        values[TRAIN_LOSS] = _mean(losses_of(results, names))
        cell = results[name]
        row = levels_of_cell(cell)
        trained.append(Trained(name, row, values, cell.run_id, len(names), cell.parameters))

    def fairness_of(first: str, second: str, _: str) -> Fairness | None:
        return fair.get((first, second))

    levels = params.levels(study)
    findings = judge(study.hypotheses, trained, levels, _estimates_of(verdicts), fairness_of, thin)
    return tuple(findings)


def _estimates_of(verdicts: Mapping[str, Sequence[Pair]]) -> EstimateOf:
    table = {}
    for metric, members in verdicts.items():
        for pair in members:
            table[metric, pair.first, pair.second] = pair.difference
            table[metric, pair.second, pair.first] = pair.difference.swapped()

    def estimate_of(first: str, second: str, metric: str) -> Estimate | None:
        return table.get((metric, first, second))

    return estimate_of


def _of_good(
    split: Split, details: Mapping[str, Mapping[str, Any]], key: str
) -> dict[str, list[dict[str, Any]]]:
    """Good cell -> what its details.json holds under a key for the split."""
    by_cell = {}
    for name, content in details.items():
        if name in split.runs:
            by_cell[name] = content[split.name].get(key, [])
    return by_cell


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _value(estimated: Estimate | None) -> float | None:
    return None if estimated is None else estimated.value
