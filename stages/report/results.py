"""What training and evaluation left on disk for one cell, read once and checked."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.study.metrics import MAX_DETECTIONS, METRICS
from stages.study.params import Cell
from stages.study.paths import COSTS

SPLITS = ("val", "test")
ROW_KEYS = ("detector", "backbone", "neck", "optimizer", "image_size")
SCALES = ("miniature", "full")


@dataclass(frozen=True)
class ClassScore:
    """One class on one split. AP and AP50 are in [0, 1], None where the split has no box of the
    class."""

    name: str
    boxes: int
    AP: float | None
    AP50: float | None


@dataclass(frozen=True)
class Series:
    """One curve: finite values at strictly positive training steps, in file order."""

    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class CellResult:
    """A trained and evaluated cell.

    `scores` maps split and metric to a value in [0, 1] or None (nothing to measure). `train_loss`
    is the mean total loss over the last epoch, `train_minutes` wall-clock minutes, `parameters` a
    count. `history` maps a column of history.csv to its curve; `epoch_steps` is the number of
    training steps in the last epoch and `lost_steps` the number of steps whose total loss was not
    finite. `run` is run.json as it is. `costs` maps latency_ms, images_per_second, peak_memory_mib,
    size_mib and gmacs to a value in the unit of its name (of one image; images_per_second of a
    batch), or None; what was not measured may be absent. `cost_spread` maps those that vary to
    their lowest and highest round, and `others` is the share of the machine's cores that other
    processes used while they were measured, None where that is unknown; `measured_on` names the
    machine, "" where nothing was measured.
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
    costs: dict[str, float | None] = field(default_factory=dict)
    cost_spread: dict[str, tuple[float, float]] = field(default_factory=dict)
    others: float | None = None
    measured_on: str = ""

    @property
    def run_id(self) -> str:
        """MLflow's id of the run. Where MLflow never answered the training, the training's own id,
        which is the tag training_id of the run that make sync has made or will make. Empty where
        neither was written."""
        run_id, training = self.run.get("run_id"), self.run.get("training_id")
        if run_id:
            return str(run_id)
        return f"{training} (tag training_id)" if training else ""


@dataclass(frozen=True)
class ReportContext:
    """What was asked for: `data` is data/prepared/report.json, `listed` every cell of params.yaml
    in its order, `selection` the two scalars of params.yaml ("" or an absent key means all)."""

    scale: str
    seed: int
    data: dict[str, Any]
    selection: dict[str, str]
    listed: tuple[str, ...] | list[str]

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise ValueError(f"scale {self.scale!r} is unknown; known scales: {', '.join(SCALES)}")

    @property
    def max_detections(self) -> int:
        """Detections of a class in an image that the scores count. Earlier data reports do not
        say."""
        return int(self.data.get("max_detections", MAX_DETECTIONS))


def load_cell(name: str, row: Mapping[str, Any] | Cell, root: Path) -> CellResult:
    """Read the result files of the cell `name`, whose row of params.yaml is `row`, under `root`.

    Raises InputError for an absent or unreadable file; its message is one line with the path and
    what to run.
    """
    row = row if isinstance(row, Mapping) else vars(row)
    absent = [key for key in ROW_KEYS if key not in row]
    if absent:
        raise InputError(f"params.yaml: cells.{name} lacks {', '.join(absent)}")
    folder = Path("metrics") / str(row["backbone"]) / str(row["neck"])
    metrics = _Json(root, folder / f"{name}.json", name, "analyse")
    classes = _Json(root, Path("metrics") / str(row["neck"]) / f"{name}.json", name, "analyse")
    run = _Json(root, folder / name / "run.json", name, "train")
    history, epoch_steps, lost_steps = _read_history(root, folder / name / "history.csv", name)
    steps = run.content.get("iterations")
    last = 0
    for curve in history.values():
        if curve.steps:
            last = max(last, curve.steps[-1])
    if steps is not None and steps != last:
        raise InputError(
            f"{(folder / name / 'history.csv').as_posix()}: ends at step {last} of {steps}; "
            f"{_remedy(name, 'train')}"
        )
    scores, per_class = {}, {}
    for split in SPLITS:
        scores[split] = {key: _score(metrics.number(split, key)) for key in METRICS}
        per_class[split] = _class_scores(classes, split)
    parameters = metrics.number("model", "parameters")
    return CellResult(
        name=name,
        row={key: row[key] for key in ROW_KEYS},
        scores=scores,
        train_loss=metrics.number("train", "loss"),
        train_minutes=metrics.number("train", "minutes"),
        parameters=None if parameters is None else int(parameters),
        history=history,
        epoch_steps=epoch_steps,
        lost_steps=lost_steps,
        run=run.content,
        per_class=per_class,
        **_costs(root, name, run.content.get("training_id")),
    )


def _costs(root: Path, name: str, training: str | None) -> dict[str, Any]:
    """What stage costs measured of this training, as arguments of CellResult; nothing where it did
    not."""
    if not (root / COSTS).is_file():
        return {}
    measured = _Json(root, COSTS, name, "costs", "run `dvc repro costs`")
    try:
        cell = measured.content["cells"].get(name)
        if cell is None or cell["training_id"] != training:
            return {}
        costs = {}
        for key, value in cell["costs"].items():
            costs[key] = measured.checked(value, f"{name}.costs.{key}")
        spread = {}
        for key, (low, high) in cell["spread"].items():
            spread[key] = (float(low), float(high))
        machine, device = measured.content["machine"], measured.content["device"]
        place = f"{machine}, {device} with {measured.content['threads']} threads"
        return {
            "costs": costs,
            "cost_spread": spread,
            "others": cell["others"],
            "measured_on": place,
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise measured.wrong(f"not what stage costs writes ({error!r})") from None


class _Json:
    """One JSON object with errors that name its path and the stage that writes it again."""

    def __init__(self, root: Path, path: Path, cell: str, stage: str, remedy: str = "") -> None:
        self.path = path
        self.remedy = remedy or _remedy(cell, stage)
        try:
            self.content = json.loads(_read(root, path, self.remedy))
        except ValueError as error:
            raise InputError(f"{path.as_posix()}: not JSON ({error}); {self.remedy}") from None
        if not isinstance(self.content, dict):
            raise self.wrong("not a JSON object")

    def wrong(self, fault: str) -> InputError:
        return InputError(f"{self.path.as_posix()}: {fault}; {self.remedy}")

    def number(self, section: str, key: str) -> float | None:
        try:
            value = self.content[section][key]
        except (KeyError, TypeError):
            raise self.wrong(f"no {section}.{key}") from None
        return self.checked(value, f"{section}.{key}")

    def checked(self, value: object, key: str) -> float | None:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise self.wrong(f"{key} is {value!r}, not a number")
        if value is None or not math.isfinite(value):
            return None
        return value


def _class_scores(classes: _Json, split: str) -> tuple[ClassScore, ...]:
    scores = []
    try:
        for entry in classes.content["per_class"][split]:
            boxes = classes.checked(entry["boxes"], "boxes")
            ap = _score(classes.checked(entry["AP"], "AP"))
            ap50 = _score(classes.checked(entry["AP50"], "AP50"))
            scores.append(ClassScore(str(entry["class"]), int(boxes or 0), ap, ap50))
    except (KeyError, TypeError):
        raise classes.wrong(f"per_class.{split} is not a list of class, boxes, AP, AP50") from None
    return tuple(scores)


def _score(value: float | None) -> float | None:
    # COCO's evaluation says -1 where there is no box to find; an average precision is never
    # negative.
    if value is None or value < 0:
        return None
    return value


def _read_history(root: Path, path: Path, cell: str) -> tuple[dict[str, Series], int, int]:
    remedy = _remedy(cell, "train")
    rows = list(csv.DictReader(_read(root, path, remedy).splitlines()))
    if not rows:
        raise InputError(f"{path.as_posix()}: no training step in it; {remedy}")
    curves: dict[str, tuple[list[int], list[float]]] = {}
    lost = 0
    try:
        steps = [int(row["step"]) for row in rows]
        last_epoch = sum(row["epoch"] == rows[-1]["epoch"] for row in rows)
        for key in rows[0].keys() - {"step", "epoch", None}:
            curves[key] = ([], [])
            for step, row in zip(steps, rows, strict=True):
                value = float(row[key] or math.nan)
                if key == "train/loss" and not math.isfinite(value):
                    lost += 1
                negative = key.startswith("val/") and value < 0
                if math.isfinite(value) and not negative:
                    curves[key][0].append(step)
                    curves[key][1].append(value)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path.as_posix()}: not a training history ({error!r}); {remedy}"
        ) from None
    history = {key: Series(tuple(x), tuple(y)) for key, (x, y) in sorted(curves.items())}
    return history, last_epoch, lost


def _read(root: Path, path: Path, remedy: str) -> str:
    try:
        return (root / path).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path.as_posix()} is missing; {remedy}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.as_posix()} cannot be read ({error}); {remedy}") from None


def _remedy(cell: str, stage: str) -> str:
    return f"run `dvc repro stages/dvc.yaml:{stage}@{cell}`"
