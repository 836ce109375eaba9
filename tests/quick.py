"""`pytest --quick`: a test that starts a program is skipped at that moment, so that no list has to name such tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

# They start in milliseconds.
LIGHT = {"git", "cp"}
_active = False


def start(program: str) -> None:
    """Skips the test that calls it where programs are not to be started."""
    if _active and program not in LIGHT:
        pytest.skip(f"--quick starts no {program}")


def forbid_programs() -> None:
    """From now on, in this process; an audit hook sees each start and cannot be removed again."""
    global _active
    _active = True
    sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        start(Path(os.fsdecode(arguments[0])).name)
