"""What `make sync` says to type where MLflow's store needs a person, and that it helps, typed as it stands."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from synced import R50, check_complete, found, sync

from stages.errors import InputError
from stages.study import params
from stages.tracking import cells, store

pytest_plugins = "synced"


def type_commands(message: str, **env: str) -> None:
    """What a message asks for between backticks, as a person types it into a shell in the project's folder."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING")
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in re.findall("`([^`]+)`", message):
        subprocess.run(
            ["bash", "-c", command], env={**environment, "PATH": path, **env}, check=True
        )


def test_a_deleted_run_is_restored_by_what_sync_says(synced, caplog):
    check_complete(synced)
    store.open_client()[0].delete_run(found()[1][0].info.run_id)
    type_commands(sync(caplog)[-2])
    assert sync(caplog)[-2] == f"{R50}: complete"


@pytest.mark.parametrize("uri", ["", "sqlite:///elsewhere $1.db"])
def test_a_deleted_experiment_is_restored_by_what_sync_says(synced, caplog, monkeypatch, uri):
    if uri:
        shutil.copy("mlflow.db", "elsewhere $1.db")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client, experiment = store.open_client()
    client.delete_experiment(experiment)
    with pytest.raises(
        InputError,
        match=r"^the experiment detection-matrix was deleted; `.*; then run make sync again$",
    ) as caught:
        sync(caplog)
    type_commands(str(caught.value))
    assert sync(caplog)[-2] == f"{R50}: complete"
    check_complete(synced)


def test_evaluation_says_how_to_restore_an_experiment(synced, caplog):
    client, experiment = store.open_client()
    client.delete_experiment(experiment)
    cells.send_cell(R50, params.load_study().cell(R50))
    [line] = [line for line in caplog.messages if line.startswith(R50)]
    assert f"`mlflow experiments restore --experiment-id {experiment}` brings it back" in line


def older(database: Path) -> list[str]:
    """Takes a database one version of its tables back. MLflow brings one that lacks whole tables up to date without a
    word, so those that go are there again, empty; gives their names."""
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config

    def tables() -> set[str]:
        with contextlib.closing(sqlite3.connect(database)) as base:
            return {
                name
                for [name] in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }

    before = tables()
    command.downgrade(_get_alembic_config(f"sqlite:///{database}"), "-1")
    gone = sorted(before - tables())
    with contextlib.closing(sqlite3.connect(database)) as base, base:
        for name in gone:
            base.execute(f"CREATE TABLE {name} (id INTEGER)")
    return gone


def test_a_database_of_an_older_mlflow_is_upgraded_by_what_sync_says(synced, caplog, monkeypatch):
    tables = older(synced / "mlflow.db")
    with pytest.raises(
        InputError, match=r"older MLflow than [\d.]+; `cp .*; then run make sync again$"
    ) as caught:
        sync(caplog)
    with contextlib.closing(sqlite3.connect("mlflow.db")) as base, base:
        for name in tables:
            base.execute(f"DROP TABLE {name}")
    before = (synced / "mlflow.db").read_bytes()
    type_commands(str(caught.value))
    assert (synced / "mlflow.db.old").read_bytes() == before != (synced / "mlflow.db").read_bytes()
    # What stands there for a database whose address may hold a password.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{synced}/mlflow.db.old")
    type_commands('`mlflow db upgrade "$MLFLOW_TRACKING_URI"`', MLFLOW_TRACKING_URI=store.uri())
    assert sync(caplog)[-2] == f"{R50}: complete"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert sync(caplog)[-2] == f"{R50}: complete"


def test_a_database_of_a_newer_mlflow_is_moved_away(synced, caplog):
    with contextlib.closing(sqlite3.connect("mlflow.db")) as base, base:
        base.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(
        InputError,
        match=rf"^the database sqlite:///{synced}/mlflow.db was written by a newer MLflow",
    ):
        sync(caplog)
    (synced / "mlflow.db").rename(synced / "newer.db")
    # In a process of its own: in this one MLflow has the old file open.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING")
    }
    done = subprocess.run(
        [sys.executable, "-m", "stages.sync"],
        cwd=synced,
        env=environment,
        text=True,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert f"{R50}: created, " in done.stdout and (synced / "mlflow.db").is_file()
