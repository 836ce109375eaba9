"""Stage train: trains one cell with MMEngine's Runner and records how it went, on disk and in MLflow.

Run alone: python -m stages.train faster_rcnn-r50-fpn-sgd-512
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import resource
import shutil
import time
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

    Raises StudyError for an unknown cell, InputError for missing data, a lost second writer or a diverging loss.
    """
    study = params.load()
    cell = study.cell(name)
    log.info("%s: loading MMDetection", name)
    # Seconds of imports, after what can be refused at once.
    import torch
    from mmengine.runner import Runner

    from stages.model import checkpoints, from_scratch, history, pretrained, session
    from stages.tracking import provenance
    from stages.tracking.run import Run

    if study.training.threads:
        torch.set_num_threads(study.training.threads)
    data = session.read_prepared()
    weights = pretrained.read(cell.backbone, study.training.weights)
    cfg = session.config(name, study, data)
    fingerprint = provenance.fingerprint(cfg.pretty_text, [
        paths.annotations("train"), paths.annotations("val"), *[paths.weights(cell.backbone)] * bool(weights)])
    with session.scratch(name, fingerprint) as scratch:
        (scratch / "config.py").write_text(cfg.pretty_text, encoding="utf-8")
        used, commit = settings(cell, study, data["source"]), provenance.git_commit()
        tracked = Run()
        tracked.create(name, used, {
            "cell": name, **{key: used[key] for key in ("detector", "backbone", "neck", "optimizer", "scale", "seed")},
            "fingerprint": fingerprint, "mlflow.source.name": f"stages.train {name}", "mlflow.source.type": "LOCAL",
            "mlflow.source.git.commit": commit, **provenance.dvc_tags()}, datasets(data))
        recorder = history.HistoryHook(name, scratch / "history.csv", tracked.rows)
        saver = checkpoints.CheckpointsHook(scratch, data["classes"])
        started, clock = datetime.now(UTC), time.monotonic()
        try:
            runner = Runner.from_cfg(session.quiet(cfg, scratch))
            for hook in (recorder, saver):
                runner.register_hook(hook)
            if weights:
                runner.register_hook(pretrained.PretrainedHook(weights))
            else:
                runner.register_hook(from_scratch.ZeroInitResidualHook())
            # pycocotools reports every file that it reads on stdout; progress and messages go to stderr.
            with contextlib.redirect_stdout(io.StringIO()):
                runner.train()
        except BaseException as error:
            tracked.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise
        minutes = (time.monotonic() - clock) / 60
        measured = {
            "train_loss": history.last_epoch_loss(recorder.rows), "train_minutes": round(minutes, 4),
            "peak_memory_mib": peak_memory_mib(),
            "parameters": sum(parameter.numel() for parameter in runner.model.parameters())}
        tracked.metrics({**measured, "best/val_bbox_mAP_50": saver.best["bbox_mAP_50"]}, recorder.rows[-1]["step"])
        tracked.end("FINISHED")
        record = {
            "cell": name, "run_id": tracked.run_id, "fingerprint": fingerprint, **used, **measured,
            "iterations": recorder.rows[-1]["step"], "best": saver.best,
            "started": started.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "versions": provenance.versions(), "git_commit": commit, "data_digest": data["digest"]}
        (scratch / "run.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        move(scratch, {paths.model(name): ("config.py", "best.pth", "last.pth"),
                       paths.record(name, cell): ("history.csv", "run.json")})
    log.info("%s: best val mAP50 %.3f in epoch %d, %.1f minutes", name, saver.best["bbox_mAP_50"],
             saver.best["epoch"], minutes)


def settings(cell: Cell, study: Study, source: str) -> dict[str, Any]:
    """What the cell was trained with, as numbers that were in force: pixels, the scaled learning rate and so on."""
    lr, batch = schedule.learning_rate(cell, study), schedule.batch_size(cell, study)
    return {
        "detector": cell.detector, "backbone": cell.backbone, "neck": cell.neck, "optimizer": cell.optimizer,
        "scale": study.scale, "image_size": schedule.pixels(cell, study), "epochs": schedule.epochs(cell, study),
        "batch_size": batch, "lr": lr, "lr_per_sample": lr / batch, "milestones": study.training.milestones,
        "warmup_iterations": study.training.warmup_iterations, "clip_grad": study.training.clip_grad,
        "weights": study.training.weights, "seed": study.seed, "data": source}


def datasets(data: dict[str, Any]) -> list[dict[str, str]]:
    """The inputs of a training for MLflow: the annotation files, whose digests cover the images too."""
    return [{"name": f"{data['source']}-{split}", "digest": data["digests"][split],
             "source": str(paths.annotations(split).resolve()), "context": context}
            for split, context in (("train", "training"), ("val", "validation"))]


def peak_memory_mib() -> float:
    """The GPU memory that torch had allocated at most, or on a CPU the process's largest resident size; MiB."""
    import torch

    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, 1)


def move(scratch: Path, outs: dict[Path, tuple[str, ...]]) -> None:
    """Finished files leave the scratch folder by rename, all at the very end."""
    for folder, names in outs.items():
        folder.mkdir(parents=True, exist_ok=True)
        for file in names:
            shutil.move(scratch / file, folder / file)


if __name__ == "__main__":
    run(main, "train", "CELL")
