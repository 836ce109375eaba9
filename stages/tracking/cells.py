"""What MLflow is told of a cell, while it is trained and from its files, and of the data report."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from stages.errors import InputError
from stages.results.cell import Costs, MeasuredCosts
from stages.results.files import CellFiles
from stages.study import paths
from stages.study.counts import count
from stages.study.metrics import METRICS
from stages.study.params import Cell
from stages.study.paths import EVALUATED
from stages.tracking import provenance, store
from stages.tracking.contents import Contents, Description, dataset, milliseconds, moments_of, now
from stages.tracking.runs import Runs, restoring
from stages.tracking.sending import NeedsPerson, Sender
from stages.tracking.upload import Upload, say_pending, send_contents

log = logging.getLogger(__name__)

# What train measures besides its history, under the names that run.json has.
MEASURED = ("train_loss", "train_minutes", "peak_memory_mib", "parameters")
# The analysis among the artifacts of a run.
DETAILS = "metrics/details.json"
# After a signal to stop: the state is saved, and batch systems kill after 30 s.
KILLED_PATIENCE_S = 20.0


class TrainingRun:
    """The run of a training that is going on: it is sent what it lacks at its start, after every
    epoch and at its end, from a thread, so that the training never waits for the tracker.

    The tracker may be lost and come back at any time: history, metrics and checkpoints are on disk
    before, so that what has not arrived by the end is named in one line, and stages.sync sends it.

    training_id: of the training, which keeps it through interruptions, with the `run_id` that it
    had; its points are not sent twice.
    """

    def __init__(
        self, description: Description, training_id: str | None = None, run_id: str | None = None
    ) -> None:
        self._contents = Contents(training_id or uuid4().hex, description, run_id, status=None)
        self._sender = Sender()
        self._upload = Upload(self._contents, is_own=True, moved=self._sender.moved)
        self._is_first = True
        # Read now: in the sending thread, params.yaml may be half-edited.
        store.experiment_name()
        self._sender.put(self._send)

    @property
    def run_id(self) -> str | None:
        """None before MLflow has answered."""
        return self._contents.run_id

    @property
    def training_id(self) -> str:
        return self._contents.training_id

    def record(self) -> dict[str, Any]:
        """For run.json: what finds the run, or makes it again on another server."""
        tracking = asdict(self._contents.description)
        return {"run_id": self.run_id, "training_id": self.training_id, "tracking": tracking}

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """The whole history so far, which is on disk already."""
        contents = self._contents
        contents.rows = rows
        contents.moments += [now()] * (len(rows) - len(contents.moments))
        self._sender.put(self._send)

    def metrics(self, metrics: dict[str, float | None], step: int) -> None:
        """Single numbers at one step; None is left out."""
        for name, value in metrics.items():
            if value is not None:
                self._contents.numbers.append((name, value, now(), step))
        self._sender.put(self._send)

    def end(self, status: str) -> None:
        """Closes the run as FINISHED, FAILED or KILLED; waits for the rest, but not for ever."""
        self._contents.status = status
        self._sender.put(self._send)
        unsent = self._sender.finish(KILLED_PATIENCE_S if status == "KILLED" else None)
        lacking = self.lacking()
        say_pending(self._contents, unsent, count(lacking, "points") if lacking else "the rest")

    def lacking(self) -> int:
        """How many points have not arrived."""
        return self._upload.lacking()

    def _send(self) -> None:
        client, experiment = store.open_client()
        if self._is_first:
            with store.turn():
                closed = Runs(client, experiment).close_vanished(but=self.training_id)
            if closed:
                names = ", ".join(closed)
                log.info("MLflow: closed as KILLED, their processes are gone: %s", names)
            self._is_first = False
        sent = self._upload.send(client, experiment)
        if sent.deleted:
            restore = restoring(sent.deleted)
            raise NeedsPerson(f"the run was deleted; {restore} brings it back")


def training_summary(record: dict[str, Any]) -> dict[str, float | None]:
    """What train logs when it is done, at the last step. Older records lack highest_lr."""
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


def costs_of(measured: MeasuredCosts) -> dict[str, float]:
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


def read_contents(name: str, cell: Cell) -> Contents | None:
    """From the files of a cell as the stages leave them, or as DVC restores them; None before a
    training ended.

    Raises InputError, with the path, where a file is not what they write.
    """
    cell_files = CellFiles(name, cell)
    if not cell_files.run_file.path.is_file():
        return None
    record = cell_files.run
    try:
        finished = milliseconds(record["finished"])
        rows = cell_files.history()
        contents = Contents(
            record["training_id"],
            Description(**record["tracking"]),
            record["run_id"],
            rows,
            moments_of(rows, record),
            started=milliseconds(record["started"]),
            finished=finished,
            cell=record.get("cell", ""),
        )
        for key, value in training_summary(record).items():
            if value is not None:
                contents.numbers.append((key, value, finished, record["iterations"]))
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
        contents.numbers += [(key, value, moment, step) for key, value in values.items()]
        contents.files["checkpoint/best.pth"] = model / "best.pth"
        for split in EVALUATED:
            contents.files[f"predictions/{split}.json"] = paths.predictions(name, cell, split)
        contents.files["predictions/submission.csv"] = paths.submission(name, cell)
        contents.files[f"metrics/{name}.json"] = paths.metrics(name, cell)
        contents.files[DETAILS] = details.path
        contents.files[f"metrics/per_class/{name}.json"] = paths.per_class(name, cell)
    measured = Costs().of(name, record["training_id"])
    if measured:
        moment = max(finished, int(paths.COSTS.stat().st_mtime * 1000))
        costs = costs_of(measured)
        contents.numbers += [(key, value, moment, step) for key, value in costs.items()]
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


def send_cell(name: str, cell: Cell) -> None:
    """Completes the run of a trained cell; see send_contents()."""
    contents = read_contents(name, cell)
    assert contents is not None, "a cell is sent once it is trained"
    send_contents(contents)


def of_data_report(report: dict[str, Any], folder: Path, tags: dict[str, str]) -> Contents:
    """The splits are dataset inputs. report: report.json of `folder`. tags: of names.tags()."""
    # Reports of earlier versions have no name.
    name, digest = report.get("name") or report["source"], report["digest"]
    params = {key: report[key] for key in ("source", "image_root", "pixels")}
    datasets, counts = [], {}
    for split, part in report["splits"].items():
        file = folder / f"{split}.json"
        datasets.append(dataset(name, split, part["digest"], file))
        counts[f"{split}/images"] = part["images"]
        counts[f"{split}/boxes"] = part["boxes"]
    for finding in report["findings"]:
        counts[f"findings/{finding['code']}"] = finding["count"]
    tags = {**tags, "digest": digest, **provenance.source_tags("stages.prepare")}
    moment = now()
    return Contents(
        digest,
        Description(f"{name} {digest[:12]}", params, tags, datasets),
        numbers=[(key, count, moment, 0) for key, count in counts.items()],
        files={file: folder / file for file in ("report.html", "report.json", "changes.csv")},
    )
