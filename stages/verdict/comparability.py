"""Which pairs of cells were compared fairly, and which repeats are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from stages.model import config_file
from stages.results.cell import CellResult
from stages.study import paths
from stages.study.params import Study
from stages.tracking import provenance
from stages.verdict import fairness
from stages.verdict.fairness import Fairness
from stages.verdict.selected_rows import REPEATED, declared
from stages.verdict.settings import Settings

# Stands for the seeds or folds of a repeated cell.
_SEVERAL = "several"


def settings_of(results: Mapping[str, CellResult], root: Path) -> dict[str, Settings]:
    """Row -> what it was trained with, from run.json and models/<row>/config.py."""
    entries = provenance.accepted(root)
    settings = {}
    for name, result in results.items():
        recorded = dict(result.run)
        if "code_digest" in recorded:
            # Code that was shown to make the same bits is the same code.
            recorded["code_digest"] = provenance.newest(recorded["code_digest"], entries)
        config = None
        path = root / paths.model(name) / "config.py"
        if path.is_file():
            config = config_file.read(path).to_dict()
            # run.json has the same.
            config.pop("training", None)
        settings[name] = Settings(name, recorded, config)
    return settings


def fair_pairs(
    study: Study,
    results: Mapping[str, CellResult],
    rows: Mapping[str, tuple[str, ...]],
    settings: Mapping[str, Settings],
) -> dict[tuple[str, str], Fairness]:
    """Every two cells in both orders, over the factors in which they are declared to differ.
    results, settings: of each row; rows: cell -> its rows."""
    compared = {}
    for first, second in combinations(rows, 2):
        factors = declared(study.cell(first), study.cell(second))
        # Where one of the two was repeated, chance is part of the interval and no confounder.
        chance = {}
        for key in REPEATED:
            for names in (rows[first], rows[second]):
                if len({results[row].run.get(key) for row in names}) > 1:
                    chance[key] = _SEVERAL
        a, b = settings[first], settings[second]
        a = replace(a, recorded={**a.recorded, **chance})
        b = replace(b, recorded={**b.recorded, **chance})
        compared[first, second] = fairness.compare(a, b, factors, study.training.lr)
        compared[second, first] = compared[first, second].swapped()
    return compared


def uneven_repeats(
    study: Study, rows: Mapping[str, tuple[str, ...]], settings: Mapping[str, Settings]
) -> dict[str, tuple[str, ...]]:
    """Cell -> what its repeats differ in beside seed and fold, where they do."""
    uneven = {}
    for name, names in rows.items():
        topics: dict[str, None] = {}
        for row in names[1:]:
            compared = fairness.compare(settings[name], settings[row], REPEATED, study.training.lr)
            topics |= dict.fromkeys(compared.topics)
        if topics:
            uneven[name] = tuple(topics)
    return uneven
