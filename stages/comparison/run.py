"""The comparison in MLflow: a run of its own, whose children are the cells' runs, with verdicts as
their tags.

It has an experiment of its own. In the cells' one MLflow 3.17 would fold all cells away below it,
in its table and in its charts, and also those that a filter names. Who ticks both experiments and
presses Compare sees them nested.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.comparison import outcomes, registry
from stages.files import sha256, write_text
from stages.results.cell import CellResult
from stages.study import paths
from stages.study.counts import shortened
from stages.study.params import Study
from stages.tracking import provenance, store
from stages.tracking.contents import BATCH, TAG_LENGTH, batches, now, same_number, send_points
from stages.tracking.runs import Runs, owner_tags
from stages.tracking.sending import Sender, is_final, without_password
from stages.verdict.judgement import Judgement

if TYPE_CHECKING:
    from mlflow.entities import Run

logger = logging.getLogger(__name__)

# How long compare waits for the tracker in all; the report is on disk before.
COMPARISON_PATIENCE_S = 60.0
# Added to the name of the cells' experiment.
SUFFIX = "-comparisons"
# The tag with the SHA-256 of the report's summary, by which sync tells whether MLflow has it.
REPORT = "report"
SUMMARY = "summary.json"
# The summary that MLflow was told last.
TOLD = paths.SCRATCH / "told.json"
# Names of more cells are counted, not told.
_MOST = 4
AGAIN = "`dvc repro --force --single-item compare`"


def log_comparison(
    judgement: Judgement, cells: Sequence[CellResult], study: Study, folder: Path
) -> None:
    """Sends what compare concluded, with the report in `folder`, once that is written. Never raises
    for the tracker's sake: what it does not take within COMPARISON_PATIENCE_S is said in one line.

    cells: the rows with results, repeats among them. An equal judgement of the same runs updates
    the run that it has.
    """
    messages = _Messages(judgement, cells, study, folder)
    sender = Sender()
    for send in messages.jobs():
        sender.put(send)
    unsent = sender.finish(COMPARISON_PATIENCE_S)
    messages.over = True
    if not unsent:
        # For make, which has compare run again where DVC restores another report.
        write_text(TOLD, (folder / SUMMARY).read_text(encoding="utf-8"))
    if unsent:
        logger.warning(
            "MLflow at %s has not taken all of this comparison (%s). The report in %s is complete; "
            "%s sends the rest once MLflow answers",
            without_password(store.uri()),
            unsent.reason,
            folder,
            AGAIN,
        )
    elif messages.unknown:
        names = shortened(messages.unknown, _MOST)
        logger.warning(
            "MLflow at %s does not know the runs of %s, so they carry no verdict there; "
            "`make sync` makes them again, and %s then adds it",
            without_password(store.uri()),
            ", ".join(names),
            AGAIN,
        )


class _Messages:
    """The jobs of a comparison. Each can be done again: it sends what the tracker lacks."""

    def __init__(
        self, judgement: Judgement, cells: Sequence[CellResult], study: Study, folder: Path
    ) -> None:
        self.judgement, self.study, self.folder = judgement, study, folder
        self.cells = {cell.name: cell for cell in cells}
        self.keys = outcomes.class_keys(cells)
        self.digest = outcomes.comparison_digest(judgement, cells)
        # Row of params.yaml -> the cell that it is or repeats.
        self.rows: dict[str, str] = {}
        for cell, rows in judgement.repeats.items():
            self.rows.update(dict.fromkeys(rows, cell))
        self.runs: dict[str, Run] = {}
        self.unknown: dict[str, None] = {}
        self.run_id = ""
        # Nobody waits any more.
        self.over = False
        self._client: Any = None

    def jobs(self) -> list[Callable[[], None]]:
        """In their order. Without the comparison's run the others have nothing to do."""
        cells = [partial(self.cell, row) for row in self.rows]
        jobs: list[Callable[[], None]] = [self.open, self.report, *cells, self.champion, self.end]
        return [partial(self._send, job) for job in jobs]

    def _send(self, job: Callable[[], None]) -> None:
        if not self.over and (self.run_id or job == self.open):
            job()

    def open(self) -> None:
        """Finds the comparison's run or makes it, and says in it what was concluded."""
        self._of_cells = Runs(*store.open_client())
        comparisons = Runs(*store.open_client(SUFFIX))
        self._client = comparisons.client
        tags = {
            **outcomes.comparison_tags(self.judgement, self.study),
            **provenance.source_tags("stages.compare"),
            **owner_tags(),
            "mlflow.note.content": outcomes.comparison_note(self.judgement),
            REPORT: sha256(self.folder / SUMMARY),
        }
        with store.turn():
            comparisons.close_vanished(but=self.digest)
            run = comparisons.find(self.digest)
            if run:
                self._client.update_run(run.info.run_id, "RUNNING")
            else:
                name = outcomes.comparison_name(self.judgement, self.study)
                run = comparisons.make(self.digest, name, {"kind": "comparison"})
        self._complete(run, tags, outcomes.comparison_metrics(self.judgement), 0)
        self.run_id = run.info.run_id

    def report(self) -> None:
        """The report's files and a table of all classes."""
        for file in sorted(path for path in self.folder.rglob("*") if path.is_file()):
            below = Path("report") / file.parent.relative_to(self.folder)
            # A copy and no link: the next report may be written over this file.
            self._client.log_artifact(self.run_id, str(file), below.as_posix())
        table = outcomes.classes_csv(self.judgement, self.keys)
        self._client.log_text(self.run_id, table, "classes.csv")

    def cell(self, row: str) -> None:
        """Hangs a row's run below the comparison: its cell's verdict, its classes' AP50."""
        result = self.cells[row]
        run = self._run(result.run)
        if run is None:
            self.unknown[row] = None
            return
        self.runs[row] = run
        cell = self.rows[row]
        tags = {
            **outcomes.cell_tags(self.judgement, cell),
            "comparison": self.run_id,
            "mlflow.parentRunId": self.run_id,
        }
        metrics = {
            **outcomes.cell_metrics(self.judgement, cell),
            **outcomes.class_metrics(result, self.keys),
        }
        # Where analyse's scores stand as well.
        step = result.run.get("best", {}).get("step", 0)
        self._complete(run, tags, metrics, step)
        self._of_cells.mark_current(run.info.run_id, row)

    def champion(self) -> None:
        """The chosen cell's checkpoint in the model registry, where the judgement holds; the alias
        moves by a verdict against the champion alone."""
        sentence = registry.promote(
            self._client, self.judgement, self.runs, self.run_id, self.study, self.folder.parent
        )
        self._client.set_tag(self.run_id, registry.ALIAS, sentence[:TAG_LENGTH])
        logger.info("%s", sentence)

    def end(self) -> None:
        self._client.set_terminated(self.run_id, "FINISHED")

    def _run(self, record: dict[str, Any]) -> Run | None:
        """None where this tracker has no such run, or has it in its trash."""
        from mlflow.exceptions import MlflowException

        run_id, training_id = record.get("run_id"), record.get("training_id")
        if training_id:
            return self._of_cells.find(training_id, run_id)
        try:
            run = self._client.get_run(str(run_id)) if run_id else None
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST" and not is_final(error):
                raise
            return None
        return run if run and run.info.lifecycle_stage == "active" else None

    def _complete(
        self, run: Run, tags: dict[str, str], metrics: dict[str, float], step: int
    ) -> None:
        """Sets the tags and metrics that the run does not have with just these values."""
        from mlflow.entities import RunTag

        data, run_id = run.data, run.info.run_id
        changed = []
        for key, value in tags.items():
            if value != data.tags.get(key) and (value or key in data.tags):
                changed.append(RunTag(key, str(value)[:TAG_LENGTH]))
        for start in range(0, len(changed), BATCH):
            self._client.log_batch(run_id, tags=changed[start : start + BATCH])
        lacking = []
        for name, number in metrics.items():
            if name not in data.metrics or not same_number(data.metrics[name], number):
                lacking.append((name, number, now(), step))
        for batch in batches(lacking):
            send_points(self._client, run_id, batch)
