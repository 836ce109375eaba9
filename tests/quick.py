"""`pytest --quick` skips each test at the moment when it starts a program or trains: no list names such tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

# They end in milliseconds.
LIGHT = {"git", "uname"}
_active = False


def start(work: str) -> None:
    """Skips the test that calls it, under --quick; work: the name of a program, or what else takes long."""
    if _active and work not in LIGHT:
        pytest.skip(f"--quick starts no {work}")


def forbid_programs() -> None:
    """From now on, in this process; an audit hook sees each start and cannot be removed again."""
    global _active
    _active = True
    sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        start(Path(os.fsdecode(arguments[0])).name)
