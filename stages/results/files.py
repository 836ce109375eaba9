"""A result file that is read: one line for its fault, with the command that makes it again."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.study import paths
from stages.study.params import Cell


def remedy(cell: str, stage: str) -> str:
    """What to do where a file that a stage leaves of a cell is missing or damaged."""
    return f"run `dvc repro stages/dvc.yaml:{stage}@{cell}`"


@dataclass(frozen=True)
class ResultFile:
    """path: below `root`, the project's folder, as messages name it. remedy: their end."""

    path: Path
    remedy: str
    root: Path = Path()

    def wrong(self, fault: str) -> InputError:
        return InputError(f"{self.path.as_posix()}: {fault}; {self.remedy}")

    def missing(self) -> InputError:
        return InputError(f"{self.path.as_posix()} is missing; {self.remedy}")

    def stale(self) -> InputError:
        """For a file that is of another training than the newest."""
        return InputError(f"{self.path.as_posix()} is of an earlier training; {self.remedy}")

    def text(self) -> str:
        """Raises InputError where there is no such file or it is no text."""
        try:
            return (self.root / self.path).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            raise self.missing() from None
        except UnicodeDecodeError as error:
            raise self.wrong(f"is no text ({error})") from None
        except OSError as error:
            raise self.wrong(f"cannot be read ({error.strerror})") from None

    def json(self) -> Any:
        """Raises InputError as text() does, and where the file is not JSON."""
        try:
            return json.loads(self.text())
        except ValueError as error:
            raise self.wrong(f"not JSON ({error})") from None

    def table(self) -> dict[str, Any]:
        """Raises InputError as json() does, and where the file holds no JSON object."""
        content = self.json()
        if not isinstance(content, dict):
            raise self.wrong("not a JSON object")
        return content

    def number(self, value: object, key: str) -> float | None:
        """A value that is to be a number or None; what is not finite becomes None."""
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise self.wrong(f"{key} is {value!r}, not a number")
        if value is None or not math.isfinite(value):
            return None
        return value

    def number_at(self, content: Mapping[str, Any], section: str, key: str) -> float | None:
        """number() of content[section][key]. Raises InputError where there is no such value."""
        try:
            value = content[section][key]
        except (KeyError, TypeError):
            raise self.wrong(f"no {section}.{key}") from None
        return self.number(value, f"{section}.{key}")


# One row of history.csv: column -> number, None where the step has none.
HistoryRow = dict[str, float | None]
# Columns that say where a row stands.
PLACES = ("step", "epoch")


@dataclass(frozen=True)
class Series:
    """One curve: finite values at strictly positive training steps, in file order."""

    steps: tuple[int, ...]
    values: tuple[float, ...]


def read_rows(file: ResultFile, iterations: int | None = None) -> list[HistoryRow]:
    """iterations: the training's last step, where it is over.

    Raises InputError where the file is no history or ends before that step.
    """
    text = file.text()
    rows = []
    last = 0
    try:
        for cells in csv.DictReader(text.splitlines(), strict=True):
            last = int(cells["step"])
            row: HistoryRow = {}
            for column, value in cells.items():
                row[column] = float(value) if value else None
            rows.append(row)
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise file.wrong(f"not a training history ({error!r})") from None
    if (text and not text.endswith("\n")) or iterations not in (None, last):
        raise file.wrong(f"ends in the middle, at step {last}")
    return rows


def history_curves(rows: Sequence[HistoryRow]) -> dict[str, Series]:
    """Column -> its curve. A score below 0 is COCO's sign for nothing to measure."""
    result = {}
    for column in sorted(rows[0].keys() - set(PLACES)):
        steps, values = [], []
        for row in rows:
            step, value = row["step"], row[column]
            if step is None or value is None or not math.isfinite(value):
                continue
            if value >= 0 or not column.startswith("val/"):
                steps.append(int(step))
                values.append(value)
        result[column] = Series(tuple(steps), tuple(values))
    return result


class CellFiles:
    """What train, predict and analyse leave of a cell under `root`. What reads a file raises
    InputError where it is missing or damaged, with the stage that makes it again."""

    def __init__(self, name: str, cell: Cell, root: Path = Path()) -> None:
        self.name, self.cell, self.root = name, cell, root
        record = paths.record(name, cell)
        self.run_file = self._of("train", record / "run.json")
        self.history_file = self._of("train", record / "history.csv")
        self.predicted_file = self._of("predict", paths.predicted(name, cell))
        self.metrics_file = self._of("analyse", paths.metrics(name, cell))
        self.per_class_file = self._of("analyse", paths.per_class(name, cell))
        self.details_file = self._of("analyse", paths.details(name, cell))

    def predictions_file(self, split: str) -> ResultFile:
        return self._of("predict", paths.predictions(self.name, self.cell, split))

    @cached_property
    def run(self) -> dict[str, Any]:
        """How the cell was trained."""
        return self.run_file.table()

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """DVC's metrics of the cell."""
        return self.metrics_file.table()

    @cached_property
    def per_class(self) -> dict[str, Any]:
        """AP of each class, and which training and annotations that is of."""
        return self.per_class_file.table()

    @cached_property
    def details(self) -> dict[str, dict[str, Any]]:
        """Split -> stages.analyse.describe()."""
        content = self.details_file.table()
        for split in paths.EVALUATED:
            if not isinstance(content.get(split), dict):
                raise self.details_file.wrong("does not hold val and test")
        return content

    @cached_property
    def predicted(self) -> dict[str, Any]:
        """Which training and annotations the predictions are of."""
        return self.predicted_file.table()

    def history(self) -> list[HistoryRow]:
        """The rows of the whole training, read anew each time: they are many."""
        return read_rows(self.history_file, self.run.get("iterations"))

    def predictions(self, split: str) -> list[dict[str, Any]]:
        """In COCO's results format, read anew each time: those of all cells take gigabytes."""
        content = self.predictions_file(split).json()
        if not isinstance(content, list):
            raise self.predictions_file(split).wrong("not a list of detections")
        return content

    def why_missing(self) -> str:
        """Why the cell has no results, one line: the first file that is missing, or predictions or
        an analysis of an earlier training; "" where it has. Raises InputError for a damaged
        file."""
        # Each stage asks for those before it.
        needed = [self.run_file, self.history_file]
        needed += [self.predictions_file(split) for split in paths.EVALUATED]
        needed += [self.predicted_file, self.metrics_file, self.per_class_file, self.details_file]
        for file in needed:
            if not (self.root / file.path).is_file():
                return str(file.missing())
        training = self.run.get("training_id")
        if self.predicted.get("training_id") != training:
            return str(self.predicted_file.stale())
        if self.per_class.get("training_id") != training:
            return str(self.per_class_file.stale())
        return ""

    def _of(self, stage: str, path: Path) -> ResultFile:
        return ResultFile(path, remedy(self.name, stage), self.root)
