"""Guards a training from its start to its outs: one at a time, kept as it goes, tracked, and
recorded when it is done.

Nothing in here changes a bit of what stages/training makes.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.errors import InputError
from stages.files import replacing, write_json
from stages.program import deferred
from stages.safety import lock, shared_memory
from stages.study import params, paths
from stages.study.params import Cell, Study

if TYPE_CHECKING:
    from stages.safety.workspace import Workspace
    from stages.training.cell_file import ResolvedCell

log = logging.getLogger(__name__)


def main(name: str) -> None:
    """Trains the cell and puts its files in their place; see stages/train.py."""
    study = params.load()
    cell = study.cell(name)
    if "RANK" in os.environ:
        # Several processes train together under the lock of the first.
        with lock.held(name) if _first() else contextlib.nullcontext():
            finish(name, study, cell)
        return
    shared_memory.check(name, cell, study)
    with lock.held(name):
        log.info("%s: loading MMDetection", name)
        resolve(name, study)
        if study.training.processes == 1:
            finish(name, study, cell)
            return
    from stages.safety import launch

    launch.check(study)
    launch.launch(name, study.training.processes)


def resolve(name: str, study: Study) -> None:
    """Sees to it that the cell's file is what params.yaml, configs/ and the prepared data make of
    it.

    Alone, the file is written. Under DVC, which has looked at it before, InputError is raised where
    it would change.
    """
    from stages.model import resolve

    data = resolve.read_prepared(study, study.cell(name))
    if "DVC_STAGE" not in os.environ:
        resolve.write(name, study, data)
        return
    path = paths.cell(name)
    if not path.is_file() or path.read_text(encoding="utf-8") != resolve.text(name, study, data):
        raise InputError(
            f"{path}: is not what params.yaml says now; run dvc repro compose first, and dvc "
            "checkout brings back the files of the training before"
        )


def finish(name: str, study: Study, cell: Cell) -> None:
    """Finishes the cell's training, wherever it stands, and puts its files in their place."""
    from stages.model.resolve import read_prepared
    from stages.safety import launch, memory, record, workspace
    from stages.training import cell_file, processes

    launch.check(study)
    resolved = cell_file.read(paths.cell(name))
    processes.use_threads(resolved.training["threads"])
    data = read_prepared(study, cell)
    pretrained = resolved.training["pretrained"]
    weights = [Path(pretrained)] if pretrained else []
    fingerprint, settings = record.fingerprint(resolved, data, weights)
    work = workspace.open_(name, fingerprint, settings)
    if work.finished:
        log.info("%s: already trained (%s); restoring its files", name, work.folder)
    else:
        with memory.explained(name, cell, study):
            content = train(resolved, study, data, fingerprint, work)
        if content:
            with replacing(work.folder / "config.py") as temporary:
                temporary.write_text(resolved.text, encoding="utf-8")
            write_json(work.folder / "run.json", content)
    if _first():
        # DVC removes the outs of a stage that it has not taken note of; of several processes, some
        # may start late.
        work.publish(
            {
                paths.model(name): ("config.py", "best.pth", "last.pth"),
                paths.record(name, cell): ("history.csv", "run.json"),
            },
            keep_for_dvc="DVC_STAGE" in os.environ or study.training.processes > 1,
        )


def train(
    cell: ResolvedCell, study: Study, data: dict[str, Any], fingerprint: str, work: Workspace
) -> dict[str, Any] | None:
    """Runs the training under our hooks; what run.json says, None in all processes but the
    first."""
    from mmengine.dist import is_main_process

    from stages.safety import keeper, loaders, progress, record, state_files
    from stages.tracking import cells, checkout
    from stages.training import runner

    name, settings = cell.name, study.training
    commit = checkout.commit()
    cfg = runner.runner_config(cell, work.folder, settings.image_cache)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loaders.bounded(loader, settings.workers, in_training=True)
    training = runner.assemble(cfg, work.folder / "history.csv")
    before = state_files.load(work.folder)
    tracked = None
    if is_main_process():
        tracked = record.start_run(cell, study, data, fingerprint, commit, work, before)
    if training.passes > 1:
        # The schedule counts passes, and the first of a sum comes before the optimizer's first
        # step.
        warnings.filterwarnings("ignore", message="Detected call of .scheduler.step")
    writer = state_files.Writer()
    on_epoch = None
    if tracked:
        on_epoch = tracked.rows
    bar = progress.ProgressHook(name, training.recorder, on_epoch)
    saver = keeper.CheckpointsHook(work.folder, training, data["classes"], writer)
    keeper_hook = keeper.KeeperHook(work.folder, training, bar, writer, before)
    if tracked:
        keeper_hook.run_id = lambda: tracked.run_id
        if before:
            log.info(
                "%s: resuming from step %d of %s",
                name,
                before["iteration"] // training.passes,
                work.folder,
            )
    try:
        for hook in (bar, saver, keeper_hook):
            training.runner.register_hook(hook)
        # pycocotools reports every file that it reads on stdout; progress and messages go to
        # stderr.
        with contextlib.redirect_stdout(io.StringIO()), deferred():
            training.runner.train()
        if tracked:
            saver.finish()
        writer.close()
    except BaseException as error:
        if tracked:
            status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
            tracked.end(status)
        writer.close()
        raise keeper_hook.last_words(name, study.scale, error) from None
    finally:
        loaders.release_workers()
    if not tracked:
        return None
    measurements = record.measured(training, keeper_hook.seconds)
    best = training.best.best
    summary = cells.summary({**measurements, "best": best})
    tracked.metrics(summary, training.recorder.rows[-1]["step"])
    tracked.end("FINISHED")
    log.info(
        "%s: best val mAP50 %.3f in epoch %d, %.1f minutes",
        name,
        best["bbox_mAP_50"],
        best["epoch"],
        measurements["train_minutes"],
    )
    return record.content(
        cell, training, measurements, tracked.record(), fingerprint, commit, data, work.started
    )


def _first() -> bool:
    """Whether this process is the first of those that train together, or the only one."""
    return int(os.environ.get("RANK", 0)) == 0
