"""What a training needs of memory, and what to do where there is too little."""

from __future__ import annotations

import contextlib
import gc
import resource
from collections.abc import Iterator
from pathlib import Path

import torch

from stages.errors import InputError
from stages.model.schedule import device_batch, pixels
from stages.study.params import Cell, Study


def peak_mib() -> float:
    """The GPU memory that torch had allocated at most, or on a CPU the process's largest resident
    size; MiB.

    Both since the start of the process or the last reset_peak().
    """
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
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    else:
        # Linux: 5 sets the peak to what is resident now (man 5 proc). A kernel without it reports
        # too much.
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


@contextlib.contextmanager
def explained(name: str, cell: Cell, study: Study) -> Iterator[None]:
    """Turns running out of memory into an InputError that says what was asked for and which
    parameter to lower."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        # On a CPU torch raises a plain RuntimeError from its allocator.
        is_memory_error = isinstance(error, (torch.OutOfMemoryError, MemoryError))
        if not is_memory_error and "DefaultCPUAllocator" not in str(error):
            raise
        raise InputError(
            f"{name}: out of memory with {device_batch(cell, study)} images of "
            f"{pixels(cell, study)} px in a pass, after {peak_mib():.0f} MiB at most; "
            f"{_remedy(name, cell, study)}"
        ) from None


def _remedy(name: str, cell: Cell, study: Study) -> str:
    """The next thing to lower that changes the training least."""
    batch = device_batch(cell, study)
    if batch > 1:
        return (
            f"set cells.{name}.device_batch to {max(1, batch // 2)}: gradients are then summed "
            "over more passes, and the batch of a step stays the same"
        )
    if not cell.activation_checkpointing:
        return f"set cells.{name}.activation_checkpointing to true"
    return f"lower cells.{name}.image_size"
