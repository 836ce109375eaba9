"""Where MLflow keeps the runs: its own defaults, mlflow.db and mlruns/ in the project's folder."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from stages.study.params import ROOT

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

EXPERIMENT = "detection-matrix"
# Reports on data stand apart, so that the table of cells holds cells alone.
DATA = "-data"

# MLflow repeats a request for minutes, also one that may have been taken. sending.py repeats instead, and looks first.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
# A bare machine has no network, and nothing here may wait for one.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# Addresses of runs between the progress lines.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

# Where MLflow's tables hold the address of an artifact folder.
ADDRESSES = (("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location"),
             ("model_versions", "source"), ("model_versions", "storage_location"))


def home(root: Path = ROOT) -> Path:
    """The main checkout: `dvc exp run --temp` and --queue work in .dvc/tmp/exps/<name> of it and vanish afterwards."""
    for folder in root.parents:
        if folder.parts[-3:] == (".dvc", "tmp", "exps"):
            return folder.parents[2]
    return root


def uri() -> str:
    """MLFLOW_TRACKING_URI where it is set, else the sqlite store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"


def experiment_name(suffix: str = "") -> str:
    """MLFLOW_EXPERIMENT_NAME may rename the experiment."""
    return (os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT) + suffix


def open_client(suffix: str = "") -> tuple[MlflowClient, str]:
    """An MLflow client and the id of the experiment, made where it is missing.

    Several processes that create the database or the experiment at once crash each other: they take turns here.
    """
    # Importing MLflow takes seconds; only what logs pays for it.
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    # Its notes on creating tables would stand between the progress lines, and so would a traceback for each time
    # that the database is locked, which is waited for.
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    name = experiment_name(suffix)
    own = not os.environ.get("MLFLOW_TRACKING_URI")
    location = (home() / "mlruns" / name).as_uri() if own else None
    with turn() if uri().startswith("sqlite:") else contextlib.nullcontext():
        client = MlflowClient(tracking_uri=uri())
        found = client.get_experiment_by_name(name)
        if found:
            if own and found.artifact_location != location and found.artifact_location.endswith(f"/mlruns/{name}"):
                _follow(found.artifact_location.removesuffix(f"/mlruns/{name}"), home().as_uri())
            return client, found.experiment_id
        # The kind makes MLflow's page open on model training rather than on its assistants for language models.
        kind = {"mlflow.experimentKind": "custom_model_development"}
        try:
            return client, client.create_experiment(name, artifact_location=location, tags=kind)
        except MlflowException as error:
            # On a server somebody else may have been first.
            found = error.error_code == "RESOURCE_ALREADY_EXISTS" and client.get_experiment_by_name(name)
            if not found:
                raise
            return client, found.experiment_id


def _follow(old: str, new: str) -> None:
    """MLflow keeps absolute addresses: after the project's folder was moved or copied, they still name the old one.

    All addresses below `old` come to stand below `new`, both file:// addresses, in one transaction.
    """
    prefix = f"{old}/mlruns/"
    with contextlib.closing(sqlite3.connect(home() / "mlflow.db", timeout=20)) as base, base:
        for table, column in ADDRESSES:
            if any(row[1] == column for row in base.execute(f"PRAGMA table_info({table})")):
                base.execute(f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                             (f"{new}/mlruns/", len(prefix) + 1, len(prefix), prefix))
    log.info("mlflow.db came from %s; its artifacts are now looked for in %s", old, f"{new}/mlruns")


@contextlib.contextmanager
def turn(name: str = "mlflow") -> Iterator[None]:
    """One process of this checkout at a time; the system ends the turn of one that dies."""
    lock = home() / ".work" / f"{name}.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            # A loader process that was forked meanwhile has the open file too: closing it here would end nothing.
            fcntl.flock(file, fcntl.LOCK_UN)
