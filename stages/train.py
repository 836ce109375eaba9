"""Stage train: trains one cell with MMEngine's Runner and records how it went, on disk and in MLflow.

A training that was interrupted, whatever by, goes on where it was when it is started again.

Run alone: python -m stages.train faster_rcnn-r50-fpn-sgd-512
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stages.files import replacing
from stages.model import lock, schedule, shared_memory
from stages.program import deferred, run
from stages.study import names, params, paths
from stages.study.params import Cell, Study

if TYPE_CHECKING:
    from stages.model.scratch import Scratch

log = logging.getLogger(__name__)


def main(name: str) -> None:
    """Writes models/<cell>/{config.py, best.pth, last.pth} and history.csv and run.json under metrics/.

    Raises StudyError for an unknown cell, InputError for missing data or weights, a lost second writer, a diverging
    loss or too little memory.
    """
    study = params.load()
    cell = study.cell(name)
    if "RANK" not in os.environ:
        shared_memory.check(name, cell, study)
        if study.training.processes > 1:
            from stages.model import processes

            processes.check(study)
            processes.launch(name, study.training.processes)
            return
    # Several processes train together under the lock of the first.
    with lock.held(name) if int(os.environ.get("RANK", 0)) == 0 else contextlib.nullcontext():
        make(name, study, cell)


def make(name: str, study: Study, cell: Cell) -> None:
    """Finishes the cell's training, wherever it stands, and puts its files in their place."""
    log.info("%s: loading MMDetection", name)
    # Seconds of imports, after what can be refused at once.
    from stages.model import image_cache, memory, order, pretrained, scratch, session, speed

    speed.use_threads(study.training.threads)
    speed.check(study)
    data = session.read_prepared(study.fold_of(cell), cell.train_share)
    weights = pretrained.read(cell.backbone, study.training.weights)
    cfg = session.config(name, study, data)
    # Formatting it takes a second.
    text = cfg.pretty_text
    used = settings(cell, study, data["source"], data["train_images"])
    fingerprint, makings = session.fingerprint(text, study, used, data, [paths.weights(cell.backbone)] * bool(weights))
    work = scratch.open_(name, fingerprint, makings)
    if work.finished:
        log.info("%s: is trained already, in %s; its files are put in their place", name, work.folder)
    else:
        quiet = session.quiet(cfg, work.folder, study)
        if study.training.image_cache:
            quiet = image_cache.use(quiet, "train", "val")
        with memory.explained(name, cell, study):
            record = train(name, study, cell, order.resumable(quiet), data, weights, used, fingerprint, work)
        if record:
            for file, content in {"config.py": text, "run.json": json.dumps(record, indent=1) + "\n"}.items():
                with replacing(work.folder / file) as beside:
                    beside.write_text(content, encoding="utf-8")
    if int(os.environ.get("RANK", 0)) == 0:
        # DVC removes the outs of a stage that it has not taken note of; of several processes, some may start late.
        work.publish({paths.model(name): ("config.py", "best.pth", "last.pth"),
                      paths.record(name, cell): ("history.csv", "run.json")},
                     hold="DVC_STAGE" in os.environ or study.training.processes > 1)


def train(name: str, study: Study, cell: Cell, cfg: Any, data: dict[str, Any], weights: dict[str, Any],
          used: dict[str, Any], fingerprint: str, work: Scratch) -> dict[str, Any] | None:
    """Runs MMEngine's Runner under our hooks; what run.json says, None in all processes but the first."""
    import torch
    from mmengine.dist import is_main_process

    from stages.model import checkpoints, from_scratch, history, keep, memory, order, pretrained, resume, seen, speed
    from stages.model.session import QuietRunner
    from stages.tracking import cells, checkout, provenance
    from stages.tracking.run import Run

    commit = checkout.commit()
    runner = QuietRunner.from_cfg(cfg)
    before = keep.load(work.folder)
    tracked = None
    if is_main_process():
        tracked = Run(work.training_id, before and before["run_id"], work.folder / "history.csv")
        tracked.create(name, used, {
            "cell": name, **{key: used[key] for key in ("detector", "backbone", "neck", "optimizer", "scale", "seed")},
            "fingerprint": fingerprint, "mlflow.source.name": f"stages.train {name}", "mlflow.source.type": "LOCAL",
            "mlflow.source.git.commit": commit, **names.tags(study), **provenance.dvc_tags()},
            datasets(data, study.data.display_name))
    passes = schedule.passes(cell, study)
    if passes > 1:
        # The schedule counts passes, and the first of a sum comes before the optimizer's first step.
        warnings.filterwarnings("ignore", message="Detected call of .scheduler.step")
    writer = keep.Writer()
    recorder = history.HistoryHook(name, work.folder / "history.csv", tracked.rows if tracked else None, passes)
    saver = checkpoints.CheckpointsHook(work.folder, data["classes"], writer, passes)
    keeper = resume.KeeperHook(work.folder, recorder, saver, writer, passes, before)
    if tracked:
        keeper.run_id = lambda: tracked.run_id
        if before:
            log.info("%s: goes on from step %d of %s", name, before["iteration"] // passes, work.folder)
    start = pretrained.PretrainedHook(weights) if weights else from_scratch.ZeroInitResidualHook()
    try:
        for hook in (start, speed.SpeedHook(study.training), recorder, saver, keeper):
            runner.register_hook(hook)
        # pycocotools reports every file that it reads on stdout; progress and messages go to stderr.
        with contextlib.redirect_stdout(io.StringIO()), deferred():
            runner.train()
        if tracked:
            saver.finish()
        writer.close()
    except BaseException as error:
        if tracked:
            tracked.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        writer.close()
        raise keeper.last_words(name, study.scale, error) from None
    finally:
        order.release_workers()
    if not tracked:
        return None
    minutes = keeper.seconds / 60
    step = recorder.rows[-1]["step"]
    measured = {
        "highest_lr": max(row["lr"] for row in recorder.rows),
        "train_loss": history.last_epoch_loss(recorder.rows), "train_minutes": round(minutes, 4),
        "peak_memory_mib": memory.peak_mib(),
        "parameters": sum(parameter.numel() for parameter in runner.model.parameters())}
    tracked.metrics(cells.summary({**measured, "best": saver.best}), step)
    tracked.end("FINISHED")
    log.info("%s: best val mAP50 %.3f in epoch %d, %.1f minutes", name, saver.best["bbox_mAP_50"],
             saver.best["epoch"], minutes)
    return {
        "cell": name, **tracked.record(), "fingerprint": fingerprint, **used, **measured, "iterations": step,
        **seen.images(runner.train_loop.dataloader.dataset, runner.val_loop.dataloader.dataset),
        "best": saver.best, "started": work.started,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "versions": provenance.versions(), "git_commit": commit, "code_digest": provenance.code_digest(),
        "data_digest": data["digest"]}


def settings(cell: Cell, study: Study, source: str, train_images: int | None = None) -> dict[str, Any]:
    """What the cell was trained with, as numbers that were in force: pixels, the scaled learning rate, the warm-up that
    a training on `train_images` images has, and so on."""
    lr, batch = schedule.learning_rate(cell, study), schedule.batch_size(cell, study)
    return {
        "detector": cell.detector, "backbone": cell.backbone, "neck": cell.neck, "optimizer": cell.optimizer,
        "scale": study.scale, "image_size": schedule.pixels(cell, study), "epochs": schedule.epochs(cell, study),
        "batch_size": batch, "device_batch": schedule.device_batch(cell, study), "processes": study.training.processes,
        "lr": lr, "lr_per_sample": lr / batch, "amp": study.training.amp, "ema": study.training.ema,
        "milestones": study.training.milestones, "warmup_iterations": schedule.warmup(cell, study, train_images),
        "clip_grad": study.training.clip_grad, "early_stopping": study.training.early_stopping,
        "weights": study.training.weights, "seed": study.seed_of(cell), "data": source,
        "max_detections": study.data.max_detections,
        "fold": study.data.fold if cell.fold is None else cell.fold,
        # Absent for all images, so that trainings of before there were shares are the same.
        **({"train_share": cell.train_share} if cell.train_share else {})}


def datasets(data: dict[str, Any], name: str) -> list[dict[str, str]]:
    """The inputs of a training for MLflow: the annotation files, whose digests cover the images too.

    name: of the data set.
    """
    return [{"name": f"{name}-{split}", "digest": data["digests"][split],
             "source": str(data["files"][split].resolve()), "context": context}
            for split, context in (("train", "training"), ("val", "validation"))]


if __name__ == "__main__":
    run(main, "train", "CELL")
