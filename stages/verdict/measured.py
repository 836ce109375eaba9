"""What was measured of the cells: replicates of every training on each split, and from these each
metric's estimates, pairs, classes and sizes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.errors import InputError
from stages.results.cell import CellResult
from stages.results.cell_files import CellFiles
from stages.scoring.engine import SIZES
from stages.scoring.tables import Detections, Truth, read_detections, read_truth
from stages.study import group_metrics, paths
from stages.study.group_metrics import GroupMetric
from stages.study.params import Study
from stages.study.thin import MIN_BOXES
from stages.verdict import pairs, replicates
from stages.verdict.estimates import Estimate, estimate
from stages.verdict.judgement import Group
from stages.verdict.matches import match
from stages.verdict.pairs import Pair
from stages.verdict.replicates import STUDY, Replicates, Statistic
from stages.verdict.statements import TRAIN_LOSS

if TYPE_CHECKING:
    from tqdm import tqdm

# Cell -> its rows of params.yaml.
Rows = Mapping[str, tuple[str, ...]]
Results = Mapping[str, CellResult]


@dataclass(frozen=True)
class Split:
    """truth: of the study's own fold, None where the split has no box; runs: training -> its
    replicates, on its own fold; elsewhere: trainings that were evaluated on other annotations than
    those in data/prepared now, and have none."""

    name: str
    truth: Truth | None
    runs: Mapping[str, Replicates]
    elsewhere: tuple[str, ...]


# Metric -> the split that it is of, and its statistic there.
Judged = Mapping[str, tuple[Split, Statistic]]


def read_split(
    name: str,
    cells: Sequence[CellResult],
    folds: Mapping[str, int | None],
    digests: Mapping[str, Mapping[str, str]],
    number: int,
    seed: int,
    root: Path,
    progress: tqdm,
) -> Split:
    """folds: training -> Study.fold_of(). digests: training -> split -> the SHA-256 of the
    annotations that it was evaluated on, where that was recorded.

    number, seed: of the replicates. Raises InputError, one line, where the annotations or a
    training's detections cannot be read, or those do not give the scores that were recorded.
    """
    own = read_truth(root / paths.annotations(name))
    if own.crowd.all():
        progress.update(len(cells))
        return Split(name, None, {}, ())
    runs, elsewhere = {}, []
    for path, members in _by_file(name, cells, folds).items():
        truth = own if path == paths.annotations(name) else read_truth(root / path)
        now = hashlib.sha256((root / path).read_bytes()).hexdigest()
        weights = replicates.draw(len(truth.image_ids), number, seed)
        for cell in members:
            if digests.get(cell.name, {}).get(name, now) != now:
                elsewhere.append(cell.name)
            else:
                detections = detections_of(cell.files, name, truth)
                runs[cell.name] = replicates.evaluate(match(truth, detections), weights)
                _check(cell, name, runs[cell.name])
            progress.update()
    return Split(name, own, runs, tuple(elsewhere))


def _by_file(
    split: str, cells: Sequence[CellResult], folds: Mapping[str, int | None]
) -> dict[Path, list[CellResult]]:
    """The cells that are evaluated on each file of annotations."""
    by_file: dict[Path, list[CellResult]] = {}
    for cell in cells:
        by_file.setdefault(paths.annotations(split, folds[cell.name]), []).append(cell)
    return by_file


def detections_of(files: CellFiles, split: str, truth: Truth) -> Detections:
    """Raises InputError, one line, where the predictions are missing, damaged or not of `truth`."""
    results = files.predictions(split)
    try:
        return read_detections(results, truth)
    except InputError as error:
        raise files.predictions_file(split).wrong(str(error)) from None


def _check(cell: CellResult, split: str, run: Replicates) -> None:
    """The same detections on the same annotations give the same scores, to rounding."""
    for metric, statistic in STUDY.items():
        score, recorded = float(run.of(statistic)[0]), cell.scores[split][metric]
        if not math.isclose(
            score, math.nan if recorded is None else recorded, abs_tol=1e-6
        ) and not (recorded is None and math.isnan(score)):
            text = "none" if recorded is None else f"{recorded:.4f}"
            raise InputError(
                f"{cell.files.predictions_file(split).path}: its {split}/{metric} is {score:.4f}, "
                f"and {text} was recorded; predict it again: dvc repro -f "
                f"stages/dvc.yaml:predict@{cell.name}"
            )


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
        for metric, statistic in _statistics(study, split.name, classes).items():
            result[metric] = (split, statistic)
    return result


def _statistics(study: Study, split: str, classes: Sequence[str]) -> dict[str, Statistic]:
    """Metric, such as val/bbox_mAP or val/AP50[Platelets], -> its statistic, of those on `split`.

    classes: of the data, in its order, none where it has no box to judge. The metric that decides
    is judged on every split. Raises StudyError for a class that the data has not.
    """
    if classes:
        group_metrics.check_classes(study, classes)
    statistics = {f"{split}/{metric}": statistic for metric, statistic in STUDY.items()}
    rest = study.verdicts.metric.partition("/")[2]
    for metric in (*group_metrics.asked(study), f"{split}/{rest}"):
        group = group_metrics.read(metric)
        if group and group.split == split:
            statistics[metric] = _statistic(group, classes)
    return statistics


def _statistic(group: GroupMetric, classes: Sequence[str]) -> Statistic:
    if group.size:
        return Statistic(group.level, size=group.size)
    if not classes:
        # No run is judged on such a split, whatever the statistic.
        return Statistic(group.level)
    return Statistic(group.level, category=list(classes).index(group.category))


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
    verdicts[TRAIN_LOSS] = pairs.compare_losses(loss, detectors)
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
