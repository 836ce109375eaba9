"""Where MLflow keeps the runs: its own defaults, mlflow.db and mlruns/ in the project's folder. A
path in an address may be relative, and stages run in several folders."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import logging
import os
import re
import shlex
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from stages.study import params
from stages.study.params import ROOT
from stages.tracking.sending import NeedsPerson, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

log = logging.getLogger(__name__)

# MLflow's own default.
_OWN = "sqlite:///mlflow.db"
# Reports on data stand apart, so that the table of cells holds cells alone.
DATA = "-data"

# MLflow would repeat a request for minutes, also one that was taken. sending.py looks first.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
# A bare machine has no network, and nothing here may wait for one.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# Its bars would stand between the lines of compare.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# Addresses of runs between the progress lines.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

# Where MLflow's tables hold the address of an artifact folder.
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
# MLflow opens these by itself; behind any other address is a server, or a folder.
DATABASES = ("sqlite", "mysql", "mssql", "postgresql")
_RELATIVE = re.compile(r"(sqlite(?:\+\w+)?:///(?!file:)|file:)([^/?:][^?]*)(\?.*)?")


def home(root: Path = ROOT) -> Path:
    """The main checkout: `dvc exp run --temp` and --queue work in folders of it that vanish."""
    for folder in root.parents:
        if folder.parts[-3:] == (".dvc", "tmp", "exps"):
            return folder.parents[2]
    return root


def uri() -> str:
    """MLFLOW_TRACKING_URI, relative to the main checkout, where it is set; else sqlite."""
    return absolute(os.environ.get("MLFLOW_TRACKING_URI") or _OWN, home())


def absolute(address: str, folder: Path) -> str:
    """The address with its path, where it is a relative one, taken from `folder`."""
    parts = _RELATIVE.fullmatch(address)
    if parts:
        start, path, options = parts.groups(default="")
        return f"{start}{os.path.normpath(folder / path)}{options}"
    # "databricks" is no folder, and names a server.
    if re.match(r"[A-Za-z][\w+.-]*:", address) or address.startswith(("databricks", "/")):
        return address
    return os.path.normpath(folder / address)


def is_database(address: str) -> bool:
    """Whether MLflow opens a database there by itself."""
    return address.partition(":")[0].partition("+")[0] in DATABASES


def registry_uri() -> str | None:
    """MLFLOW_REGISTRY_URI where the models are kept elsewhere than the runs."""
    registry = os.environ.get("MLFLOW_REGISTRY_URI")
    return absolute(registry, home()) if registry else None


def is_own() -> bool:
    """Whether the runs go to mlflow.db, which MLflow's programs take for granted in this folder."""
    return uri() == absolute(_OWN, home())


def command(words: str) -> str:
    """A call of MLflow's program as it is typed in the project's folder to reach the same store."""
    if is_own():
        return f"`{words}`"
    if without_password(uri()) != uri():
        return f"`{words}`, with your MLFLOW_TRACKING_URI,"
    return f"`MLFLOW_TRACKING_URI={shlex.quote(uri())} {words}`"


def experiment_name(suffix: str = "") -> str:
    """`study` of params.yaml, or MLFLOW_EXPERIMENT_NAME, with an experiment's suffix."""
    return (os.environ.get("MLFLOW_EXPERIMENT_NAME") or _study_name()) + suffix


@functools.cache
def _study_name() -> str:
    # Once in a process: a training of days keeps the name that it began with. params.yaml is read
    # here and handed on by nobody, so that the name is no part of what decides a result.
    return params.load_study(ROOT / "params.yaml").study


def open_client(suffix: str = "") -> tuple[MlflowClient, str]:
    """An MLflow client and the id of the experiment, made where it is missing.

    Several processes that create the database or the experiment at once crash each other: they take
    turns here. Raises NeedsPerson where the experiment is in MLflow's trash, or the database is of
    another MLflow.
    """
    # Importing MLflow takes seconds; only what logs pays for it.
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    # Its notes on creating tables would stand between the progress lines, and so would a traceback
    # for each time that the database is locked, which is waited for.
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    name = experiment_name(suffix)
    # By itself MLflow takes the working directory, which under `dvc exp run --temp` will vanish.
    location = None
    if is_database(uri()):
        location = (home() / "mlruns" / name).as_uri()
    with turn() if uri().startswith("sqlite") else contextlib.nullcontext():
        try:
            client = MlflowClient(tracking_uri=uri(), registry_uri=registry_uri())
            experiment = client.get_experiment_by_name(name)
        except MlflowException as error:
            if "out-of-date database schema" in str(error):
                raise NeedsPerson(_other_version(error)) from error
            raise
        if not experiment:
            # MLflow's page then opens on model training, not on assistants for language models.
            kind = {"mlflow.experimentKind": "custom_model_development"}
            try:
                client.create_experiment(name, artifact_location=location, tags=kind)
            except MlflowException as error:
                # On a server somebody else may have been first.
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            experiment = client.get_experiment_by_name(name)
        number, former = experiment.experiment_id, experiment.artifact_location
        if experiment.lifecycle_stage == "deleted":
            restore = command(f"mlflow experiments restore --experiment-id {number}")
            raise NeedsPerson(
                f"the experiment {name} was deleted; {restore} brings it back with its runs"
            )
        ending = f"/mlruns/{name}"
        if is_own() and former != location and former.endswith(ending):
            _follow(former.removesuffix(ending), home().as_uri())
        return client, number


def _other_version(error: MlflowException) -> str:
    """What to do about a database of another version than MLflow's; `error` names both."""
    import mlflow
    from mlflow.store import db_migrations

    place = uri()
    name = without_password(place)
    revision = re.search(r"found version (\w+)", str(error))
    steps = Path(db_migrations.__file__).parent / "versions"
    if revision and not list(steps.glob(f"{revision[1]}_*.py")):
        return (
            f"the database {name} was written by a newer MLflow than {mlflow.__version__}, "
            "which is installed here; move it away, and `make sync` makes the runs again"
        )
    old = f"the database {name} was written by an older MLflow than {mlflow.__version__}"
    if place.startswith("sqlite:///"):
        upgrade = f"mlflow db upgrade {shlex.quote(place)}"
        file = shlex.quote(place.removeprefix("sqlite:///").partition("?")[0])
        return f"{old}; `cp {file} {file}.old` keeps a copy, and `{upgrade}` brings it up to date"
    # Without the password that its address may hold.
    upgrade = 'mlflow db upgrade "$MLFLOW_TRACKING_URI"'
    return f"{old}; make a copy of it, and `{upgrade}` brings it up to date"


def _follow(old: str, new: str) -> None:
    """MLflow keeps absolute addresses: after the project's folder was moved or copied, they still
    name the old one.

    All addresses below `old` come to stand below `new`, both file:// addresses, in one transaction.
    """
    prefix = f"{old}/mlruns/"
    with contextlib.closing(sqlite3.connect(home() / "mlflow.db", timeout=20)) as base, base:
        for table, column in ADDRESSES:
            if any(row[1] == column for row in base.execute(f"PRAGMA table_info({table})")):
                base.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE substr({column}, 1, ?) = ?",
                    (f"{new}/mlruns/", len(prefix) + 1, len(prefix), prefix),
                )
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
            # A loader process forked meanwhile has the open file too: closing it would end nothing.
            fcntl.flock(file, fcntl.LOCK_UN)
