"""The comparison as numbers for other programs: the few that `dvc metrics` and `dvc exp show` print,
each cell's, and compare.csv with all of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence

from stages.report.table import ALL, COST_COLUMNS
from stages.report.verdicts.hypotheses import HYPOTHESIS_OUTCOMES
from stages.results.cell import CellResult
from stages.study.paths import EVALUATED
from stages.study.schema import FACTORS
from stages.verdict.judgement import Judgement

# Columns of compare.csv.
_VERDICTS = (
    *("against_best", "difference", "difference_low", "difference_high"),
    *("p_best", "expected_loss", "loss_high", "possible_best", "pareto"),
)


def summary_json(cells: Sequence[CellResult], judgement: Judgement) -> str:
    """What was concluded; null where there was nothing to measure. `cells`: the rows with results,
    repeats among them.

    p_best, expected_loss: of the chosen cell (stages.verdict.best.Standing); cells/ has every
    cell's. more_images_*, in a study with a learning curve: what twice the training images of its
    last cell are expected to give in the metric that decides, with the 95 % interval; the gain is
    null where the interval is wider than all of the curve.

    Every key is a column of `dvc exp show`, in this order: what fits on a screen comes first.
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
    for outcome in HYPOTHESIS_OUTCOMES:
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
        if estimate := estimates.get(metric):
            values.append(estimate.value)
    return max(values, default=None)


def _text(content: dict[str, object]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def compare_csv(cells: Sequence[CellResult], judgement: Judgement) -> str:
    """One row per cell in full float precision; an empty field is a value that could not be
    measured.

    against_best, difference, ...: the cell against the one of highest score in the deciding metric
    (stages/verdict/best.py). A row that repeats another cell has none of its own.
    """
    columns = (*ALL, *COST_COLUMNS)
    keys = [column.key for column in columns]
    lines: list[Sequence[object]] = [["cell", *FACTORS, *keys, *_VERDICTS, "run_id"]]
    for cell in cells:
        row = [cell.row[key] for key in FACTORS]
        values = [column.value(cell) for column in columns]
        verdict = _verdict_values(judgement, cell.name).values()
        lines.append([cell.name, *row, *values, *verdict, cell.run_id])
    return csv_text(lines)


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def _verdict_values(judgement: Judgement, name: str) -> dict[str, object]:
    """Of the columns on verdicts; the interval is the simultaneous one against the highest cell."""
    standing, best = judgement.standings.get(name), judgement.choice.best
    values: dict[str, object] = dict.fromkeys(_VERDICTS)
    if name not in judgement.estimates:
        return values
    place = judgement.front.place(name)
    values["pareto"] = {"member": "front", "dominated": "dominated"}.get(place)
    if name == best:
        values["against_best"] = "best"
    if standing is None:
        return values
    pair = judgement.pair(name, best or "")
    if pair is not None:
        values["difference"] = pair.difference.value
        values["difference_low"], values["difference_high"] = standing.interval
    values["against_best"] = standing.word
    for key in ("p_best", "expected_loss", "loss_high", "possible_best"):
        values[key] = getattr(standing, key)
    return values
