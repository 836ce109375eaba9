"""The comparison in the few numbers that `dvc metrics` and `dvc exp show` print, and each cell's."""

from __future__ import annotations

import json
from collections.abc import Sequence

from stages.report.results import SPLITS, CellResult
from stages.verdict.judgement import Judgement


def summary_json(cells: Sequence[CellResult], judgement: Judgement) -> str:
    """What was concluded; null where there was nothing to measure. `cells`: the rows with results, repeats among them.
    p_best, expected_loss: of the chosen cell (stages.verdict.best.Standing); cells/ has every cell's.

    Every key is a column of DVC's tables, in this order in `dvc exp show`: what fits on a screen comes first, and the
    cells have a file of their own.
    """
    choice = judgement.choice
    chosen = judgement.standings.get(choice.chosen or "")
    outcomes = [finding.outcome for finding in judgement.findings]
    return _text({
        **{f"best_{split}_mAP_50": _highest(judgement, f"{split}/bbox_mAP_50") for split in SPLITS},
        "holds": judgement.holds, "chosen": choice.chosen, "best": choice.best,
        "p_best": chosen and chosen.p_best, "expected_loss": chosen and chosen.expected_loss,
        **{outcome: outcomes.count(outcome) for outcome in ("supported", "rejected", "undecided")},
        "cells": len(cells), "holes": len(judgement.holes)})


def cell_files(cells: Sequence[CellResult], judgement: Judgement) -> dict[str, str]:
    """cells/<row>.json: its bbox_mAP_50 on val and test, and of the rows that stand for a cell the probability that it
    is the best.

    A file per row is a row per cell in `dvc metrics show`, and in `dvc exp show` some columns beside the cell's params.
    """
    files = {}
    for cell in cells:
        scores = {split: cell.scores[split]["bbox_mAP_50"] for split in SPLITS}
        standing = judgement.standings.get(cell.name)
        if standing is not None:
            scores["p_best"] = standing.p_best
        files[f"cells/{cell.name}.json"] = _text(scores)
    return files


def _highest(judgement: Judgement, metric: str) -> float | None:
    """Of all cells; that of a repeated cell is the mean of its repeats."""
    return max((known[metric].value for known in judgement.estimates.values() if known.get(metric)), default=None)


def _text(content: dict[str, object]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
