"""The CPUs and the memory that this process may use, after affinity and its cgroups' limits.

Containers, batch systems and systemd set those limits; os.cpu_count and MemAvailable speak of the
whole machine.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

# Where version 2 is mounted, alone or beside version 1.
_UNIFIED = ("", "unified")
# Of memory.stat: pages of files, which the kernel takes back before it kills.
_FILES = ("inactive_file", "active_file")


def cpus(root: Path = Path("/")) -> int:
    """CPUs that this process may keep busy at once, at least 1; of a quota of 2.5 CPUs, 2.

    root: where /proc and /sys lie.
    """
    count = len(os.sched_getaffinity(0))
    for folder in _levels(root, "cpu"):
        count = int(min(count, _quota(folder)))
    return max(1, count)


def memory_mib(root: Path = Path("/")) -> float:
    """MiB that processes may take before something is killed; infinite where nothing says so.

    Files in the page cache do not count. root: where /proc and /sys lie.
    """
    free = float("inf")
    for line in _text(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 2**10
    for folder in _levels(root, "memory"):
        free = min(free, _room(folder))
    return max(0.0, free) / 2**20


def _levels(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's cgroups, of versions 1 and 2: its own and all above.

    A container sees its own cgroup as the root of the mount, while /proc may name the path on the
    host.
    """
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mounts = _UNIFIED
        elif controller in controllers.split(","):
            mounts = (controller, controllers)
        else:
            continue
        for mount in mounts:
            top = root / "sys/fs/cgroup" / mount
            folder = top / path.strip("/")
            yield folder
            while folder != top:
                folder = folder.parent
                yield folder


def _quota(folder: Path) -> float:
    """In CPUs: cpu.max of version 2 or cpu.cfs_quota_us of version 1."""
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    if not quota:
        quota = _text(folder / "cpu.cfs_quota_us")
        period = _text(folder / "cpu.cfs_period_us")
    with contextlib.suppress(ValueError, ZeroDivisionError):
        # "max" and -1 are no limit.
        if int(quota) > 0:
            return max(1.0, int(quota) / int(period))
    return float("inf")


def _room(folder: Path) -> float:
    """In bytes: the limit of version 2 or 1, less what is used and is not of files."""
    limit = _text(folder / "memory.max") or _text(folder / "memory.limit_in_bytes")
    usage = _text(folder / "memory.current") or _text(folder / "memory.usage_in_bytes")
    stat = dict.fromkeys(_FILES, 0)
    for line in _text(folder / "memory.stat").splitlines():
        key, _, value = line.partition(" ")
        stat[key] = int(value)
    # Version 1 counts those of the cgroups below under names of their own.
    files = max(
        sum(stat[key] for key in _FILES), sum(stat.get(f"total_{key}", 0) for key in _FILES)
    )
    with contextlib.suppress(ValueError):
        return int(limit) - max(0, int(usage) - files)
    return float("inf")


def _text(path: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8").strip()
    return ""
