"""DVC as a program: its output, or its own words as an error of one line."""

from __future__ import annotations

import subprocess
import sys

from stages.errors import InputError


def dvc(*arguments: str) -> str:
    """The standard output of `dvc ARGUMENTS`. Raises InputError with what DVC says where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(f"dvc {arguments[0]}: {' '.join(done.stderr.split())[:300]}")
    return done.stdout
