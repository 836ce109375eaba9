"""The comparison in MLflow, on a real sqlite store and a real server: verdicts as tags, one run for one judgement."""

from __future__ import annotations

import csv
import dataclasses
import io

import pytest
from report_cells import NAMES
from report_judgements import judged
from tracked_cells import Matrix, folder, here, server, study, tracker  # noqa: F401

from stages.comparison import outcomes, registry
from stages.results.cell import ClassScore

# The fixtures are imported.
# ruff: noqa: F811
R50, SWIN, PAFPN, CASCADE = NAMES


def test_cells_hang_below_a_run_that_says_what_was_concluded(tracker, study):
    matrix = Matrix(tracker)
    judgement = judged(matrix.cells, holes={"faster_rcnn-x101-fpn-sgd-512": "not trained"})
    matrix.log(study, judgement)
    [run] = matrix.comparisons()
    assert run.info.status == "FINISHED" and run.info.run_name == "comparison of 4 cells"
    tags = run.data.tags
    assert (tags["kind"], tags["chosen"], tags["best"], tags["verdict"]) == (
        "comparison",
        CASCADE,
        CASCADE,
        "holds",
    )
    assert (
        [tags["hypothesis.1"], tags["hypothesis.2"]]
        == [one.outcome for one in judgement.findings]
        == ["supported", "undecided"]
    )
    assert tags["hypothesis.1.sentence"] == judgement.findings[0].sentence
    assert tags["holes"] == "faster_rcnn-x101-fpn-sgd-512: not trained"
    assert (
        run.data.metrics["cells"] == 4
        and run.data.metrics["holes"] == 1
        and run.data.metrics["supported"] == 1
    )
    one = judgement.estimates[SWIN][judgement.metric]
    assert [run.data.metrics[f"val_bbox_mAP_50{end}/{SWIN}"] for end in ("", "_low", "_high")] == [
        one.value,
        one.low,
        one.high,
    ]
    # The children, and what their table can be filtered by.
    assert (
        set(matrix.tags("mlflow.parentRunId"))
        == set(matrix.tags("comparison"))
        == {run.info.run_id}
    )
    assert matrix.tags("verdict") == ["worse", "worse", "worse", "best"]
    assert matrix.tags("chosen") == ["no", "no", "no", "yes"] and set(matrix.tags("kind")) == {
        "cell"
    }
    assert matrix.named("tags.verdict = 'worse' and tags.backbone = 'swin_l'") == {SWIN, PAFPN}
    assert matrix.named("tags.neck = 'fpn' and tags.detector = 'cascade_rcnn'") == {CASCADE}
    swin = matrix.run(SWIN).data.metrics
    assert [swin[f"verdict/val_bbox_mAP_50{end}"] for end in ("", "_low", "_high")] == [
        one.value,
        one.low,
        one.high,
    ]
    to_best = judgement.pair(SWIN, CASCADE).difference
    assert swin["verdict/to_best"] == to_best.value < 0
    standing = judgement.standings[SWIN]
    assert (swin["verdict/to_best_low"], swin["verdict/to_best_high"]) == standing.interval
    assert [swin[f"verdict/{key}"] for key in ("p_best", "expected_loss", "loss_high")] == [
        standing.p_best,
        standing.expected_loss,
        standing.loss_high,
    ]
    assert (
        run.data.metrics[f"p_best/{SWIN}"] == standing.p_best
        and run.data.metrics["margin"] == judgement.margin
    )
    assert (
        run.data.metrics["false_alarms_expected"] == pytest.approx(0.05) and tags["shown"] == "yes"
    )
    assert tags["possible_best"] == CASCADE and matrix.tags("possible_best") == [
        "no",
        "no",
        "no",
        "yes",
    ]
    assert "verdict/to_best" not in matrix.run(CASCADE).data.metrics
    assert (swin["val/AP50/01 Paper"], swin["test/AP50/02 Battery"]) == (
        matrix.cells[1].per_class["val"][0].AP50,
        matrix.cells[1].per_class["test"][1].AP50,
    )
    assert "val/AP50/02 Battery" not in swin
    [point] = matrix.client.get_metric_history(matrix.run(SWIN).info.run_id, "verdict/to_best")
    assert point.step == 12
    # Files.
    written = list((tracker / "reports").rglob("*.*"))
    assert {"index.html", "summary.json"} <= {file.name for file in written}
    for file in written:
        assert (
            matrix.read(run.info.run_id, f"report/{file.relative_to(tracker / 'reports')}")
            == file.read_text()
        )
    assert matrix.read(run.info.run_id, "classes.csv") == outcomes.classes_csv(
        judgement, {"Paper": "01 Paper", "Battery": "02 Battery"}
    )


def test_a_contrary_judgement_gives_contrary_tags_and_a_parent_of_its_own(here, study):
    matrix = Matrix(here)
    matrix.log(study, judged(matrix.cells))
    pareto = matrix.tags("pareto")
    first = matrix.comparisons()[0].info.run_id
    scores = {
        name: {**cell.scores["val"], "bbox_mAP_50": value}
        for name, cell, value in zip(NAMES, matrix.cells, (0.5, 0.49, 0.2, 0.1), strict=True)
    }
    contrary = judged(
        [
            dataclasses.replace(cell, scores={**cell.scores, "val": scores[cell.name]})
            for cell in matrix.cells
        ],
        holds=False,
        why="Too few images.",
    )
    matrix.log(study, contrary)
    second, old = matrix.comparisons()
    assert old.info.run_id == first and set(matrix.tags("mlflow.parentRunId")) == {
        second.info.run_id
    }
    assert matrix.tags("verdict") == ["best", "undecided", "worse", "worse"]
    assert matrix.tags("chosen") == ["yes", "no", "no", "no"]
    # The first has the fewest parameters and minutes, and now the highest score: it dominates all others.
    assert pareto == ["member"] * 4 and matrix.tags("pareto") == ["member", *["dominated"] * 3]
    assert second.data.tags["hypothesis.1"] == contrary.findings[0].outcome == "undecided"
    assert (
        second.data.tags["verdict"] == "does not hold"
        and second.data.tags["why"] == "Too few images."
    )
    assert matrix.run(CASCADE).data.metrics["verdict/to_best"] == pytest.approx(-0.4)


def test_the_same_judgement_again_changes_nothing(here, study):
    matrix = Matrix(here)
    judgement = judged(matrix.cells)
    matrix.log(study, judgement)
    before = matrix.run(SWIN).data.to_dictionary()
    (here / "reports/index.html").write_text("<p>written by newer code</p>")
    matrix.log(study, judgement)
    [run] = matrix.comparisons()
    assert matrix.run(SWIN).data.to_dictionary() == before and run.info.status == "FINISHED"
    assert "newer" in matrix.read(run.info.run_id, "report/index.html")
    for name in ("verdict/val_bbox_mAP_50", "val/AP50/01 Paper"):
        assert len(matrix.client.get_metric_history(matrix.run(SWIN).info.run_id, name)) == 1
    assert len(matrix.client.search_model_versions(f"name = '{registry.model_name()}'")) == 1
    # A retrained cell makes it another comparison, be its numbers the same.
    again = [
        dataclasses.replace(cell, run={**cell.run, "run_id": matrix.cells[1].run_id})
        if cell.name == R50
        else cell
        for cell in matrix.cells
    ]
    assert outcomes.comparison_digest(judgement, again) != outcomes.comparison_digest(
        judgement, matrix.cells
    )


def test_repeats_carry_the_verdict_on_their_cell(here, study):
    matrix = Matrix(here)
    two = [matrix.cells[0], matrix.cells[3]]
    judgement = judged(two, repeats={R50: (R50, SWIN, PAFPN), CASCADE: (CASCADE,)})
    matrix.log(study, judgement)
    assert matrix.tags("verdict") == ["worse", "worse", "worse", "best"]
    assert len(set(matrix.tags("comparison"))) == 1
    # The interval is the cell's, the classes are each training's own.
    shared, own = "verdict/val_bbox_mAP_50", "val/AP50/01 Paper"
    assert matrix.run(SWIN).data.metrics[shared] == matrix.run(R50).data.metrics[shared]
    assert matrix.run(SWIN).data.metrics[own] == matrix.cells[1].per_class["val"][0].AP50


def test_hostile_class_names_become_metrics_that_lead_back(tracker, study):
    names = [
        "Paper",
        "폐지 <b>",
        "../../x",
        "a/b",
        "a_b",
        "a:b",
        "</script>\"'`",
        "x" * 300,
        "♻️",
        "  ",
        "line\nbreak",
        "..",
        "%s $x$ \\frac",
        "=1+1",
        "Paper ",
    ]
    matrix = Matrix(tracker)
    scores = tuple(
        ClassScore(name, 40, None, (number + 1) / 100) for number, name in enumerate(names)
    )
    cells = [
        dataclasses.replace(cell, per_class={"val": scores, "test": ()}) for cell in matrix.cells
    ]
    judgement = judged(cells)
    matrix.log(study, judgement, cells)
    metrics = matrix.run(SWIN).data.metrics
    run_id = matrix.comparisons()[0].info.run_id
    table = list(csv.DictReader(io.StringIO(matrix.read(run_id, "classes.csv"), newline="")))
    found = {row["name"]: row["metric"] for row in table if row["cell"] == SWIN}
    assert list(found) == names and len(set(found.values())) == len(names)
    assert {name: metrics[f"val/AP50/{key}"] for name, key in found.items()} == {
        score.name: score.AP50 for score in scores
    }
    assert found["폐지 <b>"] == "02 폐지 _b_" and found["  "] == "10"


def test_a_judgement_of_nothing_is_logged_too(here, study):
    matrix = Matrix(here)
    gaps = {split: dict.fromkeys(known) for split, known in matrix.cells[0].scores.items()}
    cells = [
        dataclasses.replace(cell, scores=gaps, per_class={"val": (), "test": ()})
        for cell in matrix.cells
    ]
    matrix.log(study, judged(cells, holds=False, why="No cell has a val/bbox_mAP_50."), cells)
    assert matrix.tags("verdict") == ["no verdict"] * 4 and matrix.tags("chosen") == ["no"] * 4
    assert matrix.tags("pareto") == ["incomplete"] * 4
    run = matrix.comparisons()[0]
    assert run.info.status == "FINISHED" and "chosen" not in run.data.tags
