"""DVC as a program: its output, or its own words as an error of one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from stages.errors import InputError


def dvc(*arguments: str) -> str:
    """The standard output of `dvc ARGUMENTS`. Raises InputError with what DVC says where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(f"dvc {arguments[0]}: {' '.join(done.stderr.split())[:300]}")
    return done.stdout


def status(*stages: str) -> dict[str, Any]:
    """Address of a stage that DVC would run again -> what has changed, as `dvc status --json` says
    it; of all stages by default. Raises InputError as dvc() does."""
    return json.loads(dvc("status", "--json", *stages) or "{}")


def cache() -> Path:
    """The folder of DVC's cache that holds files by their MD5."""
    return Path(dvc("cache", "dir").strip()) / "files" / "md5"
