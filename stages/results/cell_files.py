"""The files of one finished cell, each read when it is asked for, and once."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from stages.results import history
from stages.results.files import ResultFile, remedy
from stages.study import paths
from stages.study.params import Cell


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
        """Split -> stages.analysis.depth.describe()."""
        content = self.details_file.table()
        for split in paths.EVALUATED:
            if not isinstance(content.get(split), dict):
                raise self.details_file.wrong("does not hold val and test")
        return content

    @cached_property
    def predicted(self) -> dict[str, Any]:
        """Which training and annotations the predictions are of."""
        return self.predicted_file.table()

    def history(self) -> list[history.Row]:
        """The rows of the whole training, read anew each time: they are many."""
        return history.read_rows(self.history_file, self.run.get("iterations"))

    def predictions(self, split: str) -> list[dict[str, Any]]:
        """Detections in COCO's results format. Read anew each time: those of all cells at once
        would take gigabytes."""
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
