"""The stage compare as a program: cells without results are named holes, and leave the others their report."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest
from conftest import CELLS, Project, make_project
from made_matrix import study_of, write, write_cell, write_truth
from report_cells import DATA

from stages.compare import strays
from stages.results.files import CellFiles
from stages.study import paths
from stages.study.names import short_names
from stages.study.params import Cell

R50, SWIN, PAFPN = CELLS
ROWS = {name: Cell(**row) for name, row in CELLS.items()}


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> tuple[Project, str]:
    """Two cells with results, the third without its predictions on test, after `python -m stages.compare`."""
    project = make_project(tmp_path_factory.mktemp("compare") / "clone")
    for split in ("val", "test"):
        write_truth(project.folder, split)
    write(project.folder / paths.PREPARED / "report.json", DATA)
    for name, quality in zip(ROWS, (0.3, 0.9, 0.9)):
        write_cell(project.folder, name, ROWS[name], quality)
    (project.folder / paths.predictions(PAFPN, ROWS[PAFPN], "test")).unlink()
    return project, project.run("python", "-m", "stages.compare").stdout


def test_a_hole_is_named_and_the_rest_reported(compared):
    project, output = compared
    assert (
        f"compare: {PAFPN} is left out: predictions/swin_l/pafpn/{PAFPN}/test.json is missing; run "
        f"`dvc repro stages/dvc.yaml:predict@{PAFPN}`"
    ) in output.splitlines()
    summary = json.loads((project.folder / "reports/summary.json").read_text(encoding="utf-8"))
    assert summary["cells"] == 2
    page = (project.folder / "reports/index.html").read_text(encoding="utf-8")
    assert R50 in page and SWIN in page


def test_predictions_and_an_analysis_of_an_earlier_training_are_holes(
    compared, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(compared[0].folder / "metrics", "metrics")
    shutil.copytree(compared[0].folder / "predictions", "predictions")
    assert CellFiles(R50, ROWS[R50]).why_missing() == ""
    record = paths.record(R50, ROWS[R50]) / "run.json"
    write(record, {**json.loads(record.read_text()), "training_id": "a later one"})
    assert CellFiles(R50, ROWS[R50]).why_missing() == (
        f"predictions/fpn/{R50}.json is of an earlier training; run `dvc repro "
        f"stages/dvc.yaml:predict@{R50}`"
    )
    write(paths.predicted(R50, ROWS[R50]), {"training_id": "a later one"})
    assert CellFiles(R50, ROWS[R50]).why_missing() == (
        f"metrics/fpn/{R50}.json is of an earlier training; run `dvc repro "
        f"stages/dvc.yaml:analyse@{R50}`"
    )


def test_a_row_on_another_fold_does_not_stand_alone():
    # What the report shows of a cell is shown on the study's own fold.
    rows = {R50: ROWS[R50], "there": dataclasses.replace(ROWS[R50], fold=1), SWIN: ROWS[SWIN]}
    study = study_of(rows)
    study = dataclasses.replace(study, data=dataclasses.replace(study.data, folds=2))
    assert strays(study, [R50, "there", SWIN]) == strays(study, [R50, SWIN]) == {}
    assert strays(study, ["there", SWIN]) == {"there": "no row of its cell on fold 0 has results"}


def test_what_is_concluded_is_told(compared):
    _, output = compared
    names = short_names(study_of(ROWS))
    assert f"compare: Ship {names[SWIN]}: " in output
    assert f"1 selected row has no results: {names[PAFPN]}." in output
    # No sentence of the verdict has a whole name; a message with a remedy has it.
    for line in output.splitlines():
        if "val/bbox_mAP_50" in line or "no results" in line:
            assert not any(row in line for row in ROWS), line


def test_without_any_results_there_is_no_report(compared, tmp_path):
    project = make_project(tmp_path / "clone")
    write(project.folder / paths.PREPARED / "report.json", DATA)
    done = project.run("python", "-m", "stages.compare", check=False)
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert done.stdout.splitlines()[-1] == (
        f"compare: no selected cell has results; metrics/r50/fpn/{R50}/run.json is missing; run `dvc repro "
        f"stages/dvc.yaml:train@{R50}`"
    )
    assert not (project.folder / "reports").exists()


def test_a_file_that_cannot_be_read_is_one_line(compared):
    project, _ = compared
    before = (project.folder / "reports/report.md").read_bytes()
    (project.folder / paths.predictions(SWIN, ROWS[SWIN], "val")).write_text("[{", encoding="utf-8")
    done = project.run("python", "-m", "stages.compare", check=False)
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith(
        f"compare: predictions/swin_l/fpn/{SWIN}/val.json: not JSON"
    )
    assert (project.folder / "reports/report.md").read_bytes() == before
