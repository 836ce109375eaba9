"""What was measured of the cells: each metric on its split, its estimates, pairs, classes and
sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stages.results.cell import CellResult
from stages.study.group_metrics import MIN_BOXES
from stages.study.metrics import SIZES
from stages.study.params import Study
from stages.verdict import losses, metrics, pairs
from stages.verdict.estimates import Estimate, estimate
from stages.verdict.evaluated import Split
from stages.verdict.judgement import Group
from stages.verdict.pairs import Pair
from stages.verdict.replicates import Replicates, Statistic
from stages.verdict.statements import TRAIN_LOSS

# Cell -> its rows of params.yaml.
Rows = Mapping[str, tuple[str, ...]]
Results = Mapping[str, CellResult]
# Metric -> the split that it is of, and its statistic there.
Judged = Mapping[str, tuple[Split, Statistic]]


def _runs_of(split: Split, names: Sequence[str]) -> list[Replicates]:
    return [split.runs[name] for name in names if name in split.runs]


def cells_of(split: Split, rows: Rows) -> dict[str, list[Replicates]]:
    """Cell -> its evaluated runs; cells without one are left out."""
    cells = {}
    for name, names in rows.items():
        runs = _runs_of(split, names)
        if runs:
            cells[name] = runs
    return cells


def estimate_of(split: Split, names: Sequence[str], statistic: Statistic) -> Estimate | None:
    runs = _runs_of(split, names)
    return estimate(runs, statistic) if runs else None


def judged_metrics(study: Study, splits: Sequence[Split]) -> Judged:
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


def estimates_of(judged: Judged, names: Sequence[str]) -> dict[str, Estimate | None]:
    """Metric -> a cell's value."""
    result = {}
    for metric, (split, statistic) in judged.items():
        result[metric] = estimate_of(split, names, statistic)
    return result


def verdicts_of(judged: Judged, results: Results, rows: Rows) -> dict[str, tuple[Pair, ...]]:
    """Metric -> every pair of cells."""
    verdicts = {}
    for metric, (split, statistic) in judged.items():
        verdicts[metric] = pairs.compare(cells_of(split, rows), statistic)
    loss = {name: losses_of(results, names) for name, names in rows.items()}
    detectors = {name: results[name].row["detector"] for name in rows}
    verdicts[TRAIN_LOSS] = losses.compare(loss, detectors)
    return verdicts


def groups_of(splits: Sequence[Split], names: Sequence[str]) -> dict[str, tuple[Group, ...]]:
    return {split.name: _groups(split, names) for split in splits}


def _groups(split: Split, names: Sequence[str]) -> tuple[Group, ...]:
    """Every class, then COCO's three sizes; none where the split has no box or the cell was not
    evaluated on it."""
    runs = _runs_of(split, names)
    if not runs:
        return ()
    parts: list[tuple[str, str, dict[str, Any]]] = []
    for index, name in enumerate(split.truth.classes):
        parts.append(("class", name, {"category": index}))
    for name in SIZES:
        parts.append(("size", name, {"size": name}))
    result = []
    for kind, name, part in parts:
        boxes = runs[0].boxes_of(Statistic(**part))
        levels = [estimate_of(split, names, Statistic(level, **part)) for level in ("AP", "AP50")]
        result.append(Group(kind, name, boxes, *levels))
    return tuple(result)


def thin_metrics(judged: Judged) -> dict[str, int]:
    """The metrics that rest on too few boxes to decide, and on how many."""
    thin = {}
    for metric, (split, statistic) in judged.items():
        for run in list(split.runs.values())[:1]:
            boxes = run.boxes_of(statistic)
            if boxes < MIN_BOXES:
                thin[metric] = boxes
    return thin


def losses_of(results: Results, names: Sequence[str]) -> list[float]:
    values = [results[name].train_loss for name in names]
    return [value for value in values if value is not None]
