"""The git checkout that the project lies in: its commit, and what git and DVC cannot do in it."""

from __future__ import annotations

import logging
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stages.study.params import ROOT

log = logging.getLogger(__name__)

# What is recorded where no commit can be named.
UNKNOWN = "unknown"
WITHOUT_GIT = (
    "no git repository here: all stages run and record their commit as unknown, but dvc exp and dvc "
    "metrics diff need one: git init && make set-up && git add --all && git commit -m start"
)
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
    if prefix is None:
        return Checkout((root / ".git").exists())
    if prefix.returncode:
        remedy = _REMEDY.search(prefix.stderr)
        if remedy:
            return Checkout(tracked=True, remedy=remedy[0])
        return Checkout(tracked=False)
    if not prefix.stdout.strip():
        return Checkout(tracked=True)
    listed = git(root, "ls-files", "--error-unmatch", "dvc.yaml")
    return Checkout(listed is not None and listed.returncode == 0)


def commit(root: Path = ROOT) -> str:
    """The checked-out commit, with "+changes" after it where tracked files differ; or UNKNOWN."""
    if not look(root).tracked:
        return UNKNOWN
    head = git(root, "rev-parse", "HEAD")
    if head is None or head.returncode:
        return UNKNOWN
    # Not `git status`: it would look at every untracked image.
    changes = git(root, "diff", "--name-only", "HEAD")
    if changes is not None and changes.stdout.strip():
        return head.stdout.strip() + "+changes"
    return head.stdout.strip()


def git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    """Runs git in the folder `root`, in English; None where there is no git program."""
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=root,
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError:
        return None


def warnings(root: Path = ROOT) -> list[str]:
    """A line for each thing that git or DVC cannot do in this folder, with the way out."""
    lines = []
    checkout = look(root)
    if not checkout.tracked:
        lines.append(WITHOUT_GIT)
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


def say() -> None:
    """Logs warnings(), unless this process runs in make, which has done so at its start."""
    if not os.environ.get("MAKELEVEL"):
        for line in warnings():
            log.warning("%s", line)
