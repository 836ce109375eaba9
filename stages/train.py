"""Stage train: trains one cell with MMEngine's Runner and records how it went, on disk and in MLflow.

Run alone: python -m stages.train faster_rcnn-r50-fpn-sgd-512
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stages.model import schedule
from stages.program import run
from stages.study import params, paths
from stages.study.params import Cell, Study

log = logging.getLogger(__name__)


def main(name: str) -> None:
    """Writes models/<cell>/{config.py, best.pth, last.pth} and history.csv and run.json under metrics/.

    Raises StudyError for an unknown cell, InputError for missing data or weights, a lost second writer, a diverging
    loss or too little memory.
    """
    study = params.load()
    cell = study.cell(name)
    if study.training.processes > 1 and "RANK" not in os.environ:
        from stages.model import processes

        processes.launch(name, study.training.processes)
        return
    log.info("%s: loading MMDetection", name)
    # Seconds of imports, after what can be refused at once.
    import torch

    from stages.model import image_cache, memory, pretrained, session, speed
    from stages.tracking import provenance

    if study.training.threads:
        torch.set_num_threads(study.training.threads)
    speed.check(study)
    data = session.read_prepared()
    weights = pretrained.read(cell.backbone, study.training.weights)
    cfg = session.config(name, study, data)
    fingerprint = provenance.fingerprint(cfg.pretty_text, [
        paths.annotations("train"), paths.annotations("val"), *[paths.weights(cell.backbone)] * bool(weights)])
    with session.scratch(name, fingerprint) as scratch, memory.explained(name, cell, study):
        (scratch / "config.py").write_text(cfg.pretty_text, encoding="utf-8")
        used = settings(cell, study, data["source"])
        quiet = session.quiet(cfg, scratch, study)
        if study.training.image_cache:
            quiet = image_cache.use(quiet, "train", "val")
        record = train(name, study, cell, quiet, data, weights, used, fingerprint, scratch)
        if record:
            (scratch / "run.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            move(scratch, {paths.model(name): ("config.py", "best.pth", "last.pth"),
                           paths.record(name, cell): ("history.csv", "run.json")})


def train(name: str, study: Study, cell: Cell, cfg: Any, data: dict[str, Any], weights: dict[str, Any],
          used: dict[str, Any], fingerprint: str, scratch: Path) -> dict[str, Any] | None:
    """Runs MMEngine's Runner under our hooks; what run.json says, None in all processes but the first."""
    import torch
    from mmengine.dist import is_main_process
    from mmengine.runner import Runner

    from stages.model import checkpoints, from_scratch, history, memory, pretrained, speed
    from stages.tracking import provenance
    from stages.tracking.run import Run

    commit = provenance.git_commit()
    runner = Runner.from_cfg(cfg)
    tracked = Run() if is_main_process() else None
    if tracked:
        tracked.create(name, used, {
            "cell": name, **{key: used[key] for key in ("detector", "backbone", "neck", "optimizer", "scale", "seed")},
            "fingerprint": fingerprint, "mlflow.source.name": f"stages.train {name}", "mlflow.source.type": "LOCAL",
            "mlflow.source.git.commit": commit, **provenance.dvc_tags()}, datasets(data))
    passes = schedule.passes(cell, study)
    if passes > 1:
        # The schedule counts passes, and the first of a sum comes before the optimizer's first step.
        warnings.filterwarnings("ignore", message="Detected call of .scheduler.step")
    recorder = history.HistoryHook(name, scratch / "history.csv", tracked.rows if tracked else None, passes)
    saver = checkpoints.CheckpointsHook(scratch, data["classes"], passes)
    start = pretrained.PretrainedHook(weights) if weights else from_scratch.ZeroInitResidualHook()
    started, clock = datetime.now(UTC), time.monotonic()
    try:
        for hook in (start, speed.SpeedHook(study.training), recorder, saver):
            runner.register_hook(hook)
        # pycocotools reports every file that it reads on stdout; progress and messages go to stderr.
        with contextlib.redirect_stdout(io.StringIO()):
            runner.train()
    except BaseException as error:
        if tracked:
            tracked.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    if not tracked:
        return None
    minutes = (time.monotonic() - clock) / 60
    step = recorder.rows[-1]["step"]
    measured = {
        "train_loss": history.last_epoch_loss(recorder.rows), "train_minutes": round(minutes, 4),
        "peak_memory_mib": memory.peak_mib(),
        "parameters": sum(parameter.numel() for parameter in runner.model.parameters())}
    tracked.metrics({**measured, "best/val_bbox_mAP_50": saver.best["bbox_mAP_50"]}, step)
    tracked.end("FINISHED")
    log.info("%s: best val mAP50 %.3f in epoch %d, %.1f minutes", name, saver.best["bbox_mAP_50"],
             saver.best["epoch"], minutes)
    return {
        "cell": name, "run_id": tracked.run_id, "fingerprint": fingerprint, **used, **measured, "iterations": step,
        "best": saver.best, "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "versions": provenance.versions(), "git_commit": commit, "code_digest": provenance.code_digest(),
        "data_digest": data["digest"]}


def settings(cell: Cell, study: Study, source: str) -> dict[str, Any]:
    """What the cell was trained with, as numbers that were in force: pixels, the scaled learning rate and so on."""
    lr, batch = schedule.learning_rate(cell, study), schedule.batch_size(cell, study)
    return {
        "detector": cell.detector, "backbone": cell.backbone, "neck": cell.neck, "optimizer": cell.optimizer,
        "scale": study.scale, "image_size": schedule.pixels(cell, study), "epochs": schedule.epochs(cell, study),
        "batch_size": batch, "device_batch": schedule.device_batch(cell, study), "processes": study.training.processes,
        "lr": lr, "lr_per_sample": lr / batch, "amp": study.training.amp, "ema": study.training.ema,
        "milestones": study.training.milestones, "warmup_iterations": study.training.warmup_iterations,
        "clip_grad": study.training.clip_grad, "weights": study.training.weights, "seed": study.seed, "data": source}


def datasets(data: dict[str, Any]) -> list[dict[str, str]]:
    """The inputs of a training for MLflow: the annotation files, whose digests cover the images too."""
    return [{"name": f"{data['source']}-{split}", "digest": data["digests"][split],
             "source": str(paths.annotations(split).resolve()), "context": context}
            for split, context in (("train", "training"), ("val", "validation"))]


def move(scratch: Path, outs: dict[Path, tuple[str, ...]]) -> None:
    """Finished files leave the scratch folder by rename, all at the very end."""
    for folder, names in outs.items():
        folder.mkdir(parents=True, exist_ok=True)
        for file in names:
            shutil.move(scratch / file, folder / file)


if __name__ == "__main__":
    run(main, "train", "CELL")
