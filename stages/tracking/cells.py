"""What MLflow's run of a cell, or of the data report, holds: read from their files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.results.cell import Costs, MeasuredCosts
from stages.results.files import CellFiles
from stages.study import paths
from stages.study.metrics import METRICS
from stages.study.params import Cell
from stages.study.paths import EVALUATED
from stages.tracking import provenance, upload
from stages.tracking.contents import Contents, Description, dataset, milliseconds, moments_of, now

# What train measures besides its history, under the names that run.json has.
MEASURED = ("train_loss", "train_minutes", "peak_memory_mib", "parameters")
# The analysis among the artifacts of a run.
DETAILS = "metrics/details.json"


def summary(record: dict[str, Any]) -> dict[str, float | None]:
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
        for key, value in summary(record).items():
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


def send(name: str, cell: Cell) -> None:
    """Completes the run of a trained cell; see upload.send()."""
    contents = read(name, cell)
    assert contents is not None, "a cell is sent once it is trained"
    upload.send(contents)


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
