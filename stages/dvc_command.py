"""DVC as a program: its output, or its own words as an error of one line."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

from stages.errors import InputError

log = logging.getLogger(__name__)

# What DVC says after three seconds of waiting for another DVC in this folder.
LOCKED = "Unable to acquire lock"


def dvc(*arguments: str) -> str:
    """The standard output of `dvc ARGUMENTS`, which waits for another DVC that works in this folder.
    Raises InputError with what DVC says where it fails."""
    done = _run(*arguments)
    if LOCKED in done.stderr:
        log.info("waiting for another DVC process that works in this folder")
        done = _run("--wait-for-lock", *arguments)
    if done.returncode:
        raise InputError(f"dvc {arguments[0]}: {' '.join(done.stderr.split())[:300]}")
    return done.stdout


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False
    )


def dvc_status(*stages: str) -> dict[str, Any]:
    """Address of a stage that DVC would run again -> what has changed, as `dvc status --json` says
    it; of all stages by default. Raises InputError as dvc() does."""
    return json.loads(dvc("status", "--json", *stages) or "{}")


def dvc_cache() -> Path:
    """The folder of DVC's cache that holds files by their MD5."""
    return Path(dvc("cache", "dir").strip()) / "files" / "md5"
