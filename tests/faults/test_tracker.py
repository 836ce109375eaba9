"""Whatever the tracker does, a training goes on, and each point arrives once: real servers, sockets, sqlite locks."""

from __future__ import annotations

import logging
import sqlite3
import time

import pytest
from mlflow_server import empty, server  # noqa: F401  fixtures
from tracked import Training, here, relay, runs, until  # noqa: F401

from stages.tracking import sending


def test_down_at_the_start(here, relay):  # noqa: F811
    training = Training(here)
    training.epoch()
    time.sleep(1)
    training.epoch()
    relay.up()
    training.epoch()
    training.run.end("FINISHED")
    assert training.arrived(relay.server.uri).info.status == "FINISHED"
    assert training.waited < 0.2


def test_killed_in_the_middle_and_started_again(here, server, monkeypatch):  # noqa: F811
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    training = Training(here)
    training.epoch()
    until(lambda: training.run.run_id)
    server.kill()
    for _ in range(3):
        training.epoch()
    server.start()
    training.epoch()
    training.run.end("FINISHED")
    assert training.arrived().info.status == "FINISHED"
    assert training.waited < 0.2


def test_frozen_in_the_middle(here, server, monkeypatch):  # noqa: F811
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    training = Training(here)
    training.epoch()
    until(lambda: training.run.run_id)
    server.freeze()
    try:
        training.epoch()
        # Longer than MLFLOW_HTTP_REQUEST_TIMEOUT: the server will take requests that were given up on.
        time.sleep(3)
        training.epoch()
    finally:
        server.thaw()
    training.run.end("FINISHED")
    assert training.arrived().info.status == "FINISHED"
    assert training.waited < 0.2


def test_down_at_the_end(here, relay, caplog, monkeypatch):  # noqa: F811
    monkeypatch.setattr(sending, "QUIET_S", 1)
    relay.up()
    training = Training(here)
    training.epoch()
    until(lambda: len(runs(relay.server.uri)) == 1 and not training.run.lacking())
    relay.down()
    training.epoch(steps=7)
    start = time.monotonic()
    with caplog.at_level(logging.WARNING):
        training.run.end("FINISHED")
    assert time.monotonic() - start < 5
    [line] = [record.getMessage() for record in caplog.records if record.name.startswith("stages.")]
    assert (
        f"MLflow at {relay.uri} lacks 28 points (" in line
        and "`make sync` sends it" in line
        and "\n" not in line
    )


@pytest.mark.parametrize("mode", ["fail", "hang up"])
def test_500_or_no_answer_for_a_while(here, relay, mode):  # noqa: F811
    relay.up(mode)
    training = Training(here)
    training.epoch()
    until(lambda: relay.requests >= 3)
    relay.up("pass")
    until(lambda: training.run.run_id)
    relay.up(mode)
    training.epoch()
    before = relay.requests
    until(lambda: relay.requests >= before + 3)
    relay.up("pass")
    training.epoch()
    training.run.end("FINISHED")
    training.arrived(relay.server.uri)
    assert training.waited < 0.2


def test_answers_that_are_lost(here, relay):  # noqa: F811
    """The server does what it is asked to and the client never hears of it, from the run's creation on."""
    relay.up("lose")
    training = Training(here)
    training.epoch()

    def asked(before: int) -> bool:
        """Whether there was another request, for which there is always something to send."""
        if not training.run.lacking():
            training.epoch()
        return relay.requests > before

    # Each request is lost once, then the next once, and so on.
    for _ in range(12):
        before = relay.requests
        until(lambda before=before: asked(before))
        relay.up("pass")
        before = relay.requests
        until(lambda before=before: relay.requests > before or not training.run.lacking())
        relay.up("lose")
    relay.up("pass")
    training.run.end("FINISHED")
    assert training.arrived(relay.server.uri).data.params["backbone"] == "r50"


def test_slow(here, relay):  # noqa: F811
    relay.delay = 0.7
    relay.up()
    training = Training(here)
    start = time.monotonic()
    for _ in range(5):
        training.epoch()
    assert time.monotonic() - start < 1 and training.waited < 0.2
    training.run.end("FINISHED")
    training.arrived(relay.server.uri)


def test_a_server_that_lost_everything(here, relay, tmp_path):  # noqa: F811
    """Another server comes up at the same address, with an empty database."""
    other = sqlite3.connect(relay.server.folder / "server.db", timeout=20)
    relay.up()
    training = Training(here)
    training.epoch()
    until(lambda: training.run.run_id and not training.run.lacking())
    with other:
        for table in ("metrics", "latest_metrics", "params", "tags", "inputs", "runs"):
            column = "destination_id" if table == "inputs" else "run_uuid"
            other.execute(f"DELETE FROM {table} WHERE {column} = ?", (training.run.run_id,))
    other.close()
    training.epoch()
    training.run.end("FINISHED")
    run = training.arrived(relay.server.uri)
    assert run.info.status == "FINISHED" and run.data.params["backbone"] == "r50"


def test_a_database_locked_for_half_a_minute(here, caplog):  # noqa: F811
    training = Training(here)
    training.epoch()
    until(lambda: training.run.run_id and not training.run.lacking())
    other = sqlite3.connect(here / "mlflow.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    start = time.monotonic()
    training.epoch()
    assert training.waited < 0.2
    # MLflow waits for 20 s by itself, then fails.
    until(lambda: training.run._sender._failure, 29)
    time.sleep(max(0, start + 30 - time.monotonic()))
    other.execute("ROLLBACK")
    other.close()
    training.epoch()
    training.run.end("FINISHED")
    training.arrived()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
