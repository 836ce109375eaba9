"""Where MLflow keeps the runs: its own defaults, mlflow.db and mlruns/ in the project's folder."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from stages.study.params import ROOT

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "detection-matrix"
# Reports on data stand apart, so that the table of cells holds cells alone.
DATA = "-data"

# MLflow retries a silent server for minutes; a training's thread should learn sooner that it is on its own.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
# A bare machine has no network, and nothing here may wait for one.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def home(root: Path = ROOT) -> Path:
    """The main checkout: `dvc exp run --temp` and --queue work in .dvc/tmp/exps/<name> of it and vanish afterwards."""
    for folder in root.parents:
        if folder.parts[-3:] == (".dvc", "tmp", "exps"):
            return folder.parents[2]
    return root


def uri() -> str:
    """MLFLOW_TRACKING_URI where it is set, else the sqlite store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"


def open_client(suffix: str = "") -> tuple[MlflowClient, str]:
    """An MLflow client and the id of the experiment, which MLFLOW_EXPERIMENT_NAME may rename; `suffix` is added.

    Several processes that create the database or the experiment at once crash each other: they take turns here.
    """
    # Importing MLflow takes seconds; only what logs pays for it.
    from mlflow import MlflowClient

    # Its notes on creating tables would stand between the progress lines.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    name = (os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT) + suffix
    with _taking_turns():
        client = MlflowClient(tracking_uri=uri())
        found = client.get_experiment_by_name(name)
        if found:
            return client, found.experiment_id
        location = None if os.environ.get("MLFLOW_TRACKING_URI") else (home() / "mlruns" / name).as_uri()
        # The kind makes MLflow's page open on model training rather than on its assistants for language models.
        kind = {"mlflow.experimentKind": "custom_model_development"}
        return client, client.create_experiment(name, artifact_location=location, tags=kind)


@contextlib.contextmanager
def _taking_turns() -> Iterator[None]:
    lock = home() / ".work" / "mlflow.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
