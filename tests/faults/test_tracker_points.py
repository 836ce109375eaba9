"""What a run is given to hold: too long, no number, refused, too much at once, or twice."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sqlite3
import tracemalloc
from pathlib import Path

import pytest
from mlflow_server import empty, server  # noqa: F401  fixtures
from tracked import NAMES, Training, client, here, relay, runs, until  # noqa: F401

from stages.tracking import store


def test_a_parameter_that_is_too_long(here):  # noqa: F811
    long = "".join(f"{number} " for number in range(3000))
    training = Training(here, classes=long)
    training.epoch()
    training.run.end("FINISHED")
    run = training.arrived()
    kept = run.data.params["classes"]
    assert len(kept) == 6000 and kept.endswith(
        f" ... (cut: {len(long)} characters are in params/classes.txt)"
    )
    path = client().download_artifacts(run.info.run_id, "params/classes.txt", str(here))
    assert Path(path).read_text(encoding="utf-8") == long


def test_numbers_that_are_none(here):  # noqa: F811
    training = Training(here)
    training.epoch()
    training.run.metrics({"nan": math.nan, "inf": math.inf, "none": None, "one": 1.0}, 10)
    training.run.end("FINISHED")
    metrics = training.arrived().data.metrics
    assert (
        math.isnan(metrics["nan"])
        and metrics["inf"] > 1e308
        and metrics["one"] == 1.0
        and "none" not in metrics
    )


def test_a_name_that_mlflow_refuses(here, caplog):  # noqa: F811
    training = Training(here)
    training.rows = [
        {"step": step, "epoch": 1, "what?*": 1.0, **dict.fromkeys(NAMES, 1 / step)}
        for step in range(1, 11)
    ]
    training.run.rows(training.rows)
    training.run.metrics({"what?*": 1.0, "peak": 2.0}, 10)
    with caplog.at_level(logging.WARNING):
        training.run.end("FINISHED")
    run = training.arrived()
    assert run.info.status == "FINISHED" and run.data.metrics["peak"] == 2.0
    assert "MLflow refused a part" in caplog.text and "what?*" in caplog.text


@pytest.mark.parametrize("deleted", ["the experiment, before", "the experiment", "the run"])
def test_what_somebody_deletes_while_a_training_goes_on(here, caplog, deleted):  # noqa: F811
    """A line says what to type; the training ends as it should."""
    uses, experiment = store.open_client()
    if deleted == "the experiment, before":
        uses.delete_experiment(experiment)
    training = Training(here)
    training.epoch()
    if deleted != "the experiment, before":
        until(
            lambda: (
                training.run.run_id
                and uses.get_run(training.run.run_id).data.metrics.get("lr") == 0.1
            )
        )
    if deleted == "the experiment":
        uses.delete_experiment(experiment)
    if deleted == "the run":
        uses.delete_run(training.run.run_id)
    training.epoch()
    training.run.end("FINISHED")
    [line] = [line for line in caplog.messages if "MLflow refused a part" in line]
    command = (
        f"`mlflow runs restore --run-id {training.run.run_id}`"
        if deleted == "the run"
        else f"`mlflow experiments restore --experiment-id {experiment}`"
    )
    assert f"was deleted; {command} brings it back" in line and "`make sync` sends" in line


def test_a_long_history_that_waits(here, relay):  # noqa: F811
    """No memory but the rows' own is taken while the tracker is away."""
    training = Training(here)
    training.epoch(steps=100)
    tracemalloc.start()
    for _ in range(8):
        training.epoch(steps=100)
    taken = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(True, "*/stages/tracking/*")]
    )
    tracemalloc.stop()
    assert training.run.lacking() == 3600
    assert sum(trace.size for trace in taken.statistics("filename")) < 400 * 300
    assert training.waited < 0.5
    relay.up()
    until(lambda: training.run.run_id)
    training.epoch(steps=100)
    training.run.end("FINISHED")
    assert len(training.arrived(relay.server.uri).data.metrics) == 4 and len(training.rows) == 1000


def test_a_training_that_goes_on(here):  # noqa: F811
    """Interrupted after step 20, gone on with from step 15; steps 11 to 13 never arrived."""
    first = Training(here)
    first.epoch()
    first.epoch()
    first.run.end("KILLED")
    with contextlib.closing(sqlite3.connect(here / "mlflow.db")) as base, base:
        assert base.execute("DELETE FROM metrics WHERE step BETWEEN 11 AND 13").rowcount == 12
        base.execute("UPDATE tags SET value = '1' WHERE key = 'pid.started'")
    second = Training(here, first.run.training_id)
    second.rows = list(first.rows)
    second.epoch(first=16, steps=10)
    until(lambda: not second.run.lacking())
    assert runs()[0].info.status == "RUNNING"
    second.run.end("FINISHED")
    run = second.arrived()
    assert (
        run.info.run_id == first.run.run_id
        and run.info.status == "FINISHED"
        and len(second.rows) == 25
    )
    assert run.data.tags["resumed"] == "1" and run.data.tags["pid"] == str(os.getpid())
