"""Rows of params.yaml under real DVC: the names that it takes, who refuses the others, and what -S sets in a row."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import CELLS, Project

from stages.study import params, yaml_text
from stages.study.strict import StudyError

NAMES = [
    "1e-3",
    "7e1",
    "1_000",
    "0x10",
    "007",
    "123",
    "0",
    "true",
    "null",
    "2024-01-01",
    "yes",
    "key",
    "item",
    "a-1e-3",
]
R50 = next(iter(CELLS))
GRAPH = """\
vars: [params.yaml]
stages:
  train:
    foreach: ${cells}
    do:
      cmd: echo ran >"$DVC_STAGE"
      params: ["cells.${key}"]
      outs: ["train@${key}"]
"""


@pytest.fixture
def graph(tmp_path: Path) -> Project:
    """A stage for each row, with the row as its parameter, as stages/dvc.yaml has it."""
    (tmp_path / "clone").mkdir()
    project = Project(tmp_path / "clone")
    (project.folder / "dvc.yaml").write_text(GRAPH, encoding="utf-8")
    project.run("dvc", "init", "--no-scm", "--quiet")
    return project


def test_dvc_takes_every_name_that_plan_allows(graph: Project):
    rows = {name: {**CELLS[R50], "image_size": 64 + place} for place, name in enumerate(NAMES)}
    values = {
        **yaml_text.loads((params.ROOT / "params.yaml").read_text(encoding="utf-8")),
        "cells": rows,
    }
    (graph.folder / "params.yaml").write_text(yaml_text.dumps(values), encoding="utf-8")
    assert list(params.load_study(graph.folder / "params.yaml").cells) == NAMES
    graph.run("dvc", "repro")
    assert {path.name for path in graph.folder.glob("train@*")} == {
        f"train@{name}" for name in NAMES
    }
    assert "up to date" in graph.run("dvc", "status").stdout


def test_dvc_takes_no_dot_so_plan_does_not(graph: Project):
    values = {
        **yaml_text.loads((params.ROOT / "params.yaml").read_text(encoding="utf-8")),
        "cells": {"r-lr0.01": CELLS[R50]},
    }
    (graph.folder / "params.yaml").write_text(yaml_text.dumps(values), encoding="utf-8")
    done = graph.run("dvc", "repro", check=False)
    assert done.returncode and "Parameters 'cells.r-lr0.01' are missing" in done.stdout
    with pytest.raises(
        StudyError, match=r"^cells\.r-lr0\.01: a name has letters, digits, '_' and '-' only"
    ):
        params.load_study(graph.folder / "params.yaml")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1e-3", 'the name 1e-3 is read as a number; put it in quotes: "1e-3"'),
        ("r-lr0.01", "plan: cells.r-lr0.01: a name has letters, digits, '_' and '-' only"),
    ],
)
def test_dvc_repro_ends_with_plans_line(project: Project, row, said):
    path = project.folder / "params.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace(f"  {R50}:", f"  {row}:"), encoding="utf-8"
    )
    done = project.run("dvc", "repro", check=False)
    assert done.returncode and said in done.stdout and "Traceback" not in done.stdout
    assert "Running stage 'plan'" in done.stdout and "prepare" not in done.stdout


def test_a_copied_row_is_named_by_whoever_reads_first(project: Project):
    """DVC reads params.yaml before it starts plan, and make repro before it starts DVC."""
    path = project.folder / "params.yaml"
    text = path.read_text(encoding="utf-8")
    row = text[text.index(f"  {R50}:") : text.index("  faster_rcnn-swin_l-fpn")]
    path.write_text(text.replace(row, row + row), encoding="utf-8")
    done = project.run("dvc", "repro", check=False)
    assert (
        done.returncode
        and f'found duplicate key "{R50}"' in done.stdout
        and "line: " in done.stdout
    )
    checked = project.run("python", "-m", "stages.check_cache", "missing", check=False)
    [line] = checked.stdout.splitlines()
    assert checked.returncode == 1 and line.startswith("check_cache: params.yaml: line ")
    assert f"cells.{R50}: this key stands in line " in line


def test_a_rate_of_a_row_is_set_from_the_command_line(project: Project):
    """A key that the row lacks takes two signs of addition, one that it has takes none."""
    lacks, has, _ = CELLS
    project.set_params(lambda values: values["cells"][has].update(lr=None))
    output = project.run(
        "dvc", "exp", "run", "-S", f"++cells.{lacks}.lr=0.03", "-S", f"cells.{has}.lr=0.06", "plan"
    ).stdout
    cells = project.params()["cells"]
    assert (cells[lacks]["lr"], cells[has]["lr"]) == (0.03, 0.06)
    # For 16 images a step, and the batch is 4.
    rates = [
        line.split()[-1]
        for line in output.splitlines()
        if line.startswith((f"{lacks} ", f"{has} "))
    ]
    assert rates == ["0.0075", "0.015"]
