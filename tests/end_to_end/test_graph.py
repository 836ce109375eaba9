"""The graph under real DVC: what trains, what does not, and what the user reads when it cannot."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import CELLS, Project, make_project, trained

from stages.results.cell import Costs, load_cell
from stages.results.files import CellFiles
from stages.study import params, paths
from stages.training import cell_file
from stages.verdict.matrix import conclude

R50, SWIN, PAFPN = CELLS
OUTS = (
    "models",
    "metrics",
    "predictions",
    "costs",
    "reports",
    "data/prepared",
    "data/cells",
    "data/pretrained",
)


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> tuple[Project, str]:
    """A fresh clone after `dvc exp run -S backbone=swin_l`, and what that printed."""
    project = make_project(tmp_path_factory.mktemp("graph") / "clone")
    return project, project.run("dvc", "exp", "run", "-S", "backbone=swin_l").stdout


@pytest.fixture(scope="module")
def finished(first) -> tuple[Project, str]:
    """The same clone after a full `dvc repro`, and what that printed."""
    project, _ = first
    project.set_params(lambda values: values.update(backbone=""))
    return project, project.run("dvc", "repro").stdout


@pytest.fixture
def matrix(finished, tmp_path) -> Project:
    """A copy of the finished matrix to change at will."""
    subprocess.run(["cp", "-a", finished[0].folder, tmp_path / "clone"], check=True)
    return Project(tmp_path / "clone")


def ran(output: str) -> set[str]:
    """The stages that `dvc repro` or `dvc exp run` ran, without their file; those from the run cache did not."""
    return {
        stage.rpartition(":")[2] for stage in re.findall(r"^Running stage '([^']+)'", output, re.M)
    }


def report(project: Project) -> dict:
    return json.loads((project.folder / "reports/summary.json").read_text(encoding="utf-8"))


def state(project: Project) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in (project.folder / "reports").rglob("*")
        if path.is_file()
    }


def test_one_backbone_on_a_fresh_clone_trains_its_cells_only(first):
    _, output = first
    assert sorted(trained(output)) == sorted([SWIN, PAFPN])


def test_the_full_matrix_afterwards_trains_the_rest_only(finished):
    project, output = finished
    assert trained(output) == [R50]
    assert report(project)["cells"] == 3
    for name in CELLS:
        assert (project.folder / "models" / name / "best.pth").is_file()


def test_a_repro_that_changes_nothing_runs_nothing(matrix):
    output = matrix.run("dvc", "repro").stdout
    assert "Running stage" not in output and "up to date" in output


@pytest.mark.parametrize(
    ("selection", "cells"), [("backbone=swin_l", 2), ("neck=pafpn", 1), ("backbone=r50", 1)]
)
def test_a_selection_on_a_finished_matrix_trains_nothing(matrix, selection, cells):
    # An edited file makes DVC stash, and git stashes under an identity.
    matrix.set_params(lambda values: values.update(backbone="r50"))
    output = matrix.run("dvc", "exp", "run", "-S", "backbone=", "-S", selection).stdout
    assert trained(output) == [] and ran(output) <= {"plan", "costs", "compare"}
    assert report(matrix)["cells"] == cells
    measured = json.loads((matrix.folder / "costs/costs.json").read_text(encoding="utf-8"))["cells"]
    assert len(measured) == cells


def test_an_edited_row_retrains_alone_and_two_at_once_do_not_fight(matrix):
    for name in (R50, SWIN):
        matrix.set_params(lambda values, name=name: values["cells"][name].update(lr=0.03))
    # A single stage is run on the file that is there: the cells' files come first.
    matrix.run("dvc", "repro", "compose")
    both = [
        subprocess.Popen(
            ["dvc", "repro", "-s", f"stages/dvc.yaml:train@{name}"],
            cwd=matrix.folder,
            env=matrix.warm,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in (R50, SWIN)
    ]
    outputs = [process.communicate(timeout=600)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert [trained(output) for output in outputs] == [[R50], [SWIN]]
    lock = yaml.safe_load((matrix.folder / "stages/dvc.lock").read_text(encoding="utf-8"))["stages"]
    for name in (R50, SWIN):
        assert {f"train@{name}", f"weights@{name}"} <= lock.keys()
        assert cell_file.read(matrix.folder / paths.cell(name)).training["lr"] == 0.03 * 4 / 16
    output = matrix.run("dvc", "repro").stdout
    assert trained(output) == []
    assert ran(output) == {
        "costs",
        "compare",
        *(f"{stage}@{name}" for stage in ("predict", "analyse") for name in (R50, SWIN)),
    }


def test_a_training_never_starts_from_a_stale_file(matrix):
    matrix.set_params(lambda values: values["cells"][R50].update(lr=0.03))
    stage = f"stages/dvc.yaml:train@{R50}"
    skipped = matrix.run("dvc", "repro", "-s", stage)
    assert "didn't change, skipping" in skipped.stdout
    refused = matrix.run("dvc", "repro", "-s", "-f", stage, check=False)
    assert refused.returncode != 0
    assert (
        f"train: data/cells/{R50}.py: is not what params.yaml says now; run dvc repro compose"
        in refused.stdout
    )
    matrix.run("dvc", "checkout", "--force")
    assert trained(matrix.run("dvc", "repro", "-s", "compose", stage).stdout) == [R50]
    assert (matrix.folder / paths.cell(R50)).read_text() in (
        matrix.folder / "models" / R50 / "config.py"
    ).read_text()


def test_a_removed_and_restored_row_comes_from_the_run_cache(matrix):
    row = matrix.params()["cells"][R50]
    matrix.set_params(lambda values: values["cells"].pop(R50))
    assert trained(matrix.run("dvc", "repro").stdout) == []
    assert report(matrix)["cells"] == 2
    for folder in OUTS:
        shutil.rmtree(matrix.folder / folder)
    (matrix.folder / "stages/dvc.lock").unlink()
    matrix.set_params(lambda values: values.update(cells={R50: row, **values["cells"]}))
    output = matrix.run("dvc", "repro").stdout
    assert ran(output) == set()
    assert report(matrix)["cells"] == 3
    assert (matrix.folder / "models" / R50 / "best.pth").is_file()
    # MLflow was told last of two cells; make has it told of three, once.
    behind = "the last comparison there is not that of reports"
    assert behind in matrix.run("python", "-m", "stages.sync").stdout
    assert ran(matrix.make("repro").stdout) == {"compare"}
    assert behind not in matrix.run("python", "-m", "stages.sync").stdout
    assert ran(matrix.make("repro").stdout) == set()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["-S", "backbone=swin_h"],
            "plan: backbone: 'swin_h': unknown backbone; the cells use: r50, swin_l",
        ),
        (
            ["-S", "scales.miniature.epochs=text"],
            "scales.miniature.epochs: expected a whole number, found text 'text'",
        ),
        (
            ["-S", "data.source=coco", "-S", "data.root=data/absent"],
            "plan: data.root: no folder data/absent",
        ),
        (
            ["-S", "data.source=coco"],
            "prepare: annotation_file_missing: annotations.json data/raw/annotations.json. Set data.root",
        ),
    ],
)
def test_bad_input_is_one_line_and_leaves_results_alone(matrix, arguments, expected):
    before = state(matrix)
    done = matrix.run("dvc", "exp", "run", *arguments, check=False)
    assert done.returncode != 0
    assert expected in done.stdout and "Traceback" not in done.stdout
    assert trained(done.stdout) == [] and state(matrix) == before


def test_metrics_and_plots_show(matrix):
    # A few numbers of the study and three of each cell, and not every number of every cell.
    metrics = json.loads(matrix.run("dvc", "metrics", "show", "--json").stdout)[""]["data"]
    assert set(metrics) == {
        "reports/summary.json",
        *(f"reports/cells/{name}.json" for name in CELLS),
    }
    assert all(
        set(metrics[f"reports/cells/{name}.json"]["data"]) == {"val", "test", "p_best"}
        for name in CELLS
    )
    matrix.run("dvc", "plots", "show")
    page = (matrix.folder / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert all(name in page for name in CELLS) and "val/bbox_mAP_50" in page


def test_cells_that_differ_in_their_rows_alone_are_compared_fairly(finished):
    folder = finished[0].folder
    study = params.load_study(folder / "params.yaml")
    costs = Costs(folder)
    files = [CellFiles(name, cell, folder) for name, cell in study.cells.items()]
    found = conclude(study, [load_cell(of_cell, costs) for of_cell in files], root=folder)
    for pair, factors in {(R50, SWIN): ("backbone",), (SWIN, PAFPN): ("neck", "optimizer")}.items():
        fair = found.fairness[pair]
        assert fair.factors == factors and fair.fair, fair.sentence
        # Both files were read: nothing is unknown but that the tests edit params.yaml after the commit.
        assert all(
            "no commit holds" in one or "put down to any single one of" in one
            for one in fair.cautions
        ), fair.cautions


def test_the_same_cell_twice_gives_the_same_history(matrix):
    history = Path("metrics/r50/fpn") / R50 / "history.csv"
    before = (matrix.folder / history).read_bytes()
    best = matrix.folder / "models" / R50 / "best.pth"
    weights = best.read_bytes()
    shutil.rmtree(matrix.folder / "models" / R50)
    # In a process from nothing, whose hashes of texts are others.
    matrix.cold("python", "-m", "stages.train", R50)
    assert (matrix.folder / history).read_bytes() == before
    assert best.read_bytes() == weights
