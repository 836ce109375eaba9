"""Rows of params.yaml that differ in seed and fold alone: trainings of one cell, known by the first
row's name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from stages.study.params import Cell, Study
from stages.verdict.expressions import FACTORS

# What a row may set for itself beside the factors -> run.json's key of it.
OVERRIDES = {
    "epochs": "epochs",
    "batch_size": "batch_size",
    "lr": "lr_per_sample",
    "device_batch": "device_batch",
    "train_share": "train_share",
    "activation_checkpointing": "config.model.backbone.with_cp",
}
# What repeats of a cell may differ in, as keys of run.json.
REPEATED = ("seed", "fold")


def groups(study: Study, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The rows `names`, in their order: each cell's first row -> all of its rows, itself first.
    First is one on the study's own fold, if there is one: what is shown of a cell is shown on
    that."""
    repeats: dict[Cell, list[str]] = {}
    for name in sorted(names, key=lambda name: study.fold_of(study.cell(name)) is not None):
        cell = dataclasses.replace(study.cell(name), seed=None, fold=None)
        repeats.setdefault(cell, []).append(name)
    return {rows[0]: tuple(rows) for rows in repeats.values()}


def declared(first: Cell, second: Cell) -> tuple[str, ...]:
    """The factors in which two rows are declared to differ, as keys of run.json. Where there is
    none, what the rows set for themselves is what the two are about; beside a factor it is not."""
    factors = []
    for factor in FACTORS:
        if getattr(first, factor) != getattr(second, factor):
            factors.append(factor)
    if not factors:
        for key, recorded in OVERRIDES.items():
            if getattr(first, key) != getattr(second, key):
                factors.append(recorded)
    return tuple(factors)
