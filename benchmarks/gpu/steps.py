"""Times some training steps of a cell, in this process: images/s, step time, data_time, memory, how
busy the GPU is."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.runner import Runner

import stages.train
from benchmarks.gpu import sets
from benchmarks.gpu.children import Context, Unsuitable
from benchmarks.gpu.model import Model
from benchmarks.train_throughput import default_runner
from benchmarks.utilisation import Utilisation
from benchmarks.workspace import workspace
from stages.safety.resources import peak_mib
from stages.study import params

# Does something on a GPU alone.
CUDA_ALONE = ("amp", "tf32", "cudnn_benchmark", "compile")


class Enough(Exception):
    """The steps are done."""


class _Window(Hook):
    """Times `steps` passes after `warm` of them, the GPU's work included, and ends the training
    there."""

    # After MMEngine's own timer.
    priority = "LOWEST"

    def __init__(self, warm: int, steps: int) -> None:
        self.warm = warm
        self.steps = steps
        self.seconds = 0.0
        self.busy: float | None = None

    def before_train(self, runner: Any) -> None:
        if not self.warm:
            self._begin()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        done = runner.iter + 1
        if done == self.warm:
            self._begin()
        if done == self.warm + self.steps:
            _synchronize()
            self.seconds = time.perf_counter() - self._start
            self.busy = self._watch.stop()
            raise Enough

    def _begin(self) -> None:
        _synchronize()
        self._watch = Utilisation()
        self._start = time.perf_counter()


def measure(
    context: Context,
    model: Model,
    warm: int,
    steps: int,
    peer: bool = False,
    switches: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Steps of stages.train, or of MMDetection's defaults (`peer`), from random weights and on the
    pack's photographs.

    switches: parameters of the scale. Raises Unsuitable where they do something on a GPU alone and
    there is none,
    InputError where memory runs out.
    """
    switches = switches or {}
    needing = [name for name in CUDA_ALONE if switches.get(name)]
    if needing and not torch.cuda.is_available():
        raise Unsuitable(f"needs CUDA: {', '.join(needing)}")
    window = _Window(warm, steps)
    photographs = _photographs(context.scale, switches, warm + steps)
    with workspace(change(context.scale, [model], switches), photographs) as copy:
        # The programs of this process work in the copy, with its params.yaml.
        os.chdir(copy.folder)
        load, file = params.load_study, copy.folder / "params.yaml"
        # Whichever path a caller names.
        params.load_study = lambda path=file: load(file)
        batch = params.load_study().training.batch_size
        _register(window)
        try:
            if peer:
                default_runner(model.name).train()
            else:
                stages.train.main(model.name)
        except Enough:
            pass
        times, loading = _timer(warm)
    return {
        "images_s": steps * batch / window.seconds,
        "step_ms": 1000 * window.seconds / steps,
        "data_share": sum(loading) / sum(times),
        "peak_mib": peak_mib(),
        "busy": window.busy,
        "batch": batch,
        "peer": peer,
        "switches": switches,
        "step_times_ms": [round(1000 * value, 2) for value in times],
    }


def change(scale: str, models: list[Model], switches: dict[str, Any]) -> Any:
    """Edits params.yaml: these rows alone, at this scale, from random weights and without an end in
    sight."""

    def edit(values: dict[str, Any]) -> None:
        values.update(
            scale=scale,
            backbone="",
            neck="",
            hypotheses=[],
            cells={model.name: model.row() for model in models},
        )
        values["scales"][scale].update(
            {"weights": "none", "epochs": 1000, "milestones": [], **switches}
        )

    return edit


def _photographs(scale: str, switches: dict[str, Any], steps: int) -> Path:
    batch = switches.get("batch_size") or params.load_study().scales[scale].batch_size
    # Batches of one orientation: an epoch may end with less than a batch of each.
    train = sets.repeated(sets.read("train"), (steps + 2) * batch)
    return sets.write(Path(tempfile.mkdtemp()), train, sets.read("val"))


def _register(window: _Window) -> None:
    """The next training of this process is the one to be timed, however its Runner comes about."""
    train = Runner.train

    def timed(runner: Runner) -> Any:
        runner.register_hook(window)
        return train(runner)

    Runner.train = timed


def _timer(warm: int) -> tuple[list[float], list[float]]:
    """Seconds of each pass, and of waiting for its images, as MMEngine counts them."""
    scalars = MessageHub.get_current_instance().log_scalars
    times, loading = (
        scalars[f"train/{name}"].data[0][warm:].tolist() for name in ("time", "data_time")
    )
    return times, loading


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
