"""The model registry: which comparison makes a version, when the alias moves, and what somebody then downloads."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_matrix import R50 as R50_
from made_matrix import X101, row, study_of, write_cell, write_truth
from report_cells import NAMES, load_all
from report_judgements import judged
from tracked_cells import Matrix, folder, here, server, study, tracker  # noqa: F401

from stages.comparison import registry
from stages.comparison.registry import Contest, contest
from stages.study import paths
from stages.tracking import store
from stages.verdict.costs import Candidate

R50, SWIN, PAFPN, CASCADE = NAMES
# The fixtures are imported.
# ruff: noqa: F811


def test_the_chosen_checkpoint_becomes_the_champion_only_where_the_judgement_holds(tracker, study):
    matrix, name = Matrix(tracker), registry.model_name()
    matrix.log(study, judged(matrix.cells))
    champion = matrix.client.get_model_version_by_alias(name, "champion")
    assert (champion.version, champion.run_id) == ("1", matrix.cells[3].run_id) or int(
        champion.version
    ) == 1
    assert champion.run_id == matrix.cells[3].run_id and champion.tags["cell"] == CASCADE
    assert champion.tags["comparison"] == matrix.comparisons()[0].info.run_id
    assert champion.tags["value"] == "0.261" and champion.tags["interval"] == "0.222 to 0.300"
    # Another cell is chosen, but that does not hold: the alias stays.
    other = judged(matrix.cells).choice
    doubtful = judged(
        matrix.cells,
        choice=dataclasses.replace(other, chosen=R50),
        holds=False,
        why="Too few boxes.",
    )
    matrix.log(study, doubtful)
    assert len(matrix.client.search_model_versions(f"name = '{name}'")) == 1
    assert matrix.client.get_model_version_by_alias(name, "champion").run_id == champion.run_id
    assert matrix.comparisons()[0].data.tags["champion"] == "Nothing is registered. Too few boxes."
    # Now it does, and against the champion it is worse: a version, and no champion.
    matrix.log(study, dataclasses.replace(doubtful, holds=True, why="Enough boxes."))
    assert matrix.client.get_model_version_by_alias(name, "champion").run_id == champion.run_id
    said = matrix.comparisons()[0].data.tags["champion"]
    assert said.startswith(
        f"{R50} is version 2 of {name}; its champion stays version 1, {CASCADE}: the difference of "
        "val/bbox_mAP_50 is -0.150 (95 % interval "
    )
    # What is better takes the alias, and the run's old version is used again.
    matrix.client.set_registered_model_alias(name, "champion", "2")
    matrix.log(study, judged(matrix.cells))
    assert int(matrix.client.get_model_version_by_alias(name, "champion").version) == 1
    assert len(matrix.client.search_model_versions(f"name = '{name}'")) == 2
    said = [run.data.tags["champion"] for run in matrix.comparisons()]
    assert any(f"its champion, which was version 2, {R50}: the difference" in line for line in said)


def test_versions_and_messages_name_cells_by_what_differs(here, study):
    matrix, name = Matrix(here), registry.model_name()
    names = {R50: "r50", SWIN: "swin_l", PAFPN: "swin_l · pafpn", CASCADE: "cascade_rcnn"}
    matrix.log(study, judged(matrix.cells, names=names, why=f"{CASCADE} is ahead of {SWIN}."))
    version = matrix.client.get_model_version_by_alias(name, "champion")
    shown, why, loading = version.description.split("\n\n")
    assert shown.startswith("Ship cascade_rcnn: ") and why == "cascade_rcnn is ahead of swin_l."
    assert "the cheapest, swin_l · pafpn, " in shown
    assert (
        loading.startswith(f"`{CASCADE}` in params.yaml. To load it")
        and version.tags["cell"] == CASCADE
    )
    choice = dataclasses.replace(judged(matrix.cells).choice, chosen=PAFPN)
    matrix.log(study, judged(matrix.cells, names=names, choice=choice, why="Later."))
    text = matrix.comparisons()[0].data.tags["champion"]
    assert text.startswith(
        f"swin_l · pafpn is version 2 of {name}; its champion stays version 1, cascade_rcnn: the "
    )


def test_neither_chance_nor_a_worse_sweep_moves_the_champion(here, study):
    matrix, name = Matrix(here), registry.model_name()
    matrix.log(study, judged(matrix.cells))
    champion = matrix.client.get_model_version_by_alias(name, "champion")
    # A sweep without the champion's cell: what it chose is compared with the champion's predictions, which this run
    # lacks. And one with it, in which nothing can be told apart.
    sweep = judged(matrix.cells[:3], why="A sweep.")
    unsure = judged(
        matrix.cells,
        error=0.5,
        why="Unsure.",
        choice=dataclasses.replace(judged(matrix.cells).choice, chosen=PAFPN),
    )
    for judgement, cells, why in (
        (sweep, matrix.cells[:3], "its run holds no predictions."),
        (unsure, matrix.cells, "the difference of val/bbox_mAP_50 is -0.050 (95 %"),
    ):
        matrix.log(study, judgement, cells)
        assert (
            matrix.client.get_model_version_by_alias(name, "champion").version == champion.version
        )
        assert f"stays version 1, {CASCADE}: {why}" in matrix.comparisons()[0].data.tags["champion"]


def test_a_cell_within_the_margin_takes_over_only_if_it_is_shown_to_cost_less(here, study):
    matrix, name = Matrix(here), registry.model_name()
    matrix.log(study, judged(matrix.cells))
    chosen = dataclasses.replace(judged(matrix.cells).choice, chosen=PAFPN, cost="latency_ms")

    def champion(low: float, high: float) -> str:
        candidates = {
            PAFPN: Candidate(PAFPN, 0.5, {"latency_ms": 10.0}, {"latency_ms": (low, high)}),
            CASCADE: Candidate(CASCADE, 0.5, {"latency_ms": 12.0}, {"latency_ms": (11.0, 13.0)}),
        }
        matrix.log(
            study,
            judged(
                matrix.cells,
                error=0.06,
                choice=chosen,
                candidates=candidates,
                margin=0.2,
                why=f"{low} {high}",
            ),
        )
        return matrix.client.get_model_version_by_alias(name, "champion").tags["cell"]

    assert champion(9.0, 11.5) == CASCADE
    assert champion(9.0, 10.5) == PAFPN
    assert (
        "within the margin of 0.2, and it costs less"
        in matrix.comparisons()[0].data.tags["champion"]
    )


def test_the_champion_of_an_earlier_training_is_compared_by_its_predictions(here, study, tmp_path):
    """Real predictions of two cells, one of which is the champion and no more in the comparison."""
    rows = {X101: row("x101"), R50_: row("r50")}
    made = dataclasses.replace(study_of(rows), data=dataclasses.replace(study.data, folds=1))
    for split in ("val", "test"):
        write_truth(here, split)
    for row_name, quality in ((X101, 0.95), (R50_, 0.2)):
        write_cell(here, row_name, rows[row_name], quality, seed=1)
    client, experiment = store.open_client()
    runs = {}
    for row_name in rows:
        runs[row_name] = client.create_run(experiment, run_name=row_name)
        cell = rows[row_name]
        for file, place in (
            (paths.predictions(row_name, cell, "val"), "predictions"),
            (paths.per_class(row_name, cell), "metrics/per_class"),
        ):
            client.log_artifact(runs[row_name].info.run_id, str(here / file), place)

    class Version:
        def __init__(self, row_name):
            self.run_id, self.tags = runs[row_name].info.run_id, {"cell": row_name}

    def of(champion_row, chosen):
        whole = judged(load_all(here / "other"))
        judgement = dataclasses.replace(
            whole,
            repeats={chosen: (chosen,)},
            choice=dataclasses.replace(whole.choice, chosen=chosen),
        )
        return contest(client, Version(champion_row), None, judgement, made, here)

    (here / "other").mkdir()
    better = of(R50_, X101)
    assert better.moves and better.reason.startswith("the difference of val/bbox_mAP_50 is +")
    shutil.rmtree(here / "other")
    (here / "other").mkdir()
    worse = of(X101, R50_)
    assert not worse.moves and worse.reason.startswith("the difference of val/bbox_mAP_50 is -")
    # On other annotations nothing is comparable.
    write_truth(here, "val", each=3)
    shutil.rmtree(here / "other")
    (here / "other").mkdir()
    assert of(R50_, X101) == Contest(False, "it was evaluated on other val annotations")


def test_a_retraining_to_the_same_bits_makes_no_version_and_takes_the_mark(here, study):
    matrix, name = Matrix(here), registry.model_name()
    matrix.log(study, judged(matrix.cells))
    old = matrix.run(CASCADE).info.run_id
    assert matrix.tags("current") == ["true"] * 4
    shutil.rmtree(here / "metrics")
    again = Matrix(here)
    again.log(study, judged(again.cells, why="Again."))
    assert again.run(CASCADE).info.run_id != old
    assert len(again.client.search_model_versions(f"name = '{name}'")) == 1
    assert again.client.get_model_version_by_alias(name, "champion").run_id == old
    # Of two runs of a cell one is the current one.
    assert again.tags("current") == ["true"] * 4 and set(matrix.tags("current")) == {None}
    # Other bits are another version.
    shutil.rmtree(here / "metrics")
    third = Matrix(here)
    (here / "models" / CASCADE / "best.pth").write_bytes(b"learnt something else")
    third.log(study, judged(third.cells, why="Other bits."))
    assert len(third.client.search_model_versions(f"name = '{name}'")) == 2
    # The champion is not the training that has its name today.
    said = third.comparisons()[0].data.tags["champion"]
    assert f"its champion stays version 1, an earlier training of {CASCADE}: " in said


def test_the_champion_can_be_downloaded_with_its_config(tracker, study, tmp_path, monkeypatch):
    matrix = Matrix(tracker)
    matrix.log(study, judged(matrix.cells))
    description = matrix.client.get_model_version_by_alias(
        registry.model_name(), "champion"
    ).description
    command = re.search("`(mlflow artifacts download [^`]*)`", description)[1]
    program, *arguments = shlex.split(command)
    subprocess.run(
        [Path(sys.executable).parent / program, *arguments],
        cwd=tmp_path,
        check=True,
        env={**os.environ, "MLFLOW_TRACKING_URI": store.uri()},
    )
    found = {path.name: path.read_bytes() for path in (tmp_path / "model").rglob("*.*")}
    assert found["best.pth"] == b"weights" and found["config.py"] == f"# {CASCADE}".encode()


def test_no_version_without_a_checkpoint_or_a_known_run(here, study):
    from mlflow.exceptions import MlflowException

    matrix = Matrix(here, checkpoints=[R50])
    matrix.log(study, judged(matrix.cells))
    assert (
        f"the run of {CASCADE} has no checkpoint/best.pth"
        in matrix.comparisons()[0].data.tags["champion"]
    )
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
    assert (
        matrix.client.get_model_version_by_alias(name, "champion").run_id == matrix.cells[3].run_id
    )
    said = [run.data.tags["champion"] for run in matrix.comparisons()]
    assert any(
        f"stays version 1, {CASCADE}: it was trained at scale full." in line for line in said
    )
    # And a full model that of a miniature, whatever that scored.
    matrix.client.set_registered_model_alias(name, "champion", "2")
    matrix.log(dataclasses.replace(study, scale="full"), judged(matrix.cells, why="Full."))
    assert (
        matrix.client.get_model_version_by_alias(name, "champion").run_id == matrix.cells[3].run_id
    )
