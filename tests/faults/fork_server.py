"""Trains cells in forks of a process that has imported MMDetection once: a training then starts in a tenth of a second.

Run in a clone, it reads a JSON line for each request and answers with one. {"cell", "log", "trap"} starts a training as
`python -m stages.train CELL` would, in a session of its own, and gives its pid; {"wait": pid} gives its exit status as
a shell would. A trap is where something happens to the training: see `set_trap`.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import torch
from mmengine.config import Config

import stages.train
from stages import files, program
from stages.safety import keeper, loaders, states
from stages.scoring.box_metric import BoxMetric
from stages.training import order

# What a training imports on its way.
for module in (
    "stages.safety.guard",
    "stages.safety.record",
    "stages.training.image_cache",
    "stages.safety.workspace",
    "stages.training.runner",
    "stages.model.resolve",
    "stages.tracking.upload",
    "mmengine.runner",
    "mlflow.store.tracking.sqlalchemy_store",
):
    importlib.import_module(module)


def counted(owner, name: str, number: int, act, after: bool = False) -> None:
    """`act` happens at the `number`-th call of owner.name, before it or after it."""
    original, calls = getattr(owner, name), [0]

    def call(*args, **kwargs):
        calls[0] += 1
        if calls[0] == number and not after:
            act(*args)
        result = original(*args, **kwargs)
        if calls[0] == number and after:
            act(*args)
        return result

    setattr(owner, name, call)


def die(*_) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half(measured, data, *_) -> None:
    """Dies with half of what was to be written on disk."""
    measured.file.write(memoryview(data)[: len(data) // 2])
    measured.file.flush()
    die()


def pause(*_) -> None:
    """Says that it is there and waits for a signal."""
    Path("reached").touch()
    while program.asked_to_stop() is None:
        time.sleep(0.02)


def stuck(*_) -> None:
    """Says that it is there and never comes back."""
    Path("reached").touch()
    while True:
        time.sleep(0.02)


def jump(days: float) -> None:
    """Moves the clock that Python's programs read."""
    inner = time.time
    time.time = lambda: inner() + days * 86400


def spoil(number: int) -> None:
    """The weights of a step become no numbers, as a division by nothing would make them."""

    def fill(loop_, *_):
        next(iter(loop_.runner.model.parameters())).data.fill_(float("nan"))

    counted(order.ResumableLoop, "run_iter", number, fill)


def hang(seconds: float) -> None:
    """Loader processes give no batch after the first epoch, as on a disk that has gone; a wait for them has an end."""
    inner = order.SeededDataset.__getitem__
    loaders.WAIT_S = seconds

    training = os.getpid()

    def get(dataset, place):
        # A loader process that has lost its training goes; it would touch the file of later ones.
        while place[0] and os.getppid() == training:
            Path("reached").touch()
            time.sleep(0.02)
        return inner(dataset, place)

    order.SeededDataset.__getitem__ = get


def set_trap(trap: str) -> None:
    """kind[:number]. The training is killed

    seconds: after that many; step: before the n-th step; backward: between a step's gradients and its update; score:
    in the n-th image batch of the validations; half: with half of the n-th piece of a file written; rename, renamed:
    before, after the n-th rename; unlink: before the n-th removal; link: before the n-th link.

    pause, pause-score: it waits there for a signal, before the n-th step or in a validation; stuck: for ever.
    slow: every step takes that much longer. fail: the ninth step gives no number (loss) or finds no memory (memory).
    every: the state is kept after every step. loaders: they hang, and are waited for that many seconds.
    clock: the clock stands that many days ahead.
    """
    kind, _, number = trap.partition(":")
    if kind == "seconds":
        timer = threading.Timer(float(number), die)
        timer.daemon = True
        timer.start()
    elif kind == "slow":
        inner = order.ResumableLoop.run_iter
        order.ResumableLoop.run_iter = lambda *args: (time.sleep(float(number)), inner(*args))
    elif kind == "loaders":
        hang(float(number))
    elif kind == "clock":
        jump(float(number))
    elif trap == "fail:loss":
        spoil(9)
    elif trap == "fail:memory":

        def fail(*_):
            raise torch.OutOfMemoryError("out of memory")

        counted(order.ResumableLoop, "run_iter", 9, fail)
    elif kind == "every":
        keeper.EVERY_S = 0.0
    else:
        owner, name, act, after = {
            "step": (order.ResumableLoop, "run_iter", die, False),
            "backward": (torch.optim.SGD, "step", die, False),
            "score": (BoxMetric, "process", die, False),
            "half": (states._Measured, "write", half, False),
            "rename": (os, "replace", die, False),
            "renamed": (os, "replace", die, True),
            "unlink": (Path, "unlink", die, False),
            "link": (files, "link", die, False),
            "pause": (order.ResumableLoop, "run_iter", pause, False),
            "stuck": (order.ResumableLoop, "run_iter", stuck, False),
            "pause-score": (BoxMetric, "process", pause, False),
        }[kind]
        counted(owner, name, int(number or 1), act, after)


def train(request: dict) -> None:
    os.setsid()
    os.environ.update(request["env"])
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    for trap in request["traps"]:
        set_trap(trap)
    sys.argv[1:] = [request["cell"]]
    status = 0
    try:
        program.run(stages.train.main, "train", "CELL")
    except SystemExit as end:
        status = end.code
    sys.stderr.flush()
    # As at the end of an interpreter: threads that write are waited for.
    threading._shutdown()
    os._exit(status if isinstance(status, int) else 1)


def warm_up() -> None:
    """Does once what takes each training a second and is not what is tested: MMEngine looks through 200 files of
    MMDetection for a `mmdet::` base, and through all of these modules for garbage."""
    Config._get_cfg_path = staticmethod(functools.cache(Config._get_cfg_path))
    for fragment in ("runtime", "detectors/faster_rcnn"):
        Config.fromfile(Path("configs") / f"{fragment}.py")
    gc.collect()
    gc.freeze()


def serve() -> None:
    torch.set_num_threads(1)
    warm_up()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    print("{}", file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            code = os.waitstatus_to_exitcode(status)
            print(json.dumps(128 - code if code < 0 else code), file=answers)
            continue
        pid = os.fork()
        if not pid:
            answers.close()
            train(request)
        print(json.dumps(pid), file=answers)


if __name__ == "__main__":
    serve()
