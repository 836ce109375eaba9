"""Every training's replicates on a split: annotations read once, detections matched once, the same
draws for all."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stages.errors import InputError
from stages.results.files import CellFiles
from stages.scoring.tables import Detections, Truth, read_detections, read_truth
from stages.study import paths
from stages.verdict import replicates
from stages.verdict.matches import match
from stages.verdict.replicates import STUDY, Replicates

if TYPE_CHECKING:
    from tqdm import tqdm

    from stages.results.cell import CellResult


@dataclass(frozen=True)
class Split:
    """truth: of the study's own fold, None where the split has no box; runs: training -> its
    replicates, on its own fold; elsewhere: trainings that were evaluated on other annotations than
    those in data/prepared now, and have none."""

    name: str
    truth: Truth | None
    runs: Mapping[str, Replicates]
    elsewhere: tuple[str, ...]


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
