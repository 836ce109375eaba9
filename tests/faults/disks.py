"""Disks that are full: a few megabytes of memory, mounted for a test where the machine lets it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


def mount(folder: Path, megabytes: int) -> None:
    """Skips the test where mounting is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"no tmpfs may be mounted here: {done.stderr.strip()}")


def resize(folder: Path, megabytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={megabytes}m", str(folder)], check=True)


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(name="small_disk")
def small_disk_(tmp_path):
    """A folder on a disk of 1 MB."""
    folder = tmp_path / "disk"
    mount(folder, 1)
    yield folder
    unmount(folder)
