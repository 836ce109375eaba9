"""What a training was made with: versions, code and DVC's context; and which other code was shown
to make the same bits."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.files import read_json, write_json
from stages.study import paths
from stages.study.params import ROOT, Cell
from stages.tracking import checkout

# Belongs into git: make accept notes there which digests of code make the same bits.
ACCEPTED = Path("accepted.json")

# What computes, draws the images or scores; opencv under the name of the build that is installed.
PACKAGES = (
    "torch",
    "torchvision",
    "mmdet",
    "mmengine",
    "mmcv-lite",
    "numpy",
    "opencv-python-headless",
    "opencv-python",
    "hotcoco",
    "pycocotools",
    "dvc",
    "mlflow",
)
# Those of them that change no bit of a training.
OBSERVERS = ("pycocotools", "dvc", "mlflow")
# The code that decides a training's bits. Stage train depends on the same, in stages/dvc.yaml.
DECIDING = (
    "stages/train.py",
    "stages/training",
    "stages/scoring",
    "stages/model/ops",
    "stages/study/metrics.py",
)


def versions() -> dict[str, str]:
    """Python and the packages that decide a result, where they are installed."""
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def code_digest(root: Path = ROOT) -> str:
    """16 hex digits over the code that decides a training's bits, wherever the commit stands."""
    total = hashlib.sha256()
    for part in DECIDING:
        path = root / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            total.update(file.relative_to(root).as_posix().encode())
            total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]


def source_tags(program: str) -> dict[str, str]:
    """For a run of MLflow: the program that makes it, the commit, and the stage, experiment and
    baseline that DVC names in a stage's environment."""
    tags = {
        "mlflow.source.name": program,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": checkout.commit(),
        "dvc.stage": os.environ.get("DVC_STAGE"),
        "dvc.exp_name": os.environ.get("DVC_EXP_NAME"),
        "dvc.baseline_rev": os.environ.get("DVC_EXP_BASELINE_REV"),
    }
    return {tag: value for tag, value in tags.items() if value}


def accepted(root: Path = ROOT) -> list[dict[str, Any]]:
    """The entries of accepted.json, oldest first: date, from (commit), then and now (digests of the
    code), cells, shown_by (cells that were trained on both sides), steps."""
    path = root / ACCEPTED
    return read_json(path) if path.is_file() else []


def accept(entry: dict[str, Any], root: Path = ROOT) -> None:
    """Appends an entry of accepted()."""
    write_json(root / ACCEPTED, [*accepted(root), entry])


def newest(digest: str, entries: list[dict[str, Any]]) -> str:
    """The newest code that was shown to make the same bits as that of `digest`."""
    for entry in entries:
        if digest in entry["then"]:
            digest = entry["now"]
    return digest


def trained_by_other_code(cells: Mapping[str, Cell], root: Path = ROOT) -> list[str]:
    """The finished cells whose code was not shown to make the same bits as that of `root`."""
    current, entries = code_digest(root), accepted(root)
    names = []
    for name, cell in cells.items():
        try:
            digest = read_json(root / paths.record(name, cell) / "run.json")["code_digest"]
        # Not finished, or damaged: its training says so.
        except (OSError, InputError, KeyError, TypeError):
            continue
        if newest(digest, entries) != current:
            names.append(name)
    return names
