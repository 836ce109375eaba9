"""costs.json: what the cells cost to run, by the training that was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.results.files import ResultFile
from stages.study import paths


@dataclass(frozen=True)
class Measured:
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
    """costs.json under `root`, read once; without it no cell was measured."""

    def __init__(self, root: Path = Path()) -> None:
        """Raises InputError where the file is damaged."""
        self._file = ResultFile(paths.COSTS, "run `dvc repro costs`", root)
        self._content: dict[str, Any] = {"cells": {}}
        if (root / paths.COSTS).is_file():
            self._content = self._file.table()

    def of(self, name: str, training_id: str | None) -> Measured | None:
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
            spread = {}
            for key, (low, high) in cell["spread"].items():
                spread[key] = (float(low), float(high))
            machine, device, threads = (content[key] for key in ("machine", "device", "threads"))
            place = f"{machine}, {device} with {threads} threads"
            return Measured(costs, spread, cell["others"], place)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._file.wrong(f"not what stage costs writes ({error!r})") from None
