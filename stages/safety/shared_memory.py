"""/dev/shm, in which loader processes hand over their images: often 64 MiB in a container."""

from __future__ import annotations

import math
import os
from pathlib import Path

from stages.errors import InputError
from stages.model.schedule import device_batch, pixels
from stages.study.params import Cell, Study

FOLDER = Path("/dev/shm")
# torch's default: batches that each loader process has ready or in the making.
_PREFETCH = 2
# The batch that is trained on, and the next while its images are taken over.
_TAKEN = 2


def check(name: str, cell: Cell, study: Study) -> None:
    """Raises InputError where /dev/shm lacks room for what the cell's loader processes may need."""
    workers = study.training.workers
    if not workers or not FOLDER.is_dir():
        return
    batches = (_PREFETCH * workers + _TAKEN) * study.training.processes
    needed = batches * device_batch(cell, study) * 3 * pixels(cell, study) ** 2
    disk = os.statvfs(FOLDER)
    free = disk.f_bavail * disk.f_frsize
    if needed > free:
        raise InputError(
            f"{name}: its loader processes need up to {needed / 2**20:.1f} MiB of "
            f"{FOLDER} for images, and {free / 2**20:.1f} MiB are free; "
            f"{remedy(study.scale, needed)}"
        )


def remedy(scale: str, needed: float = 2**30) -> str:
    """What to do where `needed` bytes are not there."""
    size = 2 ** math.ceil(math.log2(needed / 2**20 + 1))
    return (
        f"start the container with --shm-size={size}m, make room there, or set workers: 0 "
        f"under scales.{scale}, which loads images in the training's own process"
    )
