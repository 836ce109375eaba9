"""The comparison in MLflow, where the tracker is down, hangs, loses answers, or lacks runs that it should know."""

from __future__ import annotations

import dataclasses
import logging
import time

import pytest
from report_cells import NAMES
from report_judgements import judged
from tracked_cells import Matrix, folder, here, server, study  # noqa: F401

from stages.comparison import registry
from stages.comparison import run as comparison
from stages.tracking import sending, store
from tests.faults.mlflow_server import Relay, free_port

# The fixtures are imported.
# ruff: noqa: F811
R50, SWIN, PAFPN, CASCADE = NAMES


def test_runs_that_the_tracker_does_not_know_are_named_and_skipped(here, study, caplog):
    matrix = Matrix(here)
    matrix.client.delete_run(matrix.cells[1].run_id)
    ids = ("0123456789abcdef0123456789abcdef", matrix.cells[1].run_id, "", matrix.cells[3].run_id)
    cells = [
        dataclasses.replace(cell, run={"run_id": run_id})
        for cell, run_id in zip(matrix.cells, ids, strict=True)
    ]
    with caplog.at_level(logging.WARNING):
        matrix.log(study, judged(cells), cells)
    [warning] = [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    ]
    assert (
        all(name in warning for name in (R50, SWIN, PAFPN))
        and CASCADE not in warning
        and "make sync" in warning
    )
    assert matrix.tags("verdict") == [None, None, None, "best"]
    assert matrix.comparisons()[0].info.status == "FINISHED"


def test_a_run_that_was_made_again_is_found_by_its_training(here, study):
    """After a fresh clone `make sync` makes runs with new ids; run.json keeps the old one."""
    matrix = Matrix(here)
    matrix.client.set_tag(matrix.cells[1].run_id, "training_id", "feed")
    cells = [
        dataclasses.replace(cell, run={"run_id": "gone", "training_id": "feed"})
        if cell.name == SWIN
        else cell
        for cell in matrix.cells
    ]
    matrix.log(study, judged(cells), cells)
    assert matrix.tags("verdict") == ["worse", "worse", "worse", "best"]


@pytest.mark.parametrize("state", ["down", "fail", "frozen"])
def test_a_tracker_without_an_answer_costs_a_line_and_bounded_time(
    here, study, monkeypatch, caplog, server, state
):
    matrix = Matrix(here)
    judgement, before = judged(matrix.cells), matrix.tags("verdict")
    relay = Relay(server)
    uri = f"http://user:secret@127.0.0.1:{relay.port if state != 'down' else free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setattr(comparison, "COMPARISON_PATIENCE_S", 3.0)
    if state != "down":
        relay.up("fail" if state == "fail" else "pass")
    if state == "frozen":
        server.freeze()
    try:
        start = time.monotonic()
        with caplog.at_level(logging.WARNING):
            matrix.log(study, judgement)
        assert time.monotonic() - start < 6
    finally:
        server.thaw()
        relay.down()
    [warning] = [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    ]
    assert (
        "`dvc repro --force --single-item compare`" in warning
        and "secret" not in warning
        and "\n" not in warning
    )
    # Told again once there is a tracker, nothing is missing.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", matrix.uri)
    monkeypatch.setattr(comparison, "COMPARISON_PATIENCE_S", 60.0)
    matrix.log(study, judgement)
    assert before == [None] * 4 and matrix.tags("verdict") == ["worse", "worse", "worse", "best"]


def test_a_deleted_experiment_is_named_with_what_restores_it(here, study, caplog):
    matrix = Matrix(here)
    _, experiment = store.open_client(comparison.SUFFIX)
    matrix.client.delete_experiment(experiment)
    with caplog.at_level(logging.WARNING):
        matrix.log(study, judged(matrix.cells))
    [warning] = [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    ]
    words = f"mlflow experiments restore --experiment-id {experiment}"
    assert f"was deleted; {store.command(words)} brings it back" in warning and "\n" not in warning
    matrix.client.restore_experiment(experiment)
    matrix.log(study, judged(matrix.cells))
    assert matrix.tags("verdict") == ["worse", "worse", "worse", "best"]


class Lossy(Relay):
    """Loses the answers to some requests, after which the server has done what it was asked: the 3rd, the 7th, the
    12th, ... with ever more between them, so that every step gets through in the end."""

    lost = frozenset(number * (number + 5) // 2 for number in range(1, 40))
    asked = 0

    @property
    def mode(self):
        self.asked += 1
        return "lose" if self.asked in self.lost else "pass"

    @mode.setter
    def mode(self, value):
        self.asked = 0


def test_answers_that_are_lost_make_nothing_twice(here, study, monkeypatch, server):
    relay = Lossy(server)
    matrix, uri = Matrix(here, uri=server.uri), relay.uri
    relay.up()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    for name in ("SENDING_PATIENCE_S", "QUIET_S", "NEVER_S"):
        monkeypatch.setattr(sending, name, 120.0)
    monkeypatch.setattr(comparison, "COMPARISON_PATIENCE_S", 120.0)
    matrix.log(study, judged(matrix.cells))
    assert len(relay.lost & set(range(relay.asked))) > 5
    # What this test asks itself goes to the server.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    [run] = matrix.comparisons()
    assert run.info.status == "FINISHED" and matrix.tags("verdict") == [
        "worse",
        "worse",
        "worse",
        "best",
    ]
    assert len(matrix.client.search_model_versions(f"name = '{registry.model_name()}'")) == 1
    for name in ("verdict/val_bbox_mAP_50", "val/AP50/01 Paper"):
        assert len(matrix.client.get_metric_history(matrix.run(SWIN).info.run_id, name)) == 1
    relay.down()
