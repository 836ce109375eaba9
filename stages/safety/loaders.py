"""Data loaders whose waits end: torch waits for ever where a loader process lost its batch."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing.queues import Queue
from typing import Any

from mmengine.registry import FUNCTIONS
from torch.utils.data import DataLoader

from stages import program
from stages.errors import InputError
from stages.safety.resources import SHARED, shared_remedy

# A batch from a disk that works takes seconds.
WAIT_S = 300
# Set by loader processes, which are forks: a batch found no room in the shared memory.
_full = mmap.mmap(-1, 1)
# Set by a training that lets torch end its loader processes.
_leaving = mmap.mmap(-1, 1)
_END = object()


def bound_loader(loader: dict[str, Any], workers: int, in_training: bool = False) -> None:
    """Changes a loader's config: it has `workers` processes, waits end after WAIT_S, and processes
    at a lost batch.

    in_training: its processes ignore signals to stop until release_workers().
    """
    _full[0] = _leaving[0] = 0
    worker = "signal_ignoring_worker" if in_training else "fail_fast_worker"
    loader.update(
        num_workers=workers, persistent_workers=workers > 0, worker_init_fn={"type": worker}
    )
    if workers:
        loader["timeout"] = WAIT_S


@FUNCTIONS.register_module()
def fail_fast_worker(worker_id: int, **_: Any) -> None:
    """Ends a loader process that cannot hand over a batch; torch's would go on."""

    def say(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        os.write(2, f"loader process: {error}\n".encode())

    def end(error: Exception, batch: Any) -> None:
        _full[0] = "shared memory" in str(error)
        say(type(error), error, None)
        os._exit(1)

    # A thread that hands over files says so where the training has gone meanwhile.
    sys.excepthook = say
    # Called by the thread that feeds the queue; private, but made for being replaced.
    Queue._on_queue_feeder_error = staticmethod(end)


@FUNCTIONS.register_module()
def signal_ignoring_worker(worker_id: int, **_: Any) -> None:
    """A loader process ignores signals to stop until its training has finished its step."""
    fail_fast_worker(worker_id)
    parent = os.getppid()

    def leave(number: int, frame: Any) -> None:
        if _leaving[0] or os.getppid() != parent:
            os._exit(0)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, leave)


def release_workers() -> None:
    """Lets torch end the workers from here on."""
    _leaving[0] = 1


def explain(error: BaseException, scale: str) -> str:
    """What an error of torch's loader means and what to do about it; "" for any other error."""
    text = str(error) if isinstance(error, RuntimeError) else ""
    if "DataLoader timed out" in text:
        return (
            f"no batch came from the loader processes within {WAIT_S} s; see whether the disk "
            f"with the images answers, or set workers: 0 under scales.{scale}"
        )
    if "DataLoader worker" not in text:
        return ""
    if _full[0] or "Bus error" in text:
        return (
            f"{SHARED} is full: a loader process found no room there for its images; "
            f"{shared_remedy(scale)}"
        )
    return (
        "a loader process was killed, often for want of memory (workers, under "
        f"scales.{scale}, says how many there are)"
    )


@contextlib.contextmanager
def explained_loader_error(name: str, scale: str) -> Iterator[None]:
    """Turns an error of torch's loader into an InputError."""
    try:
        yield
    except RuntimeError as error:
        explanation = explain(error, scale)
        if not explanation:
            raise
        raise InputError(f"{name}: {explanation}") from None


class Batches:
    """A data loader whose waits for its processes a signal to stop can end."""

    def __init__(self, loader: DataLoader) -> None:
        self._loader = loader

    def __len__(self) -> int:
        return len(self._loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def __iter__(self) -> Iterator[Any]:
        # At once, not with the first batch: starting a loader draws a seed, which is undone.
        with program.waiting():
            batches = iter(self._loader)
        return self._each(batches)

    def _each(self, batches: Iterator[Any]) -> Iterator[Any]:
        while True:
            with program.waiting():
                batch = next(batches, _END)
            if batch is _END:
                return
            yield batch
