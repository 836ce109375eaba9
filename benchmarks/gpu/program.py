"""Stages as programs of their own in a copy of the project."""

from __future__ import annotations

import subprocess

from benchmarks.gpu.lines import LOG
from benchmarks.workspace import Workspace
from stages.errors import InputError


def run_stage(copy: Workspace, stage: str, *arguments: str) -> None:
    """`python -m stages.STAGE ARGUMENTS` to its end; raises InputError where it fails."""
    process = copy.start(f"stages.{stage}", *arguments, output=subprocess.PIPE)
    output, _ = process.communicate()
    print(output, flush=True)
    if process.returncode:
        raise InputError(f"stages.{stage} ended with {process.returncode}; {LOG} has its output")
