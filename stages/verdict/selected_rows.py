"""Rows of params.yaml before they are trained: which of them are repeats of one cell, and what a study
cannot judge once it has been trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from itertools import combinations

from stages.study import params
from stages.study.params import Cell, Study
from stages.verdict import wording
from stages.verdict.expressions import FACTORS, TRAIN_SHARE, Level
from stages.verdict.statements import check
from stages.verdict.trained import Trained, pairs_of

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


def warnings(study: Study) -> list[str]:
    """One line each: hypotheses without a pair of rows, then factors that never vary alone."""
    rows = {}
    for name in groups(study, study.selected()):
        cell = study.cell(name)
        rows[name] = {factor: getattr(cell, factor) for factor in FACTORS}
        if cell.train_share is not None:
            rows[name][TRAIN_SHARE] = cell.train_share
    return [*_without_pair(study, rows), *_tied(rows)]


def _without_pair(study: Study, rows: Mapping[str, Mapping[str, Level]]) -> list[str]:
    """Hypotheses of which a comparison has no two rows that differ in its factor alone."""
    untrained = [Trained(name, row, {}) for name, row in rows.items()]
    lines = []
    steps_of_all = check(study.hypotheses, params.levels(study))
    for number, (hypothesis, steps) in enumerate(zip(study.hypotheses, steps_of_all, strict=True)):
        comparisons = 0
        absent: dict[str, None] = {}
        for _, step in steps:
            pairs, rows_without = pairs_of(step, hypothesis.where, untrained)
            comparisons += len(pairs)
            absent |= dict.fromkeys(rows_without)
        if not absent:
            continue
        trouble = "cannot be judged"
        if comparisons:
            trouble = "cannot be supported, because a part of it has no pair"
        missing = " or ".join(list(absent)[: wording.MOST])
        lines.append(
            f"hypotheses[{number}]: {' '.join(hypothesis.claim.split())!r} {trouble}: no two selected "
            f"rows differ in its factor alone; there is no {missing}"
        )
    return lines


def _tied(rows: Mapping[str, Mapping[str, Level]]) -> list[str]:
    """Factors of which two levels never meet in a level of another factor: one line for each two
    factors, with the first such levels."""
    lines = []
    for factor, partner in combinations(FACTORS, 2):
        met = _levels(rows, factor, partner)
        for first, second in combinations(met, 2):
            if met[first].isdisjoint(met[second]):
                lines.append(
                    f"{factor} is confounded with {partner}: {first} is trained with "
                    f"{_joined(met[first])} alone, {second} with {_joined(met[second])}; a "
                    "difference between the two can be put down to neither. A row that changes "
                    "one of them alone would tell"
                )
                break
    return lines


def _levels(
    rows: Mapping[str, Mapping[str, Level]], factor: str, partner: str
) -> dict[Level, set[Level]]:
    """Level of `factor` -> the levels of `partner` in the rows that have it."""
    met: dict[Level, set[Level]] = {}
    for row in rows.values():
        met.setdefault(row[factor], set()).add(row[partner])
    return met


def _joined(levels: set[Level]) -> str:
    return " and ".join(sorted(map(str, levels)))
