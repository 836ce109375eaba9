"""The comparison in the few numbers that `dvc metrics` and `dvc exp show` print, and each
cell's."""

from __future__ import annotations

import json
from collections.abc import Sequence

from stages.results.cell import CellResult
from stages.study.paths import EVALUATED
from stages.verdict.judgement import Judgement


def summary_json(cells: Sequence[CellResult], judgement: Judgement) -> str:
    """What was concluded; null where there was nothing to measure. `cells`: the rows with results,
    repeats among them.

    p_best, expected_loss: of the chosen cell (stages.verdict.best.Standing); cells/ has every
    cell's. more_images_*, in a study with a learning curve: what twice the training images of its
    last cell are expected to give in the metric that decides, with the 95 % interval; the gain is
    null where the interval is wider than all of the curve.

    Every key is a column of DVC's tables, in this order in `dvc exp show`: what fits on a screen
    comes first, and the cells have a file of their own.
    """
    choice = judgement.choice
    content: dict[str, object] = {}
    for split in EVALUATED:
        content[f"best_{split}_mAP_50"] = _highest(judgement, f"{split}/bbox_mAP_50")
    content["holds"] = judgement.holds
    content["chosen"] = choice.chosen
    content["best"] = choice.best
    chosen = judgement.standings.get(choice.chosen or "")
    content["p_best"] = chosen and chosen.p_best
    content["expected_loss"] = chosen and chosen.expected_loss
    outcomes = [finding.outcome for finding in judgement.findings]
    for outcome in ("supported", "rejected", "undecided"):
        content[outcome] = outcomes.count(outcome)
    content["cells"] = len(cells)
    content["holes"] = len(judgement.holes)
    share = judgement.learning_curve
    if share is not None:
        gain = share.curve.doubled
        content["more_images_cell"] = share.cells[-1]
        content["more_images_gain"] = None if gain.useless else gain.value
        content["more_images_low"] = gain.low
        content["more_images_high"] = gain.high
    return _text(content)


def cell_files(cells: Sequence[CellResult], judgement: Judgement) -> dict[str, str]:
    """cells/<row>.json: its bbox_mAP_50 on val and test, and of the rows that stand for a cell the
    probability that it is the best.

    A file per row is a row per cell in `dvc metrics show`, and in `dvc exp show` some columns
    beside the cell's params.
    """
    files = {}
    for cell in cells:
        scores = {split: cell.scores[split]["bbox_mAP_50"] for split in EVALUATED}
        standing = judgement.standings.get(cell.name)
        if standing is not None:
            scores["p_best"] = standing.p_best
        files[f"cells/{cell.name}.json"] = _text(scores)
    return files


def _highest(judgement: Judgement, metric: str) -> float | None:
    """Of all cells; that of a repeated cell is the mean of its repeats."""
    values = []
    for estimates in judgement.estimates.values():
        estimate = estimates.get(metric)
        if estimate:
            values.append(estimate.value)
    return max(values, default=None)


def _text(content: dict[str, object]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
