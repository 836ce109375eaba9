"""The words around the table of results: the highest scores, whether training went well, and what
the terms of the report mean, with the numbers that were used."""

from __future__ import annotations

from collections.abc import Sequence

from stages.report.table import SCORES, TRAIN_LOSS, extreme, label_of
from stages.results.cell import CellResult
from stages.study.counts import count
from stages.study.paths import EVALUATED
from stages.verdict.estimates import ALPHA, POWER
from stages.verdict.judgement import Judgement


def highest(cells: Sequence[CellResult], judgement: Judgement) -> list[str]:
    """The highest mAP50 of each split. cells: one for each judged cell, as the table shows it."""
    remarks = []
    for split in EVALUATED:
        column = SCORES[split, "bbox_mAP_50"]
        top = extreme(column, cells)
        if top is None:
            remarks.append(f"No cell has a {column.label}.")
            continue
        value = column.value(top)
        names = [judgement.short(cell.name) for cell in cells if column.value(cell) == value]
        if len(cells) == 1:
            remarks.append(f"{column.label} is {column.text(value)} ({names[0]}).")
        else:
            remarks.append(f"Highest {column.label}: {column.text(value)} ({', '.join(names)}).")
    return remarks


def learning(cells: Sequence[CellResult], judgement: Judgement) -> list[str]:
    """Whether validation rose during training, and where a loss was not finite."""
    remarks, rose, fell = [], 0, []
    for cell in cells:
        curve = cell.history.get("val/bbox_mAP_50")
        if curve is None or len(curve.values) < 2:
            continue
        if curve.values[-1] > curve.values[0]:
            rose += 1
        else:
            fell.append(judgement.short(cell.name))
    compared = rose + len(fell)
    if compared:
        of_all = f"{rose} of {count(compared, 'cells')}"
        exceptions = f"; not in {', '.join(fell)}" if fell else ""
        remarks.append(
            f"val mAP50 rose from the first to the last validation in {of_all}{exceptions}."
        )
    if compared < len(cells):
        without = count(len(cells) - compared, "cells")
        remarks.append(f"{without} had fewer than two validations to compare.")
    for cell in cells:
        if cell.lost_steps:
            steps = count(cell.lost_steps, "training steps")
            remarks.append(
                f"{judgement.short(cell.name)}: the loss was not a finite number in {steps}."
            )
    return remarks


def losses(cells: Sequence[CellResult]) -> list[str]:
    """A warning where detectors that sum different terms share the table."""
    detectors = []
    for cell in cells:
        if TRAIN_LOSS.value(cell) is not None:
            detectors.append(str(cell.row["detector"]))
    if len(set(detectors)) < 2:
        return []
    names = ", ".join(dict.fromkeys(detectors))
    return [
        f"Train losses of {names} are sums of different terms: compare them within one detector."
    ]


def terms(judgement: Judgement) -> dict[str, str]:
    """Term -> what it means."""
    metric = label_of(judgement.metric)
    pairs = len(judgement.pairs.get(judgement.metric, ()))
    return {
        "95 % interval": (
            "From replicates of the split with images drawn anew (paired bootstrap: the same draws "
            "for all cells), corrected for bias; with several seeds or folds also from these."
        ),
        "against the best": (
            f"{metric} less that of the cell of highest score. The intervals of all cells hold "
            "together with a probability of 95 % (Dunnett 1955). Worse: the interval lies below 0. "
            f"As good: it lies above the margin, -{judgement.margin:g}. Undecided: neither."
        ),
        "margin": (
            f"The loss in {metric} that is accepted for a lower cost: verdicts.margin in "
            f"params.yaml, {judgement.margin:g}."
        ),
        "the choice": (
            "The cheapest cell that is shown to lose no more than the margin against whichever cell "
            "is really the best (simultaneous bounds of 95 %, Hsu 1984). Where none is shown to, the "
            "cell of highest score."
        ),
        "P(best), expected loss": (
            "In how many of the replicates the cell is the best, and how much it loses on average "
            "against the best of each replicate."
        ),
        "good cells": "The cells that no interval shows to be worse than the best.",
        "better, worse, not distinguishable": (
            f"Of two cells: a difference counts where its two-sided p is under {ALPHA:g} after Holm's "
            f"correction over all {pairs} pairs, and the interval is drawn at that level. No class "
            "or size with under 100 boxes decides anything."
        ),
        "supported, rejected, undecided": (
            "The comparisons of a hypothesis are a family of their own. Supported: each of them alone "
            f"is significant at {ALPHA:g} in the claimed direction (Berger 1982). Rejected: one of "
            "them is significant in the other direction, corrected for their number (Holm 1979)."
        ),
        "would be decided by": (
            f"As many images, or repeats, as would decide it in {POWER:.0%} of cases if the "
            "difference is what was observed."
        ),
        "confounded": (
            "The two cells also differ in a setting that their comparison is not about and that can "
            "change a score, or of which nobody knows whether it differs."
        ),
        "Pareto front, dominated": (
            "A cell is dominated where another one is as good or better in the score and in every "
            "measured cost, and better in one. The others are the Pareto front."
        ),
    }
