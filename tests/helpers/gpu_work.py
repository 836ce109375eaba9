"""Work for a child process of the GPU measurements: done, failed, hanging; without an import that
takes time."""

from __future__ import annotations

import os
import subprocess

from benchmarks.gpu.children import Context, OutOfTime, Unsuitable
from stages.errors import InputError


def returns(context: Context, **values: float) -> dict[str, float]:
    return {**values, "seconds": context.seconds}


def hangs(context: Context) -> dict[str, float]:
    child = subprocess.Popen(["sleep", "600"])
    (context.out / "grandchild").write_text(str(child.pid), encoding="utf-8")
    child.wait()
    return {}


def dies(context: Context) -> dict[str, float]:
    os._exit(7)


def raises(context: Context) -> dict[str, float]:
    raise InputError("cells.x.device_batch: out of memory; set it to 4")


def needs_cuda(context: Context) -> dict[str, float]:
    raise Unsuitable("needs CUDA: amp")


def is_late(context: Context) -> dict[str, float]:
    raise OutOfTime("no epoch ended within 5 s")


def crashes(context: Context) -> dict[str, float]:
    raise ValueError("two\nlines")
