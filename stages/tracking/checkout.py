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
