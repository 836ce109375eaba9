"""The model registry: which comparison makes a version, when the alias moves, and what somebody then downloads."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from report_cells import NAMES
from report_judgements import judged
from tracked_cells import Matrix, folder, here, server, study, tracker  # noqa: F401

from stages.comparison import registry
from stages.tracking import store

R50, SWIN, PAFPN, CASCADE = NAMES
# The fixtures are imported.
# ruff: noqa: F811


def test_the_chosen_checkpoint_becomes_the_champion_only_where_the_judgement_holds(tracker, study):
    matrix, name = Matrix(tracker), registry.model_name()
    matrix.log(study, judged(matrix.cells))
    champion = matrix.client.get_model_version_by_alias(name, "champion")
    assert (champion.version, champion.run_id) == ("1", matrix.cells[3].run_id) or int(champion.version) == 1
    assert champion.run_id == matrix.cells[3].run_id and champion.tags["cell"] == CASCADE
    assert champion.tags["comparison"] == matrix.comparisons()[0].info.run_id
    assert champion.tags["value"] == "0.261" and champion.tags["interval"] == "0.222 to 0.300"
    # Another cell is chosen, but that does not hold: the alias stays.
    other = judged(matrix.cells).choice
    doubtful = judged(matrix.cells, choice=dataclasses.replace(other, chosen=R50), holds=False, why="Too few boxes.")
    matrix.log(study, doubtful)
    assert len(matrix.client.search_model_versions(f"name = '{name}'")) == 1
    assert matrix.client.get_model_version_by_alias(name, "champion").run_id == champion.run_id
    assert matrix.comparisons()[0].data.tags["champion"] == "Nothing is registered. Too few boxes."
    # Now it does.
    matrix.log(study, dataclasses.replace(doubtful, holds=True, why="Enough boxes."))
    moved = matrix.client.get_model_version_by_alias(name, "champion")
    assert (int(moved.version), moved.run_id) == (2, matrix.cells[0].run_id)
    assert matrix.comparisons()[0].data.tags["champion"].startswith(f"{R50} is version 2 of {name} and its champion")
    # And back: the run's old version takes the alias, no third one is made.
    matrix.log(study, judged(matrix.cells))
    assert int(matrix.client.get_model_version_by_alias(name, "champion").version) == 1
    assert len(matrix.client.search_model_versions(f"name = '{name}'")) == 2


def test_the_champion_can_be_downloaded_with_its_config(tracker, study, tmp_path, monkeypatch):
    matrix = Matrix(tracker)
    matrix.log(study, judged(matrix.cells))
    description = matrix.client.get_model_version_by_alias(registry.model_name(), "champion").description
    command = re.search("`(mlflow artifacts download [^`]*)`", description)[1]
    program, *arguments = shlex.split(command)
    subprocess.run([Path(sys.executable).parent / program, *arguments], cwd=tmp_path, check=True,
                   env={**os.environ, "MLFLOW_TRACKING_URI": store.uri()})
    found = {path.name: path.read_bytes() for path in (tmp_path / "model").rglob("*.*")}
    assert found["best.pth"] == b"weights" and found["config.py"] == f"# {CASCADE}".encode()


def test_no_version_without_a_checkpoint_or_a_known_run(here, study):
    from mlflow.exceptions import MlflowException

    matrix = Matrix(here, checkpoints=[R50])
    matrix.log(study, judged(matrix.cells))
    assert f"the run of {CASCADE} has no checkpoint/best.pth" in matrix.comparisons()[0].data.tags["champion"]
    cells = [dataclasses.replace(cell, run={"run_id": "gone"}) for cell in matrix.cells]
    matrix.log(study, judged(cells), cells)
    assert f"does not know the run of {CASCADE}" in matrix.comparisons()[0].data.tags["champion"]
    with pytest.raises(MlflowException):
        matrix.client.get_registered_model(registry.model_name())


def test_a_miniature_never_takes_the_place_of_a_full_model(here, study):
    matrix, name = Matrix(here), registry.model_name()
    matrix.log(dataclasses.replace(study, scale="full"), judged(matrix.cells))
    chosen = dataclasses.replace(judged(matrix.cells).choice, chosen=R50)
    matrix.log(dataclasses.replace(study, scale="miniature"), judged(matrix.cells, choice=chosen))
    assert matrix.client.get_model_version_by_alias(name, "champion").run_id == matrix.cells[3].run_id
    assert "stays version 1" in matrix.comparisons()[0].data.tags["champion"]
    matrix.log(dataclasses.replace(study, scale="full"), judged(matrix.cells, choice=chosen, why="Full."))
    assert matrix.client.get_model_version_by_alias(name, "champion").run_id == matrix.cells[0].run_id
