"""Whole trainings by `python -m stages.train`, whose histories are copied out as they grow."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import sets
from benchmarks.gpu.children import Context, OutOfTime, Unsuitable
from benchmarks.gpu.lines import LOG
from benchmarks.gpu.model import Model
from benchmarks.gpu.parts import FAST, FASTEST, MODELS, PROJECT, SMALL
from benchmarks.gpu.program import run_stage
from benchmarks.gpu.steps import change
from benchmarks.workspace import Workspace, workspace
from stages.errors import InputError
from stages.files import sha256
from stages.study import params, paths
from stages.study.params import ROOT
from stages.training import cell_file

R50 = MODELS[0]
WEIGHTS = ROOT / paths.WEIGHTS / f"{SMALL.backbone}.safetensors"
BY_HEART_mAP50 = 0.9
# Seconds for a training that was told to stop to save and to go, and for its start.
LEAVING_S, STARTING_S = 10, 20
# An epoch's end beside its steps: validation, state and checkpoint.
EPOCH_END_S = 2.5
_POLL_S = 0.2

Rows = list[dict[str, str]]


def fast() -> dict[str, Any]:
    """What makes training fast on a GPU and was measured by the parts before."""
    return FAST if torch.cuda.is_available() else {}


def by_heart(
    context: Context, photographs: int, times: int, batch: int, most_epochs: int
) -> dict[str, Any]:
    """Trains r50 on a few photographs, `times` in an epoch and `batch` a step, until it finds
    BY_HEART_mAP50 of their boxes."""
    few = sets.easy(sets.read("train"), photographs)
    folder = sets.write(Path(tempfile.mkdtemp()), sets.repeated(few, photographs * times), few)
    epochs = _epochs(context, photographs * times, R50, most_epochs, batch)
    settings = {
        **fast(),
        "batch_size": batch,
        "epochs": epochs,
        "milestones": _milestones(epochs, 0.6, 0.85),
        "warmup_iterations": 50,
        "clip_grad": 10,
    }

    def learnt(rows: Rows) -> bool:
        return _best(rows) >= BY_HEART_mAP50

    with workspace(change(context.scale, [R50], settings), folder) as copy:
        rows, seconds = _train(context, copy, R50, "by-heart", learnt)
    return {
        "images": len(few["images"]),
        "boxes": len(few["annotations"]),
        **_summary(rows, seconds),
        "learnt": learnt(rows),
    }


def pretrained(context: Context, photographs: int | None, most_epochs: int) -> dict[str, Any]:
    """Trains mobilenet_v2 from its pretrained weights, which stage weights fits to it, for as many
    epochs as the time allows. photographs: of the pack's, the first so many; None is all."""
    begun = time.monotonic()
    if not WEIGHTS.is_file():
        raise Unsuitable("the pack was made without pretrained weights")
    train, val = (sets.first(sets.read(split), photographs) for split in ("train", "val"))
    folder = sets.write(Path(tempfile.mkdtemp()), train, val)
    epochs = _epochs(context, len(train["images"]), SMALL, most_epochs)
    settings = {
        **fast(),
        "epochs": epochs,
        "milestones": _milestones(epochs, 2 / 3, 11 / 12),
        "warmup_iterations": 50,
        "clip_grad": 10,
        "weights": "imagenet",
        # The weights are of the whole backbone, at any scale.
        "reduced": False,
    }
    edit = change(context.scale, [SMALL], settings)

    def packed_weights(values: dict[str, Any]) -> None:
        edit(values)
        values["backbones"][SMALL.backbone]["weights"] = {
            "source": str(WEIGHTS),
            "sha256": sha256(WEIGHTS),
            "licence": values["backbones"][SMALL.backbone]["weights"]["licence"],
        }

    with workspace(packed_weights, folder) as copy:
        run_stage(copy, "weights", SMALL.name)
        time_left = replace(context, seconds=context.seconds - (time.monotonic() - begun))
        rows, seconds = _train(time_left, copy, SMALL, "pretrained")
        resolved = cell_file.read(copy.folder / paths.cell(SMALL.name))
    return {
        "images": len(train["images"]),
        "boxes": len(train["annotations"]),
        **_summary(rows, seconds),
        "weights": resolved.training["weights"],
    }


def straight(context: Context, name: str, photographs: int, epochs: int) -> dict[str, Any]:
    """A training of some epochs without an interruption; compared with the first of its kind where
    that is there."""
    with workspace(*_resumable(context, photographs, epochs)) as copy:
        rows, seconds = _train(context, copy, R50, name)
    return {"steps": len(rows), "training_s": seconds, **_difference(context, name, rows)}


def resumed(context: Context, photographs: int, epochs: int) -> dict[str, Any]:
    """The same training, killed by SIGKILL in its second epoch and started again."""
    with workspace(*_resumable(context, photographs, epochs)) as copy:
        process = copy.start("stages.train", R50.name)
        pointer = None
        while pointer is None and process.poll() is None:
            pointer = next((copy.folder / paths.SCRATCH).glob("*/state.json"), None)
            time.sleep(0.01)
        if pointer is None:
            raise InputError(f"the training ended before it had kept a state; {LOG} has its output")
        process.kill()
        process.wait()
        killed_at = json.loads(pointer.read_text(encoding="utf-8"))["states"][0]["step"]
        rows, seconds = _train(context, copy, R50, "resumed")
    return {
        "steps": len(rows),
        "killed_at": killed_at,
        "training_s": seconds,
        **_difference(context, "resumed", rows),
    }


def two_processes(context: Context) -> dict[str, Any]:
    """Asks for two processes where there is one GPU: the line that refuses them."""
    gpus = torch.cuda.device_count()
    if gpus != 1:
        raise Unsuitable(f"needs CUDA and one GPU; this machine has {gpus}")
    val = sets.read("val")
    folder = sets.write(Path(tempfile.mkdtemp()), val, val)
    with workspace(change(context.scale, [R50], {"processes": 2}), folder) as copy:
        process = copy.start("stages.train", R50.name, output=subprocess.PIPE)
        output, _ = process.communicate(timeout=context.seconds)
    said = output.strip().splitlines()
    if process.returncode == 0 or "processes" not in said[-1] or "Traceback" in output:
        raise InputError(
            f"was not refused in a line: status {process.returncode}, {said[-1][:200]}"
        )
    return {"refusal": said[-1]}


def _resumable(
    context: Context, photographs: int, epochs: int
) -> tuple[Callable[[dict[str, Any]], None], Path]:
    few = sets.easy(sets.read("train"), photographs)
    folder = sets.write(Path(tempfile.mkdtemp()), sets.repeated(few, 2 * photographs), few)
    settings = {"epochs": epochs, "warmup_iterations": 5, "clip_grad": 10}
    return change(context.scale, [R50], settings), folder


def _train(
    context: Context,
    copy: Workspace,
    model: Model,
    name: str,
    enough: Callable[[Rows], bool] = lambda rows: False,
) -> tuple[Rows, float]:
    """The history of a training and its seconds; it is told to stop once it is `enough` or the time
    is over."""
    begun = time.monotonic()
    process = copy.start("stages.train", model.name)
    rows: Rows = []
    stopping = False
    while True:
        ended = process.poll() is not None
        rows = _copied(copy, context.out / f"history-{name}.csv") or rows
        if ended:
            break
        late = time.monotonic() - begun > context.seconds - LEAVING_S
        if not stopping and (late or enough(rows)):
            process.send_signal(signal.SIGTERM)
            stopping = True
        time.sleep(_POLL_S)
    if not rows and stopping:
        raise OutOfTime(f"no epoch of the training ended within {context.seconds:.0f} s")
    if not rows or (process.returncode and not stopping):
        raise InputError(
            f"stages.train ended with {process.returncode} after {len(rows)} steps; {LOG} has its "
            "output"
        )
    return rows, round(time.monotonic() - begun, 1)


def _copied(copy: Workspace, target: Path) -> Rows:
    """The history as it stands, copied to `target`; none before the first epoch has ended."""
    for pattern in (f"{paths.SCRATCH}/*/history.csv", "metrics/*/*/*/history.csv"):
        for path in copy.folder.glob(pattern):
            try:
                if not target.is_file() or path.stat().st_mtime > target.stat().st_mtime:
                    shutil.copy2(path, target)
            except FileNotFoundError:
                # It is being moved to its place.
                continue
            return _read(target)
    return []


def _read(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _summary(rows: Rows, seconds: float) -> dict[str, Any]:
    return {
        "epochs": int(rows[-1]["epoch"]),
        "step": int(rows[-1]["step"]),
        "best_mAP50": _best(rows),
        "last_loss": float(rows[-1]["train/loss"]),
        "training_s": seconds,
    }


def _best(rows: Rows) -> float:
    return max(
        (float(row["val/bbox_mAP_50"]) for row in rows if row["val/bbox_mAP_50"]), default=0.0
    )


def _difference(context: Context, name: str, rows: Rows) -> dict[str, Any]:
    """How far a history's losses are from those of the first straight training."""
    reference = context.out / "history-straight.csv"
    if name == "straight" or not reference.is_file():
        return {}
    losses = [[float(row["train/loss"]) for row in history] for history in (_read(reference), rows)]
    gaps = [abs(loss - reference) for reference, loss in zip(*losses)]
    first = next((step for step, gap in enumerate(gaps, 1) if gap), None)
    return {
        "equal": first is None and len(losses[0]) == len(losses[1]),
        "first_difference": first,
        "largest_difference": max(gaps),
    }


def _epochs(
    context: Context, images: int, model: Model, most: int, batch: int | None = None
) -> int:
    """Epochs for which there is time, by the steps that were measured before; a guess where none
    were. batch: images a step, where it is not the scale's."""
    measured = context.earlier.get(f"{model.name}, {PROJECT}, {FASTEST}")
    step_s = measured["step_ms"] / 1000 if measured else 0.15
    batch = batch or params.load_study().scales[context.scale].batch_size
    epoch_s = images / batch * step_s + EPOCH_END_S
    return min(most, max(2, int((context.seconds - STARTING_S - LEAVING_S) / epoch_s)))


def _milestones(epochs: int, *shares: float) -> list[int]:
    return sorted({max(1, round(epochs * share)) for share in shares} - {epochs})
