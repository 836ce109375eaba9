"""What identifies a training: versions, code, DVC's context, and the fingerprint of all that makes a cell."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path

from stages.study.params import ROOT

PACKAGES = ("torch", "torchvision", "mmdet", "mmengine", "mmcv-lite", "pycocotools", "dvc", "mlflow")


def versions() -> dict[str, str]:
    """Python and the packages that decide a result, where they are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def code_digest(root: Path = ROOT) -> str:
    """16 hex digits over the code and the config fragments that a training runs, wherever the commit stands."""
    total = hashlib.sha256()
    parts = ("stages/train.py", "stages/program.py", "stages/machine.py", "stages/files.py", "stages/study",
             "stages/model", "stages/evaluation", "stages/tracking", "configs")
    files = [file for part in parts for file in sorted((root / part).rglob("*.py") if (root / part).is_dir() else
                                                       [root / part])]
    for file in files:
        total.update(file.relative_to(root).as_posix().encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]


def dvc_tags() -> dict[str, str]:
    """The stage, experiment and baseline that DVC names in a stage's environment; empty without DVC."""
    names = {"dvc.stage": "DVC_STAGE", "dvc.exp_name": "DVC_EXP_NAME", "dvc.baseline_rev": "DVC_EXP_BASELINE_REV"}
    return {tag: os.environ[variable] for tag, variable in names.items() if os.environ.get(variable)}


def fingerprint(config: str, inputs: list[Path]) -> str:
    """16 hex digits over a cell's whole config and the files that it learns from: equal means the same training."""
    total = hashlib.sha256(config.encode())
    for path in inputs:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]
