"""Work in a process of its own with a time limit: what fails, hangs or breaks the GPU's context
ends with that process.

Processes are forked from a server that has imported MMDetection, which takes seconds, and not
opened CUDA.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import select
import signal
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.gpu.lines import LOG
from stages.errors import InputError
from stages.study.strict import StudyError

PRELOADED = "benchmarks.gpu.preload"
# How a process can start: "spawn" imports everything anew, for a machine where CUDA does not work
# in a fork.
STARTS = ("forkserver", "spawn")


class Unsuitable(RuntimeError):
    """This machine cannot show what is to be measured; the message is the reason."""


class OutOfTime(RuntimeError):
    """The time was over before there was anything to measure; the message says of what."""


@dataclass(frozen=True)
class Context:
    """out: where results go. scale: of params.yaml. seconds: the time limit. earlier: name ->
    values measured before."""

    out: Path
    scale: str
    seconds: float
    earlier: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """status: done, failed, unsuitable or out of time; reason: a line where it is not done."""

    status: str
    values: dict[str, Any]
    reason: str
    seconds: float


class Children:
    """Runs one piece of work after the other."""

    def __init__(self, start: str = STARTS[0]) -> None:
        self.start = start
        self._context = multiprocessing.get_context(start)
        if start == "forkserver":
            self._context.set_forkserver_preload([PRELOADED])

    def run(self, work: str, context: Context, arguments: dict[str, Any]) -> Outcome:
        """The dict that function `work` (module:name) makes of the context and the arguments, in a
        process group that is gone afterwards."""
        begun = time.monotonic()
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_child, args=(sender, os.getpid(), work, context, arguments)
        )
        process.start()
        sender.close()
        status, values, reason = "out of time", {}, f"not done within {context.seconds:.0f} s"
        try:
            if receiver.poll(context.seconds):
                status, values, reason = receiver.recv()
        except EOFError:
            process.join(10)
            status, reason = (
                "failed",
                f"its process ended with {process.exitcode}; {LOG} has its output",
            )
        finally:
            _end(process)
        return Outcome(status, values, reason, round(time.monotonic() - begun, 1))


def _child(
    sender: Connection, runner: int, work: str, context: Context, arguments: dict[str, Any]
) -> None:
    # A group of its own, so that loaders and trainings end with it.
    os.setsid()
    with suppress(OSError):
        threading.Thread(target=_follow, args=(os.pidfd_open(runner),), daemon=True).start()
    log = os.open(context.out / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        module, _, name = work.partition(":")
        function = getattr(importlib.import_module(module), name)
        sender.send(("done", function(context, **arguments), ""))
    except Unsuitable as error:
        sender.send(("unsuitable", {}, str(error)))
    except OutOfTime as error:
        sender.send(("out of time", {}, str(error)))
    except (InputError, StudyError) as error:
        sender.send(("failed", {}, str(error)))
    except BaseException as error:
        traceback.print_exc()
        text = " ".join(str(error).split())[:300]
        sender.send(("failed", {}, f"{type(error).__name__}: {text}"))


def _follow(runner: int) -> None:
    """Ends this group once the runner has gone, however it went."""
    select.select([runner], [], [])
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _end(process: Any) -> None:
    # Before setsid() there is no such group yet.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(ProcessLookupError, AttributeError):
        process.kill()
    process.join(10)
