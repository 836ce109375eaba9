"""What a training needs of GPUs, memory and /dev/shm, and what to do where there is too little."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from stages.errors import InputError
from stages.model.schedule import device_batch, pixels
from stages.study.params import Cell, Study

# Often 64 MiB in a container.
SHARED = Path("/dev/shm")
# torch's default: batches that each loader process has ready or in the making.
_PREFETCH = 2
# The batch that is trained on, and the next while its images are taken over.
_TAKEN = 2


def check_shared_memory(name: str, cell: Cell, study: Study) -> None:
    """Raises InputError where /dev/shm lacks room for what the cell's loader processes may need."""
    workers = study.training.workers
    if not workers or not SHARED.is_dir():
        return
    batches = (_PREFETCH * workers + _TAKEN) * study.training.processes
    needed = batches * device_batch(cell, study) * 3 * pixels(cell, study) ** 2
    disk = os.statvfs(SHARED)
    free = disk.f_bavail * disk.f_frsize
    if needed > free:
        raise InputError(
            f"{name}: its loader processes need up to {needed / 2**20:.1f} MiB of {SHARED} for "
            f"images, and {free / 2**20:.1f} MiB are free; {shared_remedy(study.scale, needed)}"
        )


def shared_remedy(scale: str, needed: float = 2**30) -> str:
    """What to do where `needed` bytes of /dev/shm are not there."""
    size = 2 ** math.ceil(math.log2(needed / 2**20 + 1))
    return (
        f"start the container with --shm-size={size}m, make room there, or set workers: 0 "
        f"under scales.{scale}, which loads images in the training's own process"
    )


def peak_mib() -> float:
    """The GPU memory that torch had allocated at most, or on a CPU the process's largest resident
    size; MiB, since the start of the process or the last reset_peak()."""
    import torch

    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                return round(int(line.split()[1]) / 2**10, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, 1)


def reset_peak() -> None:
    """Lets peak_mib() start anew."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return
    # Linux: 5 sets the peak to what is resident now (man 5 proc). Else it stays too high.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


@contextlib.contextmanager
def explained_memory_error(name: str, cell: Cell, study: Study) -> Iterator[None]:
    """Turns running out of memory into an InputError that says what was asked for and which
    parameter to lower: the next one that changes the training least."""
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        # On a CPU torch raises a plain RuntimeError from its allocator.
        is_memory_error = isinstance(error, (torch.OutOfMemoryError, MemoryError))
        if not is_memory_error and "DefaultCPUAllocator" not in str(error):
            raise
        batch = device_batch(cell, study)
        remedy = f"lower cells.{name}.image_size"
        if batch > 1:
            remedy = (
                f"set cells.{name}.device_batch to {batch // 2}: gradients are then summed over "
                "more passes, and the batch of a step stays the same"
            )
        elif not cell.activation_checkpointing:
            remedy = f"set cells.{name}.activation_checkpointing to true"
        raise InputError(
            f"{name}: out of memory with {batch} images of {pixels(cell, study)} px in a pass, "
            f"after {peak_mib():.0f} MiB at most; {remedy}"
        ) from None


def check_gpus(study: Study) -> None:
    """Raises InputError for what this machine cannot do: amp without a GPU, or fewer GPUs than
    processes, where there are some. NCCL would say so after half a minute, in pages."""
    import torch

    wanted, count = study.training.processes, torch.cuda.device_count()
    if study.training.amp != "none" and not count:
        raise InputError(
            f"scales.{study.scale}.amp: {study.training.amp} needs a GPU, and there is none; "
            "set it to none"
        )
    if 0 < count < wanted:
        raise InputError(
            f"scales.{study.scale}.processes: {wanted} processes need a GPU each, and this machine "
            f"has {count}; set it to {count}"
        )
