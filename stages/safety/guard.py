"""Guards a training from its start to its outs: one at a time, in one process or several, kept as it
goes, tracked, and recorded when it is done.

Nothing in here changes a bit of what stages/training makes.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import sys
import tempfile
import warnings
from typing import TYPE_CHECKING, Any

from stages.errors import InputError
from stages.files import write_json, write_text
from stages.program import Stopped, deferred
from stages.safety import lock, workspace
from stages.safety.resources import check_gpus, check_shared_memory, explained_memory_error
from stages.safety.workspace import Workspace, is_first
from stages.study import params, paths
from stages.study.params import Cell, Study

if TYPE_CHECKING:
    from stages.training.cell_file import ResolvedCell

log = logging.getLogger(__name__)


def main(name: str) -> None:
    """Trains the cell and puts its files in their place; see stages/train.py."""
    study = params.load_study()
    cell = study.cell(name)
    if "RANK" in os.environ:
        # Several processes train together under the lock of the first.
        with lock.held(name) if is_first() else contextlib.nullcontext():
            finish(name, study, cell)
        return
    check_shared_memory(name, cell, study)
    with lock.held(name):
        log.info("%s: loading MMDetection", name)
        resolve(name, study)
        check_gpus(study)
        if study.training.processes == 1:
            finish(name, study, cell)
            return
    launch(name, study.training.processes)


def resolve(name: str, study: Study) -> None:
    """Sees to it that the cell's file is what params.yaml, configs/ and the prepared data make of
    it.

    Alone, the file is written. Under DVC, which has looked at it before, InputError is raised where
    it would change.
    """
    from stages.model import resolve

    data = resolve.read_prepared(study, study.cell(name))
    if "DVC_STAGE" not in os.environ:
        resolve.write_cell(name, study, data)
        return
    path = paths.cell(name)
    if not path.is_file() or path.read_text(encoding="utf-8") != resolve.text(name, study, data):
        raise InputError(
            f"{path}: is not what params.yaml says now; run dvc repro compose first, and dvc "
            "checkout brings back the files of the training before"
        )


def launch(name: str, count: int) -> None:
    """Starts `count` times stages.train for cell `name`, as torchrun does, and waits. Exits with
    the first failure's status; that process has said why, unless it was killed, which raises
    InputError. Raises Stopped when told to stop, after the processes have saved and gone."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    from stages.training.processes import MEETING

    # Its tables and tracebacks would bury the one line that a person can act on.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    if sys.platform.startswith("linux"):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        os.environ.setdefault("NCCL_SOCKET_IFNAME", "lo")
    try:
        with tempfile.TemporaryDirectory(prefix="detection-matrix-") as folder:
            os.environ[MEETING] = f"{folder}/group"
            config = LaunchConfig(
                min_nodes=1,
                max_nodes=1,
                nproc_per_node=count,
                max_restarts=0,
                run_id=name,
                rdzv_backend="c10d",
                rdzv_endpoint=f"{folder}/start",
                rdzv_configs={"store_type": "file"},
            )
            elastic_launch(config, sys.executable)("-m", "stages.train", name)
    except SignalException as stop:
        raise Stopped(int(stop.sigval), "") from None
    except ChildFailedError as error:
        status = error.get_first_failure()[1].exitcode
        if status < 0:
            raise InputError(
                f"{name}: one of its {count} processes was killed by "
                f"{signal.Signals(-status).name}; the same command resumes from the last state"
            ) from None
        sys.exit(status)


def finish(name: str, study: Study, cell: Cell) -> None:
    """Finishes the cell's training, wherever it stands, and puts its files in their place."""
    from stages.model.resolve import read_prepared
    from stages.safety.record import fingerprint
    from stages.training import cell_file, processes

    resolved = cell_file.read(paths.cell(name))
    processes.use_threads(resolved.training["threads"])
    data = read_prepared(study, cell)
    work = workspace.open_(name, *fingerprint(resolved, data))
    if work.finished:
        log.info("%s: already trained (%s); restoring its files", name, work.folder)
    else:
        with explained_memory_error(name, cell, study):
            content = train(resolved, study, data, work)
        if content:
            write_text(work.folder / "config.py", resolved.text)
            write_json(work.folder / "run.json", content)
    if is_first():
        # DVC removes a stage's outs before it runs it again; of several processes some start late.
        work.publish(
            {
                paths.model(name): ("config.py", "best.pth", "last.pth"),
                paths.record(name, cell): ("history.csv", "run.json"),
            },
            keep_for_dvc="DVC_STAGE" in os.environ or study.training.processes > 1,
        )


def train(
    cell: ResolvedCell, study: Study, data: dict[str, Any], work: Workspace
) -> dict[str, Any] | None:
    """Runs the training under our hooks; run.json, None in all processes but the first."""
    from stages.safety.keeper import CheckpointsHook, KeeperHook
    from stages.safety.loaders import bound_loader, release_workers
    from stages.safety.record import ProgressHook, Record
    from stages.safety.states import Writer, load_state
    from stages.training import runner

    name = cell.name
    cfg = runner.runner_config(cell, work.folder, study.training.image_cache)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        bound_loader(loader, study.training.workers, in_training=True)
    training = runner.assemble(cfg, work.folder / "history.csv")
    before = load_state(work.folder)
    record = run = None
    if is_first():
        record = Record(cell, study, data, work, before)
        run = record.run
        if before:
            step = before["iteration"] // training.passes
            log.info("%s: resuming from step %d of %s", name, step, work.folder)
    if training.passes > 1:
        # The schedule counts passes; the first of a sum precedes the optimizer's first step.
        warnings.filterwarnings("ignore", message="Detected call of .scheduler.step")
    writer = Writer()
    bar = ProgressHook(name, training.recorder, run)
    saver = CheckpointsHook(work.folder, training, data["classes"], writer)
    keeper_hook = KeeperHook(work.folder, training, bar, writer, before, run)
    try:
        for hook in (bar, saver, keeper_hook):
            training.runner.register_hook(hook)
        # pycocotools reports every file that it reads on stdout; ours go to stderr.
        with contextlib.redirect_stdout(io.StringIO()), deferred():
            training.runner.train()
        if record:
            saver.finish()
        writer.close()
    except BaseException as error:
        if run:
            run.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        writer.close()
        raise keeper_hook.last_words(name, study.scale, error) from None
    finally:
        release_workers()
    if not record:
        return None
    content = record.finish(training, keeper_hook.seconds)
    log.info(
        "%s: best val mAP50 %.3f in epoch %d, %.1f minutes",
        name,
        content["best"]["bbox_mAP_50"],
        content["best"]["epoch"],
        content["train_minutes"],
    )
    return content
