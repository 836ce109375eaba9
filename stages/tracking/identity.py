"""One run for each training: MLflow gives runs their ids, so a training has one of its own, kept as
a tag."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from stages.tracking import store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

TAG = "training_id"
# Of several runs of a cell, that of the results on disk.
CURRENT = "current"


def new() -> str:
    """32 hex digits, made without asking anybody."""
    return uuid4().hex


def find(
    client: MlflowClient, experiment: str, training_id: str, run_id: str | None = None
) -> Run | None:
    """The run of a training: `run_id` where the server knows it as this training's, else the run
    with the tag.

    Deleted runs do not count. Of several, the one made first.
    """
    from mlflow.exceptions import MlflowException

    if run_id:
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        else:
            if run.data.tags.get(TAG) == training_id and run.info.lifecycle_stage == "active":
                return run
    return next(iter(_tagged(client, experiment, training_id)), None)


def make(
    client: MlflowClient,
    experiment: str,
    training_id: str,
    name: str,
    tags: dict[str, str],
    start: int | None = None,
) -> Run:
    """A new run, or the one that somebody else made for this training meanwhile.

    A request that was repeated, or two programs at once, may have made several: all but the first
    go to MLflow's trash. `start` is in milliseconds since 1970, now where it is None.
    """
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    tags = {**tags, TAG: training_id, "created": created}
    run = client.create_run(experiment, start_time=start, run_name=name, tags=tags)
    first = next(iter(_tagged(client, experiment, training_id)), run)
    drop_doubles(client, experiment, training_id, first.info.run_id)
    return first


def drop_doubles(client: MlflowClient, experiment: str, training_id: str, run_id: str) -> None:
    """Puts all other runs of a training into MLflow's trash: those of requests whose answers were
    lost."""
    for run in _tagged(client, experiment, training_id):
        if run.info.run_id != run_id:
            client.delete_run(run.info.run_id)


def mark_current(client: MlflowClient, experiment: str, run_id: str, cell: str) -> None:
    """Tags the run as the current one of the runs of its cell: that whose results are on disk.
    Earlier ones lose it."""
    quoted = cell.replace("'", "")
    condition = f"tags.cell = '{quoted}' and tags.{CURRENT} = 'true'"
    for run in client.search_runs([experiment], condition):
        if run.info.run_id != run_id:
            client.delete_tag(run.info.run_id, CURRENT)
    if client.get_run(run_id).data.tags.get(CURRENT) != "true":
        client.set_tag(run_id, CURRENT, "true")


def deleted(client: MlflowClient, experiment: str, training_id: str) -> str | None:
    """The id of a run of this training that somebody put into MLflow's trash."""
    from mlflow.entities import ViewType

    runs = _tagged(client, experiment, training_id, ViewType.DELETED_ONLY)
    if not runs:
        return None
    run_id: str = runs[0].info.run_id
    return run_id


def restoring(run_id: str) -> str:
    """What to type to have a run out of MLflow's trash."""
    return store.command(f"mlflow runs restore --run-id {run_id}")


def _tagged(client: MlflowClient, experiment: str, training_id: str, view: Any = 1) -> list[Run]:
    """The runs of a training, the first made first. view: 1 is ViewType.ACTIVE_ONLY."""
    runs = client.search_runs(
        [experiment], f"tags.{TAG} = '{training_id}'", run_view_type=view, max_results=100
    )
    return sorted(runs, key=lambda run: (run.data.tags.get("created", ""), run.info.run_id))
