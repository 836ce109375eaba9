"""What was measured of the cells: replicates of every training on each split, and from these each
metric's estimates, pairs, classes and sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from stages.errors import InputError
from stages.files import sha256
from stages.results.cell import CellResult
from stages.results.files import CellFiles
from stages.scoring.tables import Detections, Truth, read_detections, read_truth
from stages.study import group_metrics, paths
from stages.study.group_metrics import MIN_BOXES
from stages.study.metrics import SIZES
from stages.study.params import Study
from stages.study.paths import EVALUATED
from stages.verdict import pairs, replicates
from stages.verdict.design import TRAIN_LOSS
from stages.verdict.estimates import Estimate, estimate
from stages.verdict.judgement import Group
from stages.verdict.matches import match_detections
from stages.verdict.pairs import Pair
from stages.verdict.replicates import STUDY_STATISTICS, Replicates, Statistic


@dataclass(frozen=True)
class Split:
    """classes: of the study's own fold, none where the split has no box; runs: training -> its
    replicates, on its own fold; elsewhere: trainings that were evaluated on other annotations than
    those in data/prepared now, and have none."""

    name: str
    classes: tuple[str, ...]
    runs: Mapping[str, Replicates]
    elsewhere: tuple[str, ...]

    def of(self, rows: Sequence[str]) -> list[Replicates]:
        """The evaluated runs of a cell."""
        return [self.runs[row] for row in rows if row in self.runs]


@dataclass(frozen=True)
class Measured:
    """results: row -> what was trained; rows: cell -> its rows; judged: metric -> the split that it
    is of, and its statistic there."""

    results: Mapping[str, CellResult]
    rows: Mapping[str, tuple[str, ...]]
    splits: Sequence[Split]
    judged: Mapping[str, tuple[Split, Statistic]]

    def runs(self, metric: str) -> dict[str, list[Replicates]]:
        """Cell -> its evaluated runs; cells without one are left out."""
        split, _ = self.judged[metric]
        runs = {cell: split.of(rows) for cell, rows in self.rows.items()}
        return {cell: members for cell, members in runs.items() if members}

    def estimates(self, cell: str) -> dict[str, Estimate | None]:
        """Metric -> the cell's value."""
        values = {}
        for metric, (split, statistic) in self.judged.items():
            runs = split.of(self.rows[cell])
            values[metric] = estimate(runs, statistic) if runs else None
        return values

    def losses(self, cell: str) -> list[float]:
        """The train loss of each training."""
        values = [self.results[row].train_loss for row in self.rows[cell]]
        return [value for value in values if value is not None]

    def verdicts(self) -> dict[str, tuple[Pair, ...]]:
        """Metric -> every pair of cells."""
        verdicts = {}
        for metric, (_, statistic) in self.judged.items():
            verdicts[metric] = pairs.compare_cells(self.runs(metric), statistic)
        losses = {cell: self.losses(cell) for cell in self.rows}
        detectors = {cell: self.results[cell].row["detector"] for cell in self.rows}
        verdicts[TRAIN_LOSS] = pairs.compare_losses(losses, detectors)
        return verdicts

    def groups(self, cell: str) -> dict[str, tuple[Group, ...]]:
        """Split -> every class, then COCO's three sizes; none where the split has no box or the
        cell was not evaluated on it."""
        groups = {}
        for split in self.splits:
            parts = []
            for index, name in enumerate(split.classes):
                parts.append(("class", name, Statistic(category=index)))
            for size in SIZES:
                parts.append(("size", size, Statistic(size=size)))
            runs = split.of(self.rows[cell])
            groups[split.name] = tuple(_group(runs, *part) for part in parts if runs)
        return groups

    def thin(self) -> dict[str, int]:
        """The metrics that rest on too few boxes to decide, and on how many."""
        thin = {}
        for metric, (split, statistic) in self.judged.items():
            for run in list(split.runs.values())[:1]:
                boxes = run.boxes_of(statistic)
                if boxes < MIN_BOXES:
                    thin[metric] = boxes
        return thin


def _group(runs: Sequence[Replicates], kind: str, name: str, statistic: Statistic) -> Group:
    ap, ap50 = estimate(runs, statistic), estimate(runs, replace(statistic, level="AP50"))
    return Group(kind, name, runs[0].boxes_of(statistic), ap, ap50)


def measure_splits(
    study: Study, results: Mapping[str, CellResult], rows: Mapping[str, tuple[str, ...]], root: Path
) -> Measured:
    """All cells on val and test. Raises InputError, one line, where the annotations or a training's
    detections cannot be read, or those do not give the scores that were recorded, and StudyError
    for a metric of a class that the data has not."""
    total = len(EVALUATED) * len(results)
    with tqdm(
        total=total, desc="resampling", unit="evaluation", disable=None, leave=False
    ) as progress:
        splits = [_split(name, study, results, root, progress) for name in EVALUATED]
    classes: tuple[str, ...] = ()
    for split in splits:
        classes = split.classes or classes
    if classes:
        group_metrics.check_classes(study, classes)
    judged = {}
    for split in splits:
        for metric, statistic in _statistics(study, split.name, classes).items():
            judged[metric] = (split, statistic)
    return Measured(results, rows, splits, judged)


def _split(
    name: str, study: Study, results: Mapping[str, CellResult], root: Path, progress: tqdm
) -> Split:
    own = read_truth(root / paths.annotations(name))
    if own.crowd.all():
        progress.update(len(results))
        return Split(name, (), {}, ())
    by_file: dict[Path, list[CellResult]] = {}
    for row, cell in results.items():
        path = paths.annotations(name, study.fold_of(study.cell(row)))
        by_file.setdefault(path, []).append(cell)
    runs, elsewhere = {}, []
    for path, members in by_file.items():
        truth = own if path == paths.annotations(name) else read_truth(root / path)
        digest = sha256(root / path)
        weights = replicates.draw_weights(
            len(truth.image_ids), study.verdicts.replicates, study.seed
        )
        for cell in members:
            # Of the annotations that it was evaluated on, where that was recorded.
            if cell.files.per_class.get("annotations", {}).get(name, digest) != digest:
                elsewhere.append(cell.name)
            else:
                detections = detections_of(cell.files, name, truth)
                runs[cell.name] = replicates.evaluate_replicates(
                    match_detections(truth, detections), weights
                )
                _check(cell, name, runs[cell.name])
            progress.update()
    return Split(name, tuple(own.classes), runs, tuple(elsewhere))


def detections_of(files: CellFiles, split: str, truth: Truth) -> Detections:
    """Raises InputError, one line, where the predictions are missing, damaged or not of `truth`."""
    results = files.predictions(split)
    try:
        return read_detections(results, truth)
    except InputError as error:
        raise files.predictions_file(split).wrong(str(error)) from None


def _check(cell: CellResult, split: str, run: Replicates) -> None:
    """The same detections on the same annotations give the same scores, to rounding."""
    for metric, statistic in STUDY_STATISTICS.items():
        score, recorded = float(run.of(statistic)[0]), cell.scores[split][metric]
        text = "none"
        same = math.isnan(score)
        if recorded is not None:
            text = f"{recorded:.4f}"
            same = math.isclose(score, recorded, abs_tol=1e-6)
        if not same:
            raise InputError(
                f"{cell.files.predictions_file(split).path}: its {split}/{metric} is {score:.4f}, "
                f"and {text} was recorded; predict it again: dvc repro -f "
                f"stages/dvc.yaml:predict@{cell.name}"
            )


def _statistics(study: Study, split: str, classes: Sequence[str]) -> dict[str, Statistic]:
    """Metric, such as val/bbox_mAP or val/AP50[Platelets], -> its statistic, of those on `split`:
    the study's own, and those of classes and sizes that it names. The metric that decides is judged
    on every split."""
    statistics = {f"{split}/{metric}": statistic for metric, statistic in STUDY_STATISTICS.items()}
    rest = study.verdicts.metric.partition("/")[2]
    for metric in (*group_metrics.asked(study), f"{split}/{rest}"):
        group = group_metrics.parse_group_metric(metric)
        if group is None or group.split != split:
            continue
        statistics[metric] = Statistic(group.level, size=group.size or "all")
        # Without a class the data has no box, and no run is judged, whatever the statistic.
        if not group.size and classes:
            position = classes.index(group.category)
            statistics[metric] = Statistic(group.level, category=position)
    return statistics
