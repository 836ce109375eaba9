"""What a training was made with: versions, code, and DVC's context."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path

from stages.study.params import ROOT

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
    files = []
    for part in DECIDING:
        if (root / part).is_dir():
            files += sorted((root / part).rglob("*.py"))
        else:
            files.append(root / part)
    for file in files:
        total.update(file.relative_to(root).as_posix().encode())
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]


def dvc_tags() -> dict[str, str]:
    """The stage, experiment and baseline that DVC names in a stage's environment; empty without
    DVC."""
    names = {
        "dvc.stage": "DVC_STAGE",
        "dvc.exp_name": "DVC_EXP_NAME",
        "dvc.baseline_rev": "DVC_EXP_BASELINE_REV",
    }
    values = {tag: os.environ.get(variable) for tag, variable in names.items()}
    return {tag: value for tag, value in values.items() if value}
