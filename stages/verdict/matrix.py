"""What compare concludes of the trained cells: everything in this package, put to the files that the stages left."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stages.evaluation import suspects
from stages.evaluation.engine import SIZES
from stages.program import InputError
from stages.report.results import CellResult
from stages.study import params, paths
from stages.study.metrics import MIN_BOXES
from stages.study.params import ROOT, Study
from stages.study.short_names import short_names
from stages.verdict import best, choice, comparability, costs, holding, losses, metrics, pairs, shares
from stages.verdict.best import Standing
from stages.verdict.choice import Candidate
from stages.verdict.differences import differences
from stages.verdict.estimates import Estimate, estimate
from stages.verdict.evaluated import Split, read_split
from stages.verdict.fairness import Fairness
from stages.verdict.hypotheses import EstimateOf, Finding, Trained, judge, levels_of_cell
from stages.verdict.judgement import Group, Judgement
from stages.verdict.pairs import Pair
from stages.verdict.repeats import groups
from stages.verdict.replicates import Replicates, Statistic
from stages.verdict.shares import ShareCurve
from stages.verdict.statements import TRAIN_LOSS

SPLITS = ("val", "test")
Rows = Mapping[str, tuple[str, ...]]
Results = Mapping[str, CellResult]
# Metric -> the split that it is of, and its statistic there.
Judged = Mapping[str, tuple[Split, Statistic]]


def conclude(
    study: Study,
    cells: Sequence[CellResult],
    holes: Mapping[str, str] | None = None,
    root: Path = ROOT,
) -> Judgement:
    """The verdicts over `cells`, which are rows of the study with results, in the order of params.yaml.

    holes: rows without results -> why. Reads data/prepared/, predictions/, details.json and models/<cell>/config.py
    under `root`. Raises InputError, one line, where one of those cannot be read.
    """
    results = {cell.name: cell for cell in cells}
    rows = groups(study, results)
    metric = study.verdicts.metric
    splits = _splits(study, results, root)
    judged = _judged(study, splits)
    estimates = {name: _estimates(judged, names) for name, names in rows.items()}
    verdicts = _verdicts(judged, results, rows)
    thin = _thin(judged)
    fair = comparability.fair_pairs(study, results, rows, root)
    candidates = []
    for name, names in rows.items():
        own_costs = costs.costs_of([results[row] for row in names])
        score = _value(estimates[name][metric])
        candidates.append(Candidate(name, score, own_costs, results[name].run_id))
    highest = choice.highest(candidates, study.verdicts.cost)
    standings = _standings(study, judged, rows, verdicts[metric], highest)
    margin = study.verdicts.margin
    details = {}
    for name in results:
        details[name] = _json(root / paths.details(name, study.cell(name)))
    good = {}
    for name, standing in standings.items():
        if standing.word != "worse":
            good[name] = details[name]
    judgement = Judgement(
        metric=metric,
        repeats=rows,
        holes=dict(holes or {}),
        estimates=estimates,
        groups={name: _groups_of(splits, names) for name, names in rows.items()},
        pairs=verdicts,
        fairness=fair,
        findings=_findings(study, results, rows, estimates, verdicts, fair, thin),
        front=choice.front(candidates, metric),
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
        margin=margin,
        standings=standings,
        shares=_shares(study, judged, results, rows, verdicts[metric]),
    )
    holds, why = holding.holds(
        judgement,
        {split.name: split.elsewhere for split in splits},
        costs.machines(details),
        costs.busy(details),
        comparability.uneven_repeats(study, results, rows, root),
    )
    return replace(judgement, holds=holds, why=why)


def _splits(study: Study, results: Results, root: Path) -> list[Split]:
    digests, folds = {}, {}
    for name in results:
        digests[name] = _json(root / paths.per_class(name, study.cell(name))).get("annotations", {})
        folds[name] = study.fold_of(study.cell(name))
    number = study.verdicts.replicates
    total = len(SPLITS) * len(results)
    splits = []
    with tqdm(
        total=total, desc="resampling", unit="evaluation", disable=None, leave=False
    ) as progress:
        for name in SPLITS:
            cells = list(results.values())
            split = read_split(name, cells, folds, digests, number, study.seed, root, progress)
            splits.append(split)
    return splits


def _runs_of(split: Split, names: Sequence[str]) -> list[Replicates]:
    return [split.runs[name] for name in names if name in split.runs]


def _cells_of(split: Split, rows: Rows) -> dict[str, list[Replicates]]:
    """Cell -> its evaluated runs; cells without one are left out."""
    cells = {}
    for name, names in rows.items():
        runs = _runs_of(split, names)
        if runs:
            cells[name] = runs
    return cells


def _estimate(split: Split, names: Sequence[str], statistic: Statistic) -> Estimate | None:
    runs = _runs_of(split, names)
    return estimate(runs, statistic) if runs else None


def _judged(study: Study, splits: Sequence[Split]) -> Judged:
    """The metrics of the study on all splits, with those of classes and sizes that it names."""
    classes: list[str] = []
    for split in splits:
        if split.truth is not None:
            classes = list(split.truth.classes)
    result = {}
    for split in splits:
        for metric, statistic in metrics.judged(study, split.name, classes).items():
            result[metric] = (split, statistic)
    return result


def _estimates(judged: Judged, names: Sequence[str]) -> dict[str, Estimate | None]:
    """Metric -> a cell's value."""
    result = {}
    for metric, (split, statistic) in judged.items():
        result[metric] = _estimate(split, names, statistic)
    return result


def _verdicts(judged: Judged, results: Results, rows: Rows) -> dict[str, tuple[Pair, ...]]:
    """Metric -> every pair of cells."""
    verdicts = {}
    for metric, (split, statistic) in judged.items():
        verdicts[metric] = pairs.compare(_cells_of(split, rows), statistic)
    loss = {name: _losses(results, names) for name, names in rows.items()}
    detectors = {name: results[name].row["detector"] for name in rows}
    verdicts[TRAIN_LOSS] = losses.compare(loss, detectors)
    return verdicts


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
    for name, runs in _cells_of(split, rows).items():
        if estimate(runs, statistic) is not None:
            measured[name] = runs
    if highest is None or highest not in measured:
        return {}
    joint = differences(measured, verdicts, statistic)
    return best.standings(joint, highest, study.verdicts.margin, metric in _thin(judged))


def _shares(
    study: Study, judged: Judged, results: Results, rows: Rows, verdicts: Sequence[Pair]
) -> tuple[ShareCurve, ...]:
    """Of the metric that decides; `verdicts`: the pairs of it."""
    split, statistic = judged[study.verdicts.metric]
    images = {name: results[name].run.get("train_images") for name in rows}
    return shares.curves(study, images, _cells_of(split, rows), statistic, verdicts)


def _groups_of(splits: Sequence[Split], names: Sequence[str]) -> dict[str, tuple[Group, ...]]:
    return {split.name: _groups(split, names) for split in splits}


def _groups(split: Split, names: Sequence[str]) -> tuple[Group, ...]:
    """Every class, then COCO's three sizes; none where the split has no box or the cell was not evaluated on it."""
    runs = _runs_of(split, names)
    if not runs:
        return ()
    parts: list[tuple[str, str, dict[str, Any]]] = []
    for index, name in enumerate(split.truth.classes):
        parts.append(("class", name, {"category": index}))
    for name in SIZES:
        if name != "all":
            parts.append(("size", name, {"size": name}))
    result = []
    for kind, name, part in parts:
        boxes = runs[0].boxes_of(Statistic(**part))
        levels = [_estimate(split, names, Statistic(level, **part)) for level in ("AP", "AP50")]
        result.append(Group(kind, name, boxes, *levels))
    return tuple(result)


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
        values[TRAIN_LOSS] = _mean(_losses(results, names))
        cell = results[name]
        row = levels_of_cell(cell)
        trained.append(Trained(name, row, values, cell.run_id, len(names)))

    def fairness_of(first: str, second: str, _: str) -> Fairness | None:
        return fair.get((first, second))

    levels = params.levels(study)
    found = judge(study.hypotheses, trained, levels, _estimates_of(verdicts), fairness_of, thin)
    return tuple(found)


def _estimates_of(verdicts: Mapping[str, Sequence[Pair]]) -> EstimateOf:
    table = {}
    for metric, members in verdicts.items():
        for pair in members:
            table[metric, pair.first, pair.second] = pair.difference
            table[metric, pair.second, pair.first] = pair.difference.swapped()

    def estimate_of(first: str, second: str, metric: str) -> Estimate | None:
        return table.get((metric, first, second))

    return estimate_of


def _thin(judged: Judged) -> dict[str, int]:
    """The metrics that rest on too few boxes to decide, and on how many."""
    thin = {}
    for metric, (split, statistic) in judged.items():
        for run in list(split.runs.values())[:1]:
            boxes = run.boxes_of(statistic)
            if boxes < MIN_BOXES:
                thin[metric] = boxes
    return thin


def _of_good(
    split: Split, details: Mapping[str, Mapping[str, Any]], key: str
) -> dict[str, list[dict[str, Any]]]:
    """Good cell -> what its details.json holds under a key for the split."""
    by_cell = {}
    for name, content in details.items():
        if name in split.runs:
            by_cell[name] = content[split.name].get(key, [])
    return by_cell


def _losses(results: Results, names: Sequence[str]) -> list[float]:
    values = [results[name].train_loss for name in names]
    return [value for value in values if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _value(estimated: Estimate | None) -> float | None:
    return None if estimated is None else estimated.value


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run dvc repro") from None
