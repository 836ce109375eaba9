"""One finished cell as verdicts and report see it: its files and costs, checked, as numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.results.files import CellFiles, ResultFile, Series, history_curves
from stages.study import paths
from stages.study.metrics import METRICS
from stages.study.schema import FACTORS


@dataclass(frozen=True)
class MeasuredCosts:
    """What one cell costs.

    costs: latency_ms, images_per_second, peak_memory_mib, size_mib and gmacs -> a value in the unit
    of its name (of one image; images_per_second of a batch), or None. spread: those that vary ->
    lowest and highest round. others: the share of the machine's cores that other processes used
    meanwhile, None where that is unknown. place: the machine.
    """

    costs: Mapping[str, float | None] = field(default_factory=dict)
    spread: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    others: float | None = None
    place: str = ""


class Costs:
    """What the cells cost to run, by the training that was measured: costs.json under `root`.
    Without it no cell was measured. Raises InputError where it is damaged."""

    def __init__(self, root: Path = Path()) -> None:
        self._file = ResultFile(paths.COSTS, "run `dvc repro costs`", root)
        self._content: dict[str, Any] = {"cells": {}}
        if (root / paths.COSTS).is_file():
            self._content = self._file.table()

    def of(self, name: str, training_id: str | None) -> MeasuredCosts | None:
        """What was measured of a cell's training; None where that was not, or an earlier one.

        Raises InputError where the file is not what stage costs writes.
        """
        content = self._content
        try:
            cell = content["cells"].get(name)
            if cell is None or cell["training_id"] != training_id:
                return None
            costs = {}
            for key, value in cell["costs"].items():
                costs[key] = self._file.number(value, f"{name}.costs.{key}")
            spread = {key: (float(low), float(high)) for key, (low, high) in cell["spread"].items()}
            place = f"{content['machine']}, {content['device']} with {content['threads']} threads"
            return MeasuredCosts(costs, spread, cell["others"], place)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._file.wrong(f"not what stage costs writes ({error!r})") from None


@dataclass(frozen=True)
class ClassScore:
    """A class on a split. AP and AP50 are in [0, 1], None where the split has no box of it."""

    name: str
    boxes: int
    AP: float | None
    AP50: float | None


@dataclass(frozen=True)
class CellResult:
    """A trained and evaluated cell.

    `scores` maps split and metric to a value in [0, 1] or None (nothing to measure). `train_loss`
    is the mean total loss over the last epoch, `train_minutes` wall-clock minutes, `parameters` a
    count. `history` maps a column of history.csv to its curve; `epoch_steps` is the number of
    training steps in the last epoch and `lost_steps` the number of steps whose total loss was not
    finite. `run` is run.json as it is; `files` reads what else there is of the cell.
    """

    name: str
    row: dict[str, Any]
    scores: dict[str, dict[str, float | None]]
    train_loss: float | None
    train_minutes: float | None
    parameters: int | None
    history: dict[str, Series]
    epoch_steps: int
    lost_steps: int
    run: dict[str, Any]
    per_class: dict[str, tuple[ClassScore, ...]]
    files: CellFiles = field(compare=False, repr=False)
    measured: MeasuredCosts = field(default_factory=MeasuredCosts)

    @property
    def run_id(self) -> str:
        """MLflow's id of the run. Where MLflow never answered the training, the training's own id,
        which is the tag training_id of the run that make sync has made or will make. Empty where
        neither was written."""
        run_id, training = self.run.get("run_id"), self.run.get("training_id")
        if run_id or not training:
            return str(run_id or "")
        return f"{training} (tag training_id)"


def load_cell(files: CellFiles, costs: Costs) -> CellResult:
    """Raises InputError, which says what to run, for an absent or unreadable file."""
    metrics, number_at = files.metrics, files.metrics_file.number_at
    run, rows = files.run, files.history()
    if not rows:
        raise files.history_file.wrong("no training step in it")
    scores, per_class = {}, {}
    for split in paths.EVALUATED:
        scores[split] = {key: _score(number_at(metrics, split, key)) for key in METRICS}
        per_class[split] = _class_scores(files, split)
    parameters = number_at(metrics, "model", "parameters")
    losses = [row.get("train/loss", 0.0) for row in rows]
    return CellResult(
        name=files.name,
        row={key: getattr(files.cell, key) for key in FACTORS},
        scores=scores,
        train_loss=number_at(metrics, "train", "loss"),
        train_minutes=number_at(metrics, "train", "minutes"),
        parameters=None if parameters is None else int(parameters),
        history=history_curves(rows),
        epoch_steps=sum(row.get("epoch") == rows[-1].get("epoch") for row in rows),
        lost_steps=sum(loss is None or not math.isfinite(loss) for loss in losses),
        run=run,
        per_class=per_class,
        files=files,
        measured=costs.of(files.name, run.get("training_id")) or MeasuredCosts(),
    )


def _class_scores(files: CellFiles, split: str) -> tuple[ClassScore, ...]:
    file = files.per_class_file
    scores = []
    try:
        for entry in files.per_class["per_class"][split]:
            boxes = file.number(entry["boxes"], "boxes")
            ap = _score(file.number(entry["AP"], "AP"))
            ap50 = _score(file.number(entry["AP50"], "AP50"))
            scores.append(ClassScore(str(entry["class"]), int(boxes or 0), ap, ap50))
    except (KeyError, TypeError):
        raise file.wrong(f"per_class.{split} is not a list of class, boxes, AP, AP50") from None
    return tuple(scores)


def _score(value: float | None) -> float | None:
    # COCO's evaluation says -1 where there is no box to find.
    return None if value is None or value < 0 else value
