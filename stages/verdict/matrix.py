"""What compare concludes of the trained cells: everything in this package, put to the files that the stages left."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stages.evaluation import suspects
from stages.evaluation.curves import MIN_BOXES
from stages.evaluation.engine import SIZES
from stages.model import config_file
from stages.program import InputError
from stages.report.results import CellResult
from stages.study import params, paths
from stages.study.params import ROOT, Study
from stages.study.short_names import short_names
from stages.verdict import best, choice, fairness, holding, losses, pairs
from stages.verdict.best import Standing
from stages.verdict.choice import COSTS, Candidate
from stages.verdict.differences import differences
from stages.verdict.estimates import Estimate, estimate
from stages.verdict.evaluated import Split, read_split
from stages.verdict.fairness import Fairness
from stages.verdict.hypotheses import EstimateOf, Trained, judge
from stages.verdict.judgement import Group, Judgement
from stages.verdict.pairs import Pair
from stages.verdict.repeats import REPEATED, declared, groups
from stages.verdict.replicates import STUDY, Replicates, Statistic
from stages.verdict.settings import Settings
from stages.verdict.statements import TRAIN_LOSS

SPLITS = ("val", "test")
Rows = Mapping[str, tuple[str, ...]]


def conclude(study: Study, cells: Sequence[CellResult], holes: Mapping[str, str] | None = None,
             root: Path = ROOT) -> Judgement:
    """The verdicts over `cells`, which are rows of the study with results, in the order of params.yaml.

    holes: rows without results -> why. Reads data/prepared/, predictions/, details.json and models/<cell>/config.py
    under `root`. Raises InputError, one line, where one of those cannot be read.
    """
    known = {cell.name: cell for cell in cells}
    rows = groups(study, known)
    digests = {name: _json(root / paths.per_class(name, study.cell(name))).get("annotations", {}) for name in known}
    with tqdm(total=len(SPLITS) * len(known), desc="resampling", unit="evaluation", disable=None, leave=False) as shown:
        splits = [read_split(name, cells, {name: study.fold_of(study.cell(name)) for name in known}, digests,
                             study.verdicts.replicates, study.seed, root, shown) for name in SPLITS]
    estimates = {name: {f"{split.name}/{metric}": _estimate(split, names, statistic)
                        for split in splits for metric, statistic in STUDY.items()} for name, names in rows.items()}
    verdicts = {f"{split.name}/{metric}": _pairs(split, rows, statistic)
                for split in splits for metric, statistic in STUDY.items()}
    verdicts[TRAIN_LOSS] = losses.compare({name: _losses(known, names) for name, names in rows.items()},
                                          {name: known[name].row["detector"] for name in rows})
    metric = study.verdicts.metric
    fair = _fairness(study, known, rows, root)
    costs = {name: _costs([known[row] for row in names]) for name, names in rows.items()}
    candidates = [Candidate(name, _value(estimates[name][metric]), costs[name], known[name].run_id) for name in rows]
    trained = [Trained(name, known[name].row, {**{key: _value(one) for key, one in estimates[name].items()},
                                               TRAIN_LOSS: _mean(_losses(known, names))},
                       known[name].run_id, len(names)) for name, names in rows.items()]
    standings = _standings(study, splits, rows, verdicts[metric], choice.highest(candidates, study.verdicts.cost))
    chosen = choice.choose(candidates, metric, standings, study.verdicts.margin, study.verdicts.cost)
    details = {name: _json(root / paths.details(name, study.cell(name))) for name in known}
    good = [name for name in rows if name in standings and standings[name].word != "worse"]
    found = Judgement(
        metric=metric, repeats=rows, holes=dict(holes or {}), estimates=estimates,
        groups={name: {split.name: _groups(split, names) for split in splits} for name, names in rows.items()},
        pairs=verdicts, fairness=fair,
        findings=tuple(judge(study.hypotheses, trained, params.levels(study), _estimates_of(verdicts),
                             lambda one, other, _: fair.get((one, other)), _thin(splits))),
        front=choice.front(candidates, metric), choice=chosen,
        suspects={split.name: suspects.combine(_of_good(split, good, details, "suspects")) for split in splits},
        unlabelled={split.name: suspects.unlabelled_by_all(_of_good(split, good, details, "unlabelled"))
                    for split in splits},
        holds=False, why="", costs=costs, margin=study.verdicts.margin, standings=standings,
        names=short_names(study))
    holds, why = holding.holds(found, {split.name: split.elsewhere for split in splits}, _machines(details),
                               _busy(details), _uneven(study, known, rows, root))
    return replace(found, holds=holds, why=why)


def _estimate(split: Split, names: Sequence[str], statistic: Statistic) -> Estimate | None:
    runs = [split.runs[name] for name in names if name in split.runs]
    return estimate(runs, statistic) if runs else None


def _pairs(split: Split, rows: Rows, statistic: Statistic) -> tuple[Pair, ...]:
    return pairs.compare(_runs_of(split, rows), statistic)


def _standings(
    study: Study, splits: Sequence[Split], rows: Rows, verdicts: Sequence[Pair], highest: str | None
) -> dict[str, Standing]:
    """Of the metric that decides; `verdicts`: the pairs of it."""
    split_name, _, key = study.verdicts.metric.partition("/")
    split = next(split for split in splits if split.name == split_name)
    cells = _runs_of(split, rows)
    if highest not in cells:
        return {}
    measured = {name: cells[name] for name in cells if estimate(cells[name], STUDY[key]) is not None}
    thin = study.verdicts.metric in _thin(splits)
    return best.standings(differences(measured, verdicts, STUDY[key]), highest, study.verdicts.margin, thin)


def _runs_of(split: Split, rows: Rows) -> dict[str, list[Replicates]]:
    """Cell -> its evaluated runs; cells without one are left out."""
    cells = {}
    for name, names in rows.items():
        runs = [split.runs[row] for row in names if row in split.runs]
        if runs:
            cells[name] = runs
    return cells


def _groups(split: Split, names: Sequence[str]) -> tuple[Group, ...]:
    """Every class, then COCO's three sizes; none where the split has no box or the cell was not evaluated on it."""
    first = next((split.runs[name] for name in names if name in split.runs), None)
    if first is None:
        return ()
    parts = [("class", name, {"category": index}) for index, name in enumerate(split.truth.classes)]
    parts += [("size", name, {"size": name}) for name in SIZES if name != "all"]
    return tuple(Group(kind, name, first.boxes_of(Statistic(**which)),
                       *(_estimate(split, names, Statistic(level, **which)) for level in ("AP", "AP50")))
                 for kind, name, which in parts)


def _estimates_of(verdicts: Mapping[str, Sequence[Pair]]) -> EstimateOf:
    table = {}
    for metric, found in verdicts.items():
        for pair in found:
            table[metric, pair.first, pair.second] = pair.difference
            table[metric, pair.second, pair.first] = pair.difference.swapped()

    def estimate_of(first: str, second: str, metric: str) -> Estimate | None:
        return table.get((metric, first, second))

    return estimate_of


def _fairness(study: Study, known: Mapping[str, CellResult], rows: Rows, root: Path) -> dict[tuple[str, str], Fairness]:
    settings = {name: _settings(name, [known[row] for row in names], root) for name, names in rows.items()}
    found = {}
    for one, other in combinations(rows, 2):
        factors = declared(study.cell(one), study.cell(other))
        found[one, other] = fairness.compare(settings[one], settings[other], factors, study.training.lr)
        found[other, one] = found[one, other].swapped()
    return found


def _uneven(study: Study, known: Mapping[str, CellResult], rows: Rows, root: Path) -> dict[str, tuple[str, ...]]:
    """Cell -> what its repeats differ in beside seed and fold, where they do."""
    found = {}
    for name, names in rows.items():
        if len(names) < 2:
            continue
        first, *rest = (_settings(row, [known[row]], root) for row in names)
        topics = [topic for one in rest for topic in fairness.compare(first, one, REPEATED, study.training.lr).topics]
        if topics:
            found[name] = tuple(dict.fromkeys(topics))
    return found


def _settings(name: str, runs: Sequence[CellResult], root: Path) -> Settings:
    # Between cells that are both repeated the seeds are no difference: chance is part of their intervals.
    recorded = {**runs[0].run, **{key: "several" for key in REPEATED if len({run.run.get(key) for run in runs}) > 1}}
    path = root / paths.model(name) / "config.py"
    return Settings(name, recorded, config_file.read(path).to_dict() if path.is_file() else None)


def _thin(splits: Sequence[Split]) -> dict[str, int]:
    """The metrics that rest on too few boxes to decide, and on how many."""
    boxes = {f"{split.name}/{metric}": next(iter(split.runs.values())).boxes_of(statistic)
             for split in splits if split.runs for metric, statistic in STUDY.items()}
    return {metric: number for metric, number in boxes.items() if number < MIN_BOXES}


def _of_good(
    split: Split, good: Sequence[str], details: Mapping[str, Mapping[str, Any]], key: str
) -> dict[str, list[dict[str, Any]]]:
    """Good cell -> what its details.json holds under a key for the split."""
    return {name: details[name][split.name].get(key, []) for name in good if name in split.runs}


def _costs(runs: Sequence[CellResult]) -> dict[str, float | None]:
    """Of the repeats that were measured the middle one."""
    found = [{**run.costs, "train_minutes": run.train_minutes, "parameters": run.parameters} for run in runs]
    values = {key: [one[key] for one in found if one.get(key) is not None] for key in COSTS}
    return {key: statistics.median(known) if known else None for key, known in values.items()}


def _machines(details: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Where costs were measured."""
    costs = [known["cost"] for known in details.values() if "cost" in known]
    return {f"{cost['device']} with {cost['threads']} threads" for cost in costs}


def _busy(details: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """What other processes used of the machine while a latency was measured, where that is known."""
    shares = {name: next(iter(known.get("cost", {}).get("batches", [])), {}).get("others")
              for name, known in details.items()}
    return {name: share for name, share in shares.items() if share is not None}


def _losses(known: Mapping[str, CellResult], names: Sequence[str]) -> list[float]:
    return [known[name].train_loss for name in names if known[name].train_loss is not None]


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _value(one: Estimate | None) -> float | None:
    return one and one.value


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run dvc repro") from None
