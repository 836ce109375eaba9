"""Brings MLflow up to date: makes the runs that it lacks and sends the points and files that did
not arrive.

Run alone, at any time: python -m stages.sync, or make sync
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from stages.comparison.run import AGAIN, REPORT, SUFFIX, SUMMARY
from stages.files import sha256
from stages.program import InputError, run
from stages.study import names, params, paths
from stages.study.counts import count, is_or_are
from stages.tracking import cells, store
from stages.tracking.runs import Runs
from stages.tracking.sending import NeedsPerson, in_a_line, installed, is_final, without_password
from stages.tracking.upload import Sent, Upload

log = logging.getLogger(__name__)
T = TypeVar("T")

# Seconds between the tries of one step; a tracker that fails through all of them is down.
PAUSES_S = (1, 3, 9)


def main() -> None:
    """A line for each cell of params.yaml. A second call finds all complete and sends nothing.

    The files of a cell are those that the stages wrote here or that DVC restored. Raises InputError
    where the tracker does not answer or MLflow is not installed.
    """
    if not installed():
        raise InputError(
            "MLflow is not installed here; copy models/, metrics/ and predictions/ to a machine "
            "that has it, or install it, and run make sync there"
        )
    study = params.load_study()
    client, experiment = trying(store.open_client)
    with store.turn():
        closed = trying(lambda: Runs(client, experiment).close_vanished())
    for name in closed:
        log.info("%s: its process is gone; a run is closed as KILLED", name)
    data(names.tags(study))
    total = Sent()
    missing, damaged = [], []
    for name, cell in study.cells.items():
        try:
            contents = cells.read_contents(name, cell)
        except InputError as error:
            log.error("%s", error)
            damaged.append(name)
            continue
        if contents is None:
            missing.append(name)
            continue
        upload = Upload(contents)
        sent = trying(lambda upload=upload: upload.send(client, experiment))
        remark = "" if cells.DETAILS in contents.files else "; not analysed here"
        log.info("%s: %s%s", name, sent, remark)
        total.points += sent.points
        total.files += sent.files
    if missing:
        log.info(
            "%d of %s %s not trained here: %s",
            len(missing),
            count(len(study.cells), "cells"),
            is_or_are(len(missing)),
            ", ".join(missing),
        )
    log.info(
        "%s, %s sent to %s",
        count(total.points, "points"),
        count(total.files, "files"),
        without_password(store.uri()),
    )
    comparison()
    if damaged:
        raise InputError(
            f"{', '.join(damaged)}: not sent; dvc checkout --force restores the files, or dvc repro "
            "makes them again"
        )


def data(tags: dict[str, str]) -> None:
    """The run of the data report. tags: of names.tags()."""
    try:
        report = json.loads((paths.PREPARED / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if not report.get("digest"):
        return
    contents = cells.of_data_report(report, paths.PREPARED, tags)
    client, experiment = trying(lambda: store.open_client(store.DATA))
    sent = trying(lambda: Upload(contents).send(client, experiment))
    log.info("data %s: %s", report["digest"][:12], sent)


def comparison() -> None:
    """A line where the last comparison in MLflow, whose verdicts and champion it has, is not that of
    reports/."""
    if not (paths.REPORTS / SUMMARY).is_file():
        return
    client, experiment = trying(lambda: store.open_client(SUFFIX))
    runs = trying(
        lambda: client.search_runs(
            [experiment], order_by=["attributes.end_time DESC"], max_results=1
        )
    )
    if not runs or runs[0].data.tags.get(REPORT) != sha256(paths.REPORTS / SUMMARY):
        log.info("the last comparison there is not that of %s; %s sends it", paths.REPORTS, AGAIN)


def trying(step: Callable[[], T]) -> T:
    """The step's result; it is tried again after PAUSES_S. What was sent before a failure is not
    sent twice."""
    for pause in (*PAUSES_S, None):
        try:
            return step()
        except Exception as error:
            if isinstance(error, NeedsPerson):
                raise InputError(f"{error}; then run make sync again") from error
            if pause is None or is_final(error):
                raise InputError(
                    f"MLflow at {without_password(store.uri())} fails ({in_a_line(error)}); what "
                    "is on disk stays there: run make sync again once it answers"
                ) from error
        time.sleep(pause)
    raise AssertionError


if __name__ == "__main__":
    run(main, "sync")
