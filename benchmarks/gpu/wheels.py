"""The packages that a machine with a plain PyTorch lacks, as wheels for CPython 3.12 on Linux
x86-64."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from stages.errors import InputError
from stages.study.params import ROOT

PYTHON = "3.12"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
# What is there: tests/benchmarks/test_gpu_rehearsal.py makes an environment of these and nothing else.
THERE = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "pandas",
    "pillow",
    "opencv-python-headless",
    "psutil",
    "safetensors",
    "scikit-learn",
    "matplotlib",
    "jinja2",
    "tqdm",
    "PyYAML",
    "pytest",
)
# Of requirements.in, what no training needs, or what comes with what is there.
UNNEEDED = (
    "configobj",
    "dvc",
    "markupsafe",
    "mlflow",
    "mypy",
    "packaging",
    "pytest-xdist",
    "ruff",
    "uv",
)
# The same modules under another name.
SAME = {"opencv-python": "opencv-python-headless"}
_MACHINE = {
    "python_version": PYTHON,
    "python_full_version": f"{PYTHON}.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "extra": "",
}


def download(folder: Path) -> list[str]:
    """Writes the wheels into `folder`; their packages as name==version, those of requirements.txt.

    Raises InputError where one cannot be had.
    """
    folder.mkdir(parents=True)
    wanted = [f"{name}=={metadata.version(name)}" for name in carried()]
    platforms = [argument for platform in PLATFORMS for argument in ("--platform", platform)]
    for package in wanted:
        wheel = _pip(
            "download",
            "--only-binary=:all:",
            "--python-version",
            PYTHON,
            "--implementation",
            "cp",
            *platforms,
            "--dest",
            str(folder),
            package,
        )
        if not wheel:
            continue
        # Published as source alone: a wheel of pure Python is the same everywhere.
        problem = _pip("wheel", "--wheel-dir", str(folder), package)
        if problem:
            raise InputError(f"gpu-pack: no wheel of {package} for Python {PYTHON}: {problem}")
        _check_pure(folder, package)
    return wanted


def carried() -> list[str]:
    """The packages of requirements.in and all that they need, less what is there. In the order of
    their names."""
    text = (ROOT / "requirements.in").read_text(encoding="utf-8")
    listed = [_name(match[1]) for match in re.finditer(r"^([A-Za-z0-9._-]+)", text, re.MULTILINE)]
    there = {_name(name) for name in THERE}
    waiting = [name for name in listed if name not in there and name not in UNNEEDED]
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        # What is there has its own needs beside it.
        if name in needed or name in there:
            continue
        needed.add(name)
        for line in _requirements(name):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate(_MACHINE):
                waiting.append(_name(requirement.name))
    return sorted(needed)


def _requirements(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        # The machine's own OpenCV is not installed here under that name.
        return []


def _name(text: str) -> str:
    name = re.sub(r"[-_.]+", "-", text).lower()
    return SAME.get(name, name)


def _pip(*arguments: str) -> str:
    """Runs pip without dependencies; the last line of its complaint, "" where it did it."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            arguments[0],
            "--quiet",
            "--no-deps",
            "--disable-pip-version-check",
            *arguments[1:],
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or ["pip failed"])[-1]


def _check_pure(folder: Path, package: str) -> None:
    stem = package.partition("==")[0].replace("-", "_")
    [wheel] = [path for path in folder.iterdir() if path.name.lower().startswith(f"{stem}-")]
    if not wheel.name.endswith("-none-any.whl"):
        raise InputError(
            f"gpu-pack: {wheel.name} was compiled for this machine and would not run on another"
        )
