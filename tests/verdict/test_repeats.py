"""Rows that repeat a cell with another seed or fold, judged as one cell."""

from __future__ import annotations

import dataclasses

import pytest
from made_matrix import (
    IMAGES,
    R50,
    R101,
    load,
    matrix,
    row,
    study_of,
    write_cell,
    write_truth,
)
from scipy import stats

from stages.study.params import Hypothesis
from stages.verdict.matrix import conclude

AP50 = "val/bbox_mAP_50"


def test_rows_that_differ_in_the_seed_alone_are_one_cell(tmp_path):
    rows = {
        R50: row("r50"),
        "again": row("r50", seed=1),
        R101: row("r101"),
        "again too": row("r101", seed=1),
    }
    matrix(tmp_path, rows, dict.fromkeys(rows, 0.5))
    losses = {R50: 1.0, "again": 1.1, R101: 0.5, "again too": 0.55}
    for number, (name, loss) in enumerate(losses.items()):
        quality = 0.4 if "50" in name or name == "again" else 0.9
        write_cell(tmp_path, name, rows[name], quality, seed=number, run={"train_loss": loss})
    claims = [Hypothesis("It learns more", {"train/loss": "r50 > r101", AP50: "r50 < r101"})]
    found = conclude(study_of(rows, claims), load(tmp_path, rows), root=tmp_path)
    assert found.repeats == {R50: (R50, "again"), R101: (R101, "again too")}
    assert found.estimates[R50][AP50].runs == (2,) and found.pair(R50, R101).difference.runs == (
        2,
        2,
    )
    scores = [cell.scores["val"]["bbox_mAP_50"] for cell in load(tmp_path, rows)]
    assert found.estimates[R50][AP50].value == pytest.approx(sum(scores[:2]) / 2)
    pair = found.pair(R101, R50, "train/loss")
    expected = stats.ttest_ind([0.5, 0.55], [1.0, 1.1])
    assert (
        pair.p == pytest.approx(expected.pvalue)
        and pair.outcome == "better"
        and pair.probability > 0.97
    )
    assert (pair.difference.low, pair.difference.high) == pytest.approx(
        tuple(expected.confidence_interval(0.95))
    )
    assert found.findings[0].outcome == "supported" and not found.findings[0].confounded
    assert "trained once" not in found.why


def test_rows_that_differ_in_the_fold_alone_are_one_cell(tmp_path):
    # The row on the study's own fold stands for the cell, wherever it is listed.
    rows = {
        "r50 fold 1": row("r50", fold=1),
        R50: row("r50"),
        R101: row("r101"),
        "r101 fold 1": row("r101", fold=1),
    }
    study = study_of(rows)
    study = dataclasses.replace(study, data=dataclasses.replace(study.data, folds=2))
    for fold in (None, 1):
        write_truth(tmp_path, "val", fold=fold)
    write_truth(tmp_path, "test")
    for number, (name, cell) in enumerate(rows.items()):
        # Other images are other data, and that is no difference between repeats.
        write_cell(
            tmp_path,
            name,
            cell,
            0.3 + 0.1 * number,
            number,
            run={"data_digest": f"of fold {cell.fold}"},
        )
    found = conclude(study, load(tmp_path, rows), root=tmp_path)
    assert found.repeats == {R50: (R50, "r50 fold 1"), R101: (R101, "r101 fold 1")}
    val, test = (
        found.pair(R101, R50, f"{split}/bbox_mAP_50").difference for split in ("val", "test")
    )
    assert (val.splits, val.runs, val.images) == (2, (2, 2), 2 * IMAGES)
    # test is the same for both folds, which are runs on it as other seeds are.
    assert (test.splits, test.runs, test.images) == (1, (2, 2), IMAGES)
    scores = {cell.name: cell.scores["val"]["bbox_mAP_50"] for cell in load(tmp_path, rows)}
    apart = [scores[R101] - scores[R50], scores["r101 fold 1"] - scores["r50 fold 1"]]
    assert val.value == pytest.approx(sum(apart) / 2)
    assert found.fairness[R50, R101].fair and "also differ" not in found.why


def test_repeats_that_are_none_are_told(tmp_path):
    rows = {R50: row("r50"), "again": row("r50", seed=1), R101: row("r101")}
    matrix(tmp_path, rows, {R50: 0.6, "again": 0.6, R101: 0.9})
    write_cell(tmp_path, "again", rows["again"], 0.6, run={"code_digest": "c3"})
    found = conclude(study_of(rows), load(tmp_path, rows), root=tmp_path)
    assert f"The repeats of {R50} also differ in code." in found.why


def test_a_repeat_against_a_single_training_is_fair_and_widens_the_interval(tmp_path):
    rows = {R50: row("r50"), "again": row("r50", seed=1), R101: row("r101")}
    cells = matrix(tmp_path, rows, {R50: 0.5, "again": 0.7, R101: 0.6})
    found = conclude(study_of(rows), cells, root=tmp_path)
    assert found.fairness[R50, R101].fair and found.fairness[R101, R50].fair
    assert found.pair(R50, R101).difference.of_runs > 0
    # Two single trainings with seeds of their own differ by chance that nothing shows.
    apart = {R50: row("r50"), R101: row("r101", seed=1)}
    alone = conclude(
        study_of(apart),
        matrix(tmp_path / "apart", apart, {R50: 0.5, R101: 0.6}),
        root=tmp_path / "apart",
    )
    assert alone.fairness[R50, R101].topics == ("seed",)
