"""What a study cannot judge once it has been trained, said from its rows before anything is."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from stages.study import params
from stages.study.params import Study
from stages.verdict import wording
from stages.verdict.expressions import FACTORS, TRAIN_SHARE, Level
from stages.verdict.repeats import groups
from stages.verdict.statements import check
from stages.verdict.trained import Trained, pairs_of


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
