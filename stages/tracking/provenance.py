"""Where results come from: the git checkout with what does not work in it, its code and packages;
and which other code was shown to make the same bits."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.files import read_json, write_json
from stages.study import paths
from stages.study.params import ROOT, Cell

log = logging.getLogger(__name__)

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
# What is recorded where no commit can be named.
UNKNOWN = "unknown"
WITHOUT_GIT = (
    "no git repository here: all stages run and record their commit as unknown, but dvc exp and dvc "
    "metrics diff need one: git init && make set-up && git add --all && git commit -m start"
)
_LOCKS = (":(top,exclude)dvc.lock", ":(top,exclude)*/dvc.lock")
# A shell's exit status where there is no such program.
NO_PROGRAM = 127
# What git itself prints where it refuses the folder of another user.
_REMEDY = re.compile(r"git config --global --add safe\.directory .+")
# Measured with DVC 3.67.1. Its copies for --queue and --temp are addressed by URL, and their config
# is written in ASCII; braces stop its progress bars, whatever is run.
_NO_COPIES = re.compile(r"[^\x00-\x7f]|[#?%]")
_NO_DVC = re.compile(r"[{}]")


@dataclass(frozen=True)
class Checkout:
    """tracked: the project is in a git repository. remedy: the command to type where git refuses
    that repository, because another user owns it; "" where it does not."""

    tracked: bool
    remedy: str = ""


def look(root: Path = ROOT) -> Checkout:
    """What git says of the project's folder.

    A repository around it that does not track the project's files, such as that of a home
    directory, is not the project's: neither its commit nor its experiments are.
    """
    prefix = git(root, "rev-parse", "--show-prefix")
    if prefix.returncode == NO_PROGRAM:
        return Checkout((root / ".git").exists())
    if prefix.returncode:
        remedy = _REMEDY.search(prefix.stderr)
        return Checkout(tracked=True, remedy=remedy[0]) if remedy else Checkout(tracked=False)
    is_top = not prefix.stdout.strip()
    listed = git(root, "ls-files", "--error-unmatch", "dvc.yaml")
    return Checkout(is_top or listed.returncode == 0)


def commit(root: Path = ROOT) -> str:
    """The checked-out commit, with "+changes" after it where tracked files differ; or UNKNOWN.

    dvc.lock does not count: DVC writes into it what the stages before have made.
    """
    head = git(root, "rev-parse", "HEAD")
    if head.returncode or not look(root).tracked:
        return UNKNOWN
    # Not `git status`: it would look at every untracked image.
    changes = git(root, "diff", "--name-only", "HEAD", "--", ":(top)", *_LOCKS)
    return head.stdout.strip() + ("+changes" if changes.stdout.strip() else "")


def git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs git in the folder `root`, in English; it fails, too, where there is no git program."""
    command = ["git", *arguments]
    try:
        return subprocess.run(
            command,
            cwd=root,
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, NO_PROGRAM, "", "no git here")


def checkout_warnings(root: Path = ROOT) -> list[str]:
    """A line for each thing that git or DVC cannot do in this folder, with the way out."""
    checkout = look(root)
    lines = [] if checkout.tracked else [WITHOUT_GIT]
    if checkout.remedy:
        lines.append(
            "another user owns this folder, so git refuses it: the commit is recorded as "
            f"unknown and dvc exp fails, until you type: {checkout.remedy}"
        )
    breaking = sorted(set(_NO_COPIES.findall(str(root))))
    if _NO_DVC.search(str(root)):
        lines.append(f"{root}: DVC fails in a folder with {{ or }} in its path; rename it")
    elif breaking:
        lines.append(
            f"{root}: with {' '.join(breaking)} in the path, dvc exp run --queue and "
            "--temp fail, and waiting for the queue does not end; rename the folder for "
            "these two. All else works"
        )
    return lines


def log_warnings() -> None:
    """Logs checkout_warnings(), unless this process runs in make, which has done so at its
    start."""
    if not os.environ.get("MAKELEVEL"):
        for line in checkout_warnings():
            log.warning("%s", line)


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
        "mlflow.source.git.commit": commit(),
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
