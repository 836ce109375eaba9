"""Says before a night is spent what each selected cell will take: memory, minutes and disk, from
measured steps.

Run alone, after prepare: python -m stages.fit
"""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
import time
from dataclasses import dataclass
from typing import Any

from stages import dvc_command
from stages.model import schedule
from stages.program import InputError, run
from stages.safety import resources
from stages.study import params, paths
from stages.study.params import Cell, Study

log = logging.getLogger(__name__)

# The first step of a model is slow on any device; the median of those after it is what a training
# sees.
WARM_UP, STEPS = 1, 3
# best.pth and last.pth, which are one file where the last epoch is the best; the optimizer is not
# kept.
CHECKPOINTS = 2
# While a cell trains: the two states that safety/states.py holds and the next one in the
# making.
STATES_ON_DISK = 3


@dataclass(frozen=True)
class Needs:
    """parameters: of the model. state_bytes: of what a training needs to go on: the weights, the
    optimizer's sums and the average of the weights. mib: peak memory. step_s: seconds of an
    optimizer step. val_s: of a validation."""

    parameters: int
    state_bytes: int
    mib: float
    step_s: float
    val_s: float
    epoch_steps: float

    def minutes(self, epochs: int, validations: int) -> float:
        return (epochs * self.epoch_steps * self.step_s + validations * self.val_s) / 60

    def disk_mb(self) -> float:
        return CHECKPOINTS * 4 * self.parameters / 1e6

    def working_mb(self) -> float:
        """On top of the checkpoints, until the cell has ended."""
        return STATES_ON_DISK * self.state_bytes / 1e6


def main() -> None:
    """Prints a row per cell. Raises StudyError or InputError for what would stop a training as
    well."""
    study = params.load_study()
    log.info("loading MMDetection")
    # Seconds of imports, after what can be refused at once.
    import torch

    from stages.model import resolve
    from stages.training import processes

    processes.use_threads(study.training.threads)
    data = resolve.read_prepared(study)
    state = up_to_date(study)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(
        f"{'cell':<36} {'pixels':>6} {'batch':>9} {'million':>8} {'memory':>9} {'a step':>8} "
        f"{'minutes':>8} {'disk':>8}  state, on {device}"
    )
    minutes = disk = working = 0.0
    for name, cell in study.selected().items():
        try:
            estimate = measure_steps(name, cell, study, data)
        except InputError as error:
            # One cell that does not fit is what this program is for: the others are measured all
            # the same.
            print(f"{name:<36} {error}")
            continue
        epochs, validations = schedule.epochs(cell, study), schedule.validations(cell, study)
        cell_minutes = estimate.minutes(epochs, validations)
        status = "up to date"
        if name not in state:
            status = "to run"
            minutes += cell_minutes
            disk += estimate.disk_mb()
            working = max(working, estimate.working_mb())
        pass_images = schedule.device_batch(cell, study) * study.training.processes
        batch = f"{schedule.passes(cell, study)} x {pass_images}"
        print(
            f"{name:<36} {schedule.pixels(cell, study):>6} {batch:>9} "
            f"{estimate.parameters / 1e6:>8.1f} {estimate.mib:>5.0f} MiB "
            f"{estimate.step_s:>6.2f} s {cell_minutes:>8.1f} {estimate.disk_mb():>5.0f} MB  "
            f"{status}",
            flush=True,
        )
    free = shutil.disk_usage(".").free / 1e6
    print(
        f"to run, one after the other: {minutes:.0f} minutes, {disk:.0f} MB of checkpoints and at "
        f"most {working:.0f} MB of states while a cell trains ({free:.0f} MB are free)"
    )


def measure_steps(name: str, cell: Cell, study: Study, data: dict[str, Any]) -> Needs:
    """Some steps and one validation batch of the cell, on this machine. Raises InputError where
    memory runs out."""
    import torch

    from stages.model import resolve
    from stages.safety import loaders
    from stages.training import runner as trainings
    from stages.training.cell_file import ResolvedCell

    resources.check_shared_memory(name, cell, study)
    resolved = ResolvedCell(name, "", resolve.config(name, study, data), {"processes": 1})
    cfg = trainings.runner_config(resolved, paths.SCRATCH / "fit")
    # MMEngine keeps one visualizer per name for the life of the process.
    cfg.visualizer.name = cfg.experiment_name = f"fit {name}"
    for part in (cfg.train_dataloader, cfg.val_dataloader):
        loaders.bound_loader(part, study.training.workers)
    resources.reset_peak()
    with (
        resources.explained_memory_error(name, cell, study),
        loaders.explained_loader_error(name, study.scale),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        runner = trainings.QuietRunner.from_cfg(cfg)
        loader = runner.build_dataloader(cfg.train_dataloader, seed=study.seed)
        val_loader = runner.build_dataloader(cfg.val_dataloader, seed=study.seed)
        wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
        wrapper.initialize_count_status(runner.model, 0, 10**6)
        passes = schedule.passes(cell, study)
        seconds = []
        batches = iter(loader)
        runner.model.train()
        for _ in range(WARM_UP + STEPS):
            start = time.perf_counter()
            for _ in range(passes):
                batch = next(batches, None)
                if batch is None:
                    batches = iter(loader)
                    batch = next(batches)
                runner.model.train_step(batch, optim_wrapper=wrapper)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
        runner.model.eval()
        start = time.perf_counter()
        with torch.inference_mode():
            runner.model.val_step(next(iter(val_loader)))
        val_s = (time.perf_counter() - start) * len(val_loader)
    weights = sum(value.nbytes for value in runner.model.state_dict().values())
    copies = 2 if study.training.ema else 1
    state_bytes = copies * weights
    for sums in wrapper.optimizer.state.values():
        for value in sums.values():
            if torch.is_tensor(value):
                state_bytes += value.nbytes
    parameters = sum(parameter.numel() for parameter in runner.model.parameters())
    return Needs(
        parameters,
        state_bytes,
        resources.peak_mib(),
        sorted(seconds[WARM_UP:])[STEPS // 2],
        val_s,
        len(loader) / passes,
    )


def up_to_date(study: Study) -> set[str]:
    """The cells that DVC would not train again; none where there is no DVC."""
    names = {f"stages/dvc.yaml:train@{name}": name for name in study.selected()}
    try:
        changed = dvc_command.dvc_status(*names)
    except (InputError, OSError, ValueError):
        return set()
    return {name for stage, name in names.items() if stage not in changed}


if __name__ == "__main__":
    run(main, "fit")
