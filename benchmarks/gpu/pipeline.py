"""The stages after prepare on this machine's device: compose, weights, train, predict, analyse and
costs."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu import sets
from benchmarks.gpu.children import Context
from benchmarks.gpu.model import Model
from benchmarks.gpu.program import run_stage
from benchmarks.gpu.steps import change
from benchmarks.gpu.trainings import fast
from benchmarks.workspace import workspace
from stages.files import read_json
from stages.study import paths

STAGES = ("compose", "weights", "train", "predict", "analyse", "costs")
OF_ALL_CELLS = ("compose", "costs")


def run(context: Context, model: Model, photographs: int, times: int) -> dict[str, Any]:
    """Trains the model for an epoch of `photographs` images, `times` over, and lets each later stage
    work on the result; the seconds of each stage and what costs measured.

    Raises InputError where a stage ends with an error or writes no file.
    """
    few = sets.easy(sets.read("train"), photographs)
    folder = sets.write(Path(tempfile.mkdtemp()), sets.repeated(few, photographs * times), few)
    settings = {**fast(), "epochs": 1, "warmup_iterations": 5, "clip_grad": 10}
    seconds = {}
    with workspace(change(context.scale, [model], settings), folder) as copy:
        for stage in STAGES:
            begun = time.monotonic()
            if stage in OF_ALL_CELLS:
                run_stage(copy, stage)
            else:
                run_stage(copy, stage, model.name)
            seconds[f"{stage}_s"] = round(time.monotonic() - begun, 1)
        measured = read_json(copy.folder / paths.COSTS)
        metrics = next(copy.folder.glob(f"metrics/*/*/{model.name}.json"))
        score = read_json(metrics)
    cell = measured["cells"][model.name]
    return {
        **seconds,
        "device": measured["device"],
        "latency_ms": cell["costs"]["latency_ms"],
        "images_per_second": cell["costs"]["images_per_second"],
        "gflops": cell["work"]["flops"] / 1e9,
        "spread": cell["spread"],
        "best_mAP50": score["val"]["bbox_mAP_50"],
    }
