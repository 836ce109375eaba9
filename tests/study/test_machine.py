"""How many cells train at once: written files of /proc and /sys of both versions of cgroups, and a real affinity."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages import jobs, machine
from stages.study import params

GIB = 2**30


def written(root: Path, files: dict[str, str]) -> Path:
    """Those of a machine of 8 CPUs with 16 GiB free, unless `files` says something else."""
    for name, text in {
        "proc/meminfo": f"MemFree: 1 kB\nMemAvailable: {16 * 2**20} kB\n",
        **files,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture(autouse=True)
def _eight_cpus(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


V2 = {"proc/self/cgroup": "0::/user/job\n"}
V1 = {
    "proc/self/cgroup": "5:cpu,cpuacct:/docker/1f\n4:memory:/docker/1f\n1:name=systemd:/docker/1f\n"
}


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, 8),
        (V2 | {"sys/fs/cgroup/user/job/cpu.max": "max 100000"}, 8),
        (V2 | {"sys/fs/cgroup/user/job/cpu.max": "250000 100000"}, 2),
        (V2 | {"sys/fs/cgroup/user/job/cpu.max": "50000 100000"}, 1),
        # A limit of the group above holds for the groups below.
        (
            V2
            | {
                "sys/fs/cgroup/user/job/cpu.max": "max 100000",
                "sys/fs/cgroup/user/cpu.max": "300000 100000",
            },
            3,
        ),
        # In a container the process's path is that on the host, and the mount is the container's own group.
        (V2 | {"sys/fs/cgroup/cpu.max": "400000 100000"}, 4),
        ({"proc/self/cgroup": "0::/../../other\n", "sys/fs/cgroup/cpu.max": "400000 100000"}, 4),
        (
            V1
            | {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            8,
        ),
        (
            V1
            | {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "600000",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            6,
        ),
        (
            V1
            | {
                "sys/fs/cgroup/cpu,cpuacct/docker/1f/cpu.cfs_quota_us": "150000",
                "sys/fs/cgroup/cpu,cpuacct/docker/1f/cpu.cfs_period_us": "50000",
            },
            3,
        ),
        # Both versions at once: limits of the first, nothing in the second.
        (
            {
                "proc/self/cgroup": "1:cpu:/\n0::/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
                "sys/fs/cgroup/unified/cgroup.procs": "1",
            },
            2,
        ),
        (V2 | {"sys/fs/cgroup/user/job/cpu.max": "garbage"}, 8),
    ],
)
def test_cpus(files, cpus, tmp_path):
    assert machine.cpus(written(tmp_path, files)) == cpus


@pytest.mark.parametrize(
    ("files", "gib"),
    [
        ({}, 16),
        (
            V2
            | {
                "sys/fs/cgroup/user/job/memory.max": "max",
                "sys/fs/cgroup/user/job/memory.current": "5",
            },
            16,
        ),
        (
            V2
            | {
                "sys/fs/cgroup/user/job/memory.max": f"{4 * GIB}",
                "sys/fs/cgroup/user/job/memory.current": f"{GIB}",
            },
            3,
        ),
        # Files that are read stay in memory until it is needed.
        (
            V2
            | {
                "sys/fs/cgroup/user/job/memory.max": f"{4 * GIB}",
                "sys/fs/cgroup/user/job/memory.current": f"{3 * GIB}",
                "sys/fs/cgroup/user/job/memory.stat": f"anon {GIB}\ninactive_file {GIB}\nactive_file {GIB}\n",
            },
            3,
        ),
        (
            V2
            | {
                "sys/fs/cgroup/user/memory.max": f"{2 * GIB}",
                "sys/fs/cgroup/user/memory.current": f"{GIB}",
            },
            1,
        ),
        (
            V2
            | {
                "sys/fs/cgroup/memory.max": f"{2 * GIB}",
                "sys/fs/cgroup/memory.current": f"{3 * GIB}",
            },
            0,
        ),
        (
            V1
            | {
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}",
            },
            16,
        ),
        (
            V1
            | {
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{8 * GIB}",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{3 * GIB}",
                "sys/fs/cgroup/memory/memory.stat": f"inactive_file {GIB}\nactive_file 0\n"
                f"total_inactive_file {GIB}\ntotal_active_file {GIB}\n",
            },
            7,
        ),
        (
            V2
            | {
                "proc/meminfo": f"MemAvailable: {2**20} kB\n",
                "sys/fs/cgroup/memory.max": f"{4 * GIB}",
                "sys/fs/cgroup/memory.current": "0",
            },
            1,
        ),
        ({"proc/meminfo": ""}, float("inf")),
    ],
)
def test_memory(files, gib, tmp_path):
    assert machine.memory_mib(written(tmp_path, files)) == gib * 1024


def test_the_least_of_cpus_and_memory_decides(tmp_path, caplog):
    caplog.set_level("INFO")
    root = written(tmp_path, V2 | {"sys/fs/cgroup/cpu.max": "600000 100000"})
    assert jobs.fitting(1, 1024, root) == 6
    assert jobs.fitting(2, 1024, root) == 3
    # 0 threads are all of them.
    assert jobs.fitting(0, 1024, root) == 1 and not caplog.messages
    assert jobs.fitting(1, 5 * 1024, root) == 3
    assert caplog.messages == [
        "16.0 GiB of memory are free and one process takes about 5.0: 3 at once instead of 6"
    ]
    # What fits nowhere is tried alone.
    assert jobs.fitting(1, 99 * 1024, root) == 1


def test_more_pixels_need_more_memory():
    study = params.load_study()
    sizes = {cell.image_size: jobs.cell_mib(cell, study) for cell in study.cells.values()}
    assert 1100 < sizes[512] < sizes[1024] < 2000


@pytest.mark.skipif(not shutil.which("taskset"), reason="no taskset")
@pytest.mark.skipif(bool(shutil.which("nvidia-smi")), reason="a GPU has one cell at a time")
def test_a_real_affinity_is_heeded():
    done = subprocess.run(
        ["taskset", "-c", "0", sys.executable, "-m", "stages.jobs", "cells"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1\n"


def test_a_reader_that_has_read_enough_is_no_fault():
    """`python -m stages.plan | head -1` closes the pipe while there is more to say."""
    script = (
        "from stages.program import run\nimport sys\nsys.argv = ['x']\n"
        "run(lambda: print('line\\n' * 100_000), 'plan')"
    )
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" | head -1', sys.executable, script],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "line\n" and "Traceback" not in done.stderr and not done.stderr


def test_another_word_is_refused():
    done = subprocess.run(
        [sys.executable, "-m", "stages.jobs", "nothing"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and done.stderr == "jobs: 'nothing': say cells or tests\n"
