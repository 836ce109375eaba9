"""What the measurements ran on, and whether they can run at all."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import steps
from benchmarks.gpu.children import Context
from benchmarks.gpu.parts import MODELS
from stages.tracking import provenance

PACKAGES = ("numpy", "opencv-python-headless", "hotcoco", "setuptools", "triton")


def check(context: Context) -> dict[str, Any]:
    """A step of r50 at this scale, once everything is imported; the machine."""
    steps.measure(context, MODELS[0], warm=0, steps=1)
    return describe()


def describe() -> dict[str, Any]:
    """The device, its memory and driver, the processor, versions of all that decides a result."""
    machine: dict[str, Any] = {"device": "CPU", "cuda": None, "gpus": torch.cuda.device_count()}
    if machine["gpus"]:
        properties = torch.cuda.get_device_properties(0)
        machine.update(
            device=properties.name,
            gpu_mib=round(properties.total_memory / 2**20),
            cuda=torch.version.cuda,
            capability=f"{properties.major}.{properties.minor}",
            cudnn=torch.backends.cudnn.version(),
            driver=_driver(),
        )
    versions = provenance.versions()
    for package in PACKAGES:
        if version := _version(package):
            versions[package] = version
    return {
        **machine,
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "compiler": shutil.which("g++") is not None,
        "versions": versions,
    }


def _driver() -> str | None:
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.splitlines()[0]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
