"""What the MLflow run of a cell holds, read from the cell's files: analyse and costs file it,
stages.sync mends it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.errors import InputError
from stages.results.cell_files import CellFiles
from stages.results.costs import Costs, Measured
from stages.study import paths
from stages.study.metrics import METRICS
from stages.study.params import Cell
from stages.study.paths import EVALUATED
from stages.tracking import artifacts, identity, points, store
from stages.tracking.description import Description
from stages.tracking.points import Point
from stages.tracking.sending import Job, Sender, counted, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

# What train measures besides its history; run.json has them under these names.
MEASURED = ("train_loss", "train_minutes", "peak_memory_mib", "parameters")


@dataclass
class Contents:
    """All that a cell's run should hold. `trained` cannot change, a later analysis or measurement
    changes `evaluated`.

    files: artifact path -> the file here; absent: the same for files that should be here.
    """

    record: dict[str, Any]
    description: Description
    trained: list[Point]
    evaluated: list[Point]
    files: dict[str, Path] = field(default_factory=dict)
    absent: dict[str, Path] = field(default_factory=dict)


@dataclass
class Sent:
    """What a run lacked."""

    created: bool = False
    closed: bool = False
    entries: int = 0
    points: int = 0
    files: int = 0
    deleted: str | None = None
    lost: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if self.deleted:
            return (
                "was deleted on the server and stays so; "
                f"{identity.restoring(self.deleted)} undoes that"
            )
        if self.lost:
            return (
                f"{self._amounts()}, but {', '.join(self.lost)} is neither there nor here; "
                "`dvc checkout` brings it back from DVC's cache, or `dvc repro` makes it again"
            )
        return self._amounts()

    def _amounts(self) -> str:
        counts = {"point": self.points, "file": self.files, "param or tag": self.entries}
        amounts = ", ".join(counted(count, name) for name, count in counts.items() if count)
        if self.created:
            return f"created, {amounts} sent"
        if amounts:
            return f"{amounts} sent"
        if self.closed:
            return "closed"
        return "complete"


def summary(record: dict[str, Any]) -> dict[str, float | None]:
    """What train logs when it is done, at the last step. Records of earlier versions lack
    highest_lr."""
    return {
        **{name: record[name] for name in MEASURED},
        "highest_lr": record.get("highest_lr"),
        "best/val_bbox_mAP_50": record["best"]["bbox_mAP_50"],
    }


def scores(details: dict[str, Any]) -> dict[str, float]:
    """What analyse adds, at the best step: every score of a split."""
    result: dict[str, float] = {}
    for split in EVALUATED:
        for metric, value in details[split]["metrics"].items():
            # val's have been logged at each epoch.
            if (split == "test" or metric not in METRICS) and isinstance(value, int | float):
                result[f"{split}/{metric}"] = value
    return result


def costs_of(measured: Measured) -> dict[str, float]:
    """What stage costs adds, at the best step, with the ends of the spread."""
    result = {}
    # The training has logged its own.
    for key, value in measured.costs.items():
        if key not in MEASURED and value is not None:
            result[f"model/{key}"] = value
    for key, (low, high) in measured.spread.items():
        if key not in MEASURED:
            result[f"model/{key}_low"] = low
            result[f"model/{key}_high"] = high
    return result


def read(name: str, cell: Cell) -> Contents | None:
    """From the files of a cell as the stages leave them, or as DVC restores them; None before a
    training ended.

    Raises InputError, with the path, where a file is not what they write.
    """
    cell_files = CellFiles(name, cell)
    if not cell_files.run_file.path.is_file():
        return None
    record = cell_files.run
    try:
        finished = points.milliseconds(record["finished"])
        trained = points.of_training(cell_files.history(), record)
        for key, value in summary(record).items():
            if value is not None:
                trained.append((key, value, finished, record["iterations"]))
        contents = Contents(record, Description(**record["tracking"]), trained, [])
        if not re.fullmatch(r"[0-9a-f]{32}", record["training_id"]):
            raise ValueError("training_id")
    except (ValueError, KeyError, TypeError) as error:
        raise cell_files.run_file.wrong(f"not a record of a training ({error!r})") from None
    model = paths.model(name)
    contents.files = {
        "config.py": model / "config.py",
        "history.csv": cell_files.history_file.path,
        "run.json": cell_files.run_file.path,
    }
    step = record["best"]["step"]
    if is_analysed(cell_files):
        details = cell_files.details_file
        moment = max(finished, int(details.path.stat().st_mtime * 1000))
        try:
            values = scores(cell_files.details)
        except (KeyError, TypeError, AttributeError) as error:
            raise details.wrong(f"not an analysis ({error!r})") from None
        contents.evaluated += [(key, value, moment, step) for key, value in values.items()]
        contents.files["checkpoint/best.pth"] = model / "best.pth"
        for split in EVALUATED:
            contents.files[f"predictions/{split}.json"] = paths.predictions(name, cell, split)
        contents.files["predictions/submission.csv"] = paths.submission(name, cell)
        contents.files[f"metrics/{name}.json"] = paths.metrics(name, cell)
        contents.files["metrics/details.json"] = details.path
        contents.files[f"metrics/per_class/{name}.json"] = paths.per_class(name, cell)
    measured = Costs().of(name, record["training_id"])
    if measured:
        moment = max(finished, int(paths.COSTS.stat().st_mtime * 1000))
        costs = costs_of(measured)
        contents.evaluated += [(key, value, moment, step) for key, value in costs.items()]
        contents.files["costs/costs.json"] = paths.COSTS
    for path, file in list(contents.files.items()):
        if not file.is_file():
            contents.absent[path] = contents.files.pop(path)
    return contents


def is_analysed(files: CellFiles) -> bool:
    """Whether the analysis on disk is there and is of this training, not of one before it."""
    analysis = (files.metrics_file, files.details_file, files.per_class_file)
    if not all(file.path.is_file() for file in analysis):
        return False
    try:
        return bool(files.per_class.get("training_id") == files.run["training_id"])
    except InputError:
        return False


def complete(
    client: MlflowClient,
    experiment: str,
    contents: Contents,
    again: bool = False,
    moved: Callable[[], None] = lambda: None,
) -> Sent:
    """Makes the run of a cell where the server has none, and sends it exactly what it lacks.

    `again`: also the files that a server seems to have, the checkpoint aside: it tells them by
    their sizes alone. `moved` is called whenever the tracker took something.
    """
    record, sent = contents.record, Sent()
    training_id = record["training_id"]
    start, end = (points.milliseconds(record[key]) for key in ("started", "finished"))
    with store.turn(f"sync-{training_id}"):
        run = identity.find(client, experiment, training_id, record["run_id"])
        if run is None:
            sent.deleted = identity.deleted(client, experiment, training_id)
            if sent.deleted:
                return sent
            run_id = identity.make(
                client,
                experiment,
                training_id,
                contents.description.name,
                contents.description.cut_tags(),
                start,
            )
            sent.created = True
        else:
            run_id = run.info.run_id
        entries = contents.description.complete(client, run_id)
        if not sent.created:
            sent.entries = entries
        stored = points.on_server(client, run_id)
        lacking = points.missing(stored, contents.trained)
        lacking += points.missing(stored, contents.evaluated, compare=True)
        for batch in points.batches(lacking):
            points.send(client, run_id, batch)
            moved()
        files = artifacts.missing(client, run_id, contents.files)
        if again:
            for path, file in contents.files.items():
                if not path.startswith("checkpoint/"):
                    files[path] = file
        for path, file in files.items():
            folder = path.rpartition("/")[0]
            artifacts.put(client, run_id, file, folder)
            moved()
        sent.points, sent.files = len(lacking), len(files)
        sent.lost = [*artifacts.missing(client, run_id, contents.absent)]
        if client.get_run(run_id).info.status != "FINISHED":
            client.set_terminated(run_id, "FINISHED", end)
            sent.closed = True
        identity.drop_doubles(client, experiment, training_id, run_id)
        if record.get("cell"):
            identity.mark_current(client, experiment, run_id, record["cell"])
    return sent


def file(name: str, cell: Cell) -> None:
    """Completes a cell's run in a thread, as long as PATIENCE_S allows; one line says what is
    pending."""
    contents = read(name, cell)
    assert contents is not None, "a cell is filed once it is trained"

    def send() -> None:
        complete(*store.open_client(), contents, again=True, moved=sender.moved)

    sender = Sender()
    sender.put(Job(send))
    size = sum(path.stat().st_size for path in contents.files.values())
    pending = sender.finish(large_s=size / artifacts.BYTES_PER_S)
    if pending:
        log.warning(
            "%s: MLflow at %s has not taken everything (%s); all of it is on disk, and `make "
            "sync` sends it",
            name,
            without_password(store.uri()),
            pending.reason,
        )
