"""Prints how many trainings fit on this machine at once, by its CPUs and its memory; for make.

Run alone: python -m stages.jobs cells
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from stages import machine
from stages.model.schedule import device_batch, pixels
from stages.program import InputError, run
from stages.study import params
from stages.study.params import Cell, Study

log = logging.getLogger(__name__)

# Python, torch, MMDetection and MLflow in a training. Measured: 984 MiB for r101 at 96
# pixels, without MLflow.
PROCESS_MIB = 1100
# A million pixels of a pass, at full width: by MMDetection's zoo 1.5 GiB for ResNet-50, 3 GiB for
# Swin-T.
MEGAPIXEL_MIB = 3000
# A worker of pytest, which trains small cells.
TEST_MIB = 1500


def main(kind: str) -> None:
    """kind: "cells", the selected ones of params.yaml, or "tests". Raises InputError otherwise."""
    if kind == "tests":
        count = fitting(1, TEST_MIB)
    elif kind == "cells":
        study = params.load_study()
        largest = max(cell_mib(cell, study) for cell in study.selected().values())
        # A GPU has one training at a time; what its memory holds, nobody knows before.
        count = 1 if shutil.which("nvidia-smi") else fitting(study.training.threads, largest)
    else:
        raise InputError(f"{kind!r}: say cells or tests")
    # For make.
    print(count)


def cell_mib(cell: Cell, study: Study) -> float:
    """What one training of the cell takes on a CPU, roughly and rather too much."""
    return PROCESS_MIB + MEGAPIXEL_MIB * device_batch(cell, study) * pixels(cell, study) ** 2 / 1e6


def fitting(threads: int, mebibytes: float, root: Path = Path("/")) -> int:
    """How many processes of so many threads and MiB run at once, at least 1.

    threads: 0 is as many as there are CPUs. root: where /proc and /sys lie.
    """
    cpus = machine.cpus(root)
    by_cpu = cpus // (threads or cpus)
    free = machine.memory_mib(root)
    by_memory = free // mebibytes
    if by_memory < by_cpu:
        log.info(
            "%.1f GiB of memory are free and one process takes about %.1f: %d at once instead "
            "of %d",
            free / 1024,
            mebibytes / 1024,
            max(1, by_memory),
            by_cpu,
        )
    return int(max(1, min(by_cpu, by_memory)))


if __name__ == "__main__":
    run(main, "jobs", "cells|tests")
