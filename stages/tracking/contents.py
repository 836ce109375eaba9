"""What a run should hold: params, tags, data sets, points, files; how it gets what it lacks."""

from __future__ import annotations

import filecmp
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from stages.files import link
from stages.results.files import PLACES

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# MLflow's limits: characters of a param's value and of a tag's; entries in one batch.
PARAM_LENGTH = 6000
TAG_LENGTH = 8000
BATCH = 100
POINTS_BATCH = 1000
# A server that stores a large file answers after it has stored it: a second more for each 5 MB.
BYTES_PER_S = 5e6
# What MLflow calls the use of a split.
CONTEXTS = {"train": "training", "val": "validation", "test": "testing"}
# name, value, milliseconds since 1970, step
Point = tuple[str, float, int, int]
# What a run has: name of a metric -> step -> milliseconds and value of the last point there.
Stored = dict[str, dict[int, tuple[int, float]]]


@dataclass
class Description:
    """A run's name, params and tags; datasets: of dataset()."""

    name: str
    params: dict[str, Any]
    tags: dict[str, str]
    datasets: list[dict[str, str]] = field(default_factory=list)

    def cut_tags(self) -> dict[str, str]:
        """Those that say something: a seed of 0 does."""
        tags = {}
        for key, value in self.tags.items():
            if value not in (None, ""):
                tags[key] = str(value)[:TAG_LENGTH]
        return tags

    def complete(self, client: MlflowClient, run: Run) -> int:
        """Sends the params, tags and datasets that the run lacks; gives how many. Sent twice, they
        are stored once. A param too long for MLflow is cut, says so, and is an artifact in full."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param, RunTag

        run_id = run.info.run_id
        params, tags, inputs = [], [], []
        for key, value in self.params.items():
            if key in run.data.params:
                continue
            text = str(value)
            if len(text) > PARAM_LENGTH:
                client.log_text(run_id, text, f"params/{key}.txt")
                mark = f" ... (cut: {len(text)} characters are in params/{key}.txt)"
                text = text[: PARAM_LENGTH - len(mark)] + mark
            params.append(Param(key, text))
        for key, text in self.cut_tags().items():
            if key not in run.data.tags:
                tags.append(RunTag(key, text))
        for start in range(0, max(len(params), len(tags)), BATCH):
            end = start + BATCH
            client.log_batch(run_id, params=params[start:end], tags=tags[start:end])
        logged = {entry.dataset.name for entry in run.inputs.dataset_inputs}
        for entry in self.datasets:
            if entry["name"] not in logged:
                dataset = Dataset(entry["name"], entry["digest"][:36], "local", entry["source"])
                context = InputTag("mlflow.data.context", entry["context"])
                inputs.append(DatasetInput(dataset, [context]))
        if inputs:
            client.log_inputs(run_id, inputs)
        return len(params) + len(tags) + len(inputs)


def dataset(name: str, split: str, digest: str, file: Path) -> dict[str, str]:
    """The split of the data set `name` as an input of a run. digest: of annotations and images."""
    return {
        "name": f"{name}-{split}",
        "digest": digest,
        "source": str(file.resolve()),
        "context": CONTEXTS[split],
    }


@dataclass
class Contents:
    """All that a run should hold so far. Times are in milliseconds since 1970, None for now.

    training_id: what finds the run; run_id: MLflow's own, None before MLflow has answered. rows:
    of a history, to which rows are added and none is changed, each logged at its entry in moments.
    numbers: other metrics; where the run has another value at the step, it is logged after it.
    files: artifact path -> the file here; absent: the same for files that should be here. status:
    what the run ends as, None while it goes on. cell: whose current run it is, "" for none's.
    """

    training_id: str
    description: Description
    run_id: str | None = None
    rows: Sequence[Mapping[str, Any]] = ()
    moments: list[int] = field(default_factory=list)
    numbers: list[Point] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    absent: dict[str, Path] = field(default_factory=dict)
    status: str | None = "FINISHED"
    started: int | None = None
    finished: int | None = None
    cell: str = ""


def points_of(rows: Iterable[Mapping[str, Any]], moments: Iterable[int]) -> list[Point]:
    """Every number of a history row, but step and epoch, at the row's step and moment."""
    points = []
    for row, moment in zip(rows, moments):
        step = int(row["step"])
        for name, value in row.items():
            if name not in PLACES and value not in (None, ""):
                points.append((name, float(value), moment, step))
    return points


def moments_of(rows: Iterable[Mapping[str, Any]], record: dict[str, Any]) -> list[int]:
    """Times for the rows of a whole history.csv, spread from the start to the end that run.json
    names.

    The same files give the same points, so that a store takes each once, whoever sends it.
    """
    steps = record["iterations"]
    start, end = milliseconds(record["started"]), milliseconds(record["finished"])
    return [start + (end - start) * int(row["step"]) // steps for row in rows]


def milliseconds(moment: str) -> int:
    """An ISO 8601 time as MLflow counts it."""
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


def now() -> int:
    """As MLflow counts time: milliseconds since 1970."""
    return int(time.time() * 1000)


def batches(points: list[Point]) -> list[list[Point]]:
    return [points[start : start + POINTS_BATCH] for start in range(0, len(points), POINTS_BATCH)]


def send_points(client: MlflowClient, run_id: str, batch: list[Point]) -> None:
    """A point that the store has with the same value and time is not stored again."""
    from mlflow.entities import Metric

    client.log_batch(run_id, metrics=[Metric(*point) for point in batch])


def stored_points(client: MlflowClient, run: Run) -> Stored:
    """The last point of each metric of the run at each step."""
    stored: Stored = {}
    for name in run.data.metrics:
        steps = stored.setdefault(name, {})
        for metric in client.get_metric_history(run.info.run_id, name):
            if metric.step not in steps or metric.timestamp >= steps[metric.step][0]:
                steps[metric.step] = (metric.timestamp, metric.value)
    return stored


def missing_points(stored: Stored, points: list[Point], compare: bool = False) -> list[Point]:
    """The points whose step their metric does not have; with `compare`, also those whose value
    there is another.

    A changed value gets a later time than the old one: MLflow shows the last.
    """
    lacking = []
    for name, value, moment, step in points:
        last = stored.get(name, {}).get(step)
        if last is None:
            lacking.append((name, value, moment, step))
        elif compare and not same_number(last[1], value):
            lacking.append((name, value, max(moment, last[0] + 1), step))
    return lacking


def same_number(stored: float, value: float) -> bool:
    """Stores keep NaN, and the largest number in the place of infinity."""
    if math.isinf(value):
        return stored == value or (abs(stored) > 1e308 and (stored > 0) == (value > 0))
    return stored == value or (math.isnan(stored) and math.isnan(value))


def put_file(client: MlflowClient, run: Run, file: Path, folder: str) -> None:
    """Hard-links `file` into an artifact store on this disk; else copies or uploads it.

    A linked file is the one in DVC's cache: it must never be edited in place. Where DVC's
    cache.type is symlink, the file behind the link outlives `dvc gc`. Raises FileNotFoundError.
    """
    local = _local_root(run.info.artifact_uri)
    if local is not None:
        # MLflow would copy into what is there already, which may be a file of DVC's cache.
        link(file, local / folder / file.name)
        return
    name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    usual = os.environ.get(name, "20")
    os.environ[name] = str(int(usual) + int(file.stat().st_size / BYTES_PER_S))
    try:
        client.log_artifact(run.info.run_id, str(file), folder or None)
    finally:
        os.environ[name] = usual


def missing_files(client: MlflowClient, run: Run, files: dict[str, Path]) -> dict[str, Path]:
    """Of `files`, artifact path -> file, those that the run does not have. A file in a local store
    is compared by its content, one on a server by its size, one that is not here is looked for."""
    local = _local_root(run.info.artifact_uri)
    if local is not None:
        return {path: file for path, file in files.items() if not _is_stored(file, local / path)}
    sizes = {}
    for folder in {path.rpartition("/")[0] for path in files}:
        for entry in client.list_artifacts(run.info.run_id, folder or None):
            sizes[entry.path] = entry.file_size
    lacking = {}
    for path, file in files.items():
        has_size = not file.is_file() or sizes.get(path) in (None, file.stat().st_size)
        if path not in sizes or not has_size:
            lacking[path] = file
    return lacking


def _is_stored(file: Path, stored: Path) -> bool:
    # A symbolic link in the store leads into DVC's cache, whose files come and go.
    if stored.is_symlink() or not stored.is_file():
        return False
    return not file.is_file() or stored.samefile(file) or filecmp.cmp(file, stored, shallow=False)


def _local_root(artifact_uri: str) -> Path | None:
    parts = urlparse(artifact_uri)
    if parts.scheme not in ("", "file") or parts.netloc:
        return None
    return Path(unquote(parts.path))
