"""history.csv of a training: its rows as numbers, and the curves of them that can be drawn."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass

from stages.results.files import ResultFile

# One row of history.csv: column -> number, None where the step has none.
Row = dict[str, float | None]
# Columns that say where a row stands.
PLACES = ("step", "epoch")


@dataclass(frozen=True)
class Series:
    """One curve: finite values at strictly positive training steps, in file order."""

    steps: tuple[int, ...]
    values: tuple[float, ...]


def read_rows(file: ResultFile, iterations: int | None = None) -> list[Row]:
    """iterations: the training's last step, where it is over.

    Raises InputError where the file is no history or ends before that step.
    """
    text = file.text()
    rows = []
    last = 0
    try:
        for cells in csv.DictReader(text.splitlines(), strict=True):
            last = int(cells["step"])
            row: Row = {}
            for column, value in cells.items():
                row[column] = float(value) if value else None
            rows.append(row)
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise file.wrong(f"not a training history ({error!r})") from None
    if (text and not text.endswith("\n")) or iterations not in (None, last):
        raise file.wrong(f"ends in the middle, at step {last}")
    return rows


def curves(rows: Sequence[Row]) -> dict[str, Series]:
    """Column -> its curve. A score below 0 is COCO's sign for nothing to measure."""
    result = {}
    for column in sorted(rows[0].keys() - set(PLACES)):
        steps, values = [], []
        for row in rows:
            value = row[column]
            if value is None or not math.isfinite(value):
                continue
            if value >= 0 or not column.startswith("val/"):
                steps.append(int(row["step"]))
                values.append(value)
        result[column] = Series(tuple(steps), tuple(values))
    return result
