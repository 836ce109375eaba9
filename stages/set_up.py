"""Sets up this clone for DVC, with git or without, and says what does not work here.

Run alone: python -m stages.set_up, which each target of make does first.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from configobj import ConfigObj

from stages.dvc_command import dvc
from stages.errors import InputError
from stages.program import run
from stages.study.params import ROOT
from stages.tracking.provenance import NO_PROGRAM, checkout_warnings, git, look

log = logging.getLogger(__name__)

# git ignores it.
LOCAL_CONFIG = ROOT / ".dvc/config.local"


def main() -> None:
    """Raises InputError where DVC's local config cannot be written, or .venv was made in another
    folder."""
    check_moved(Path(sys.prefix))
    repository = look()
    tell_dvc(repository.tracked)
    if repository.tracked and not repository.remedy:
        identify()
    for line in checkout_warnings():
        log.warning("%s", line)


def check_moved(environment: Path) -> None:
    """Programs of an environment name its Python by the path that it was made at."""
    script = environment / "bin" / "dvc"
    if not script.is_file():
        return
    first = script.read_bytes().partition(b"\n")[0].decode(errors="replace")
    python = Path(first.removeprefix("#!").strip())
    if first.startswith("#!/") and not python.exists():
        raise InputError(
            f"{environment} was made as {python.parent.parent}, and its programs start no more; "
            "make clean, and the same command again"
        )


def tell_dvc(tracked: bool) -> None:
    """DVC runs nothing outside of a git repository unless its config says so. What it says already
    is not written again. tracked: whether the folder is in a repository, or has become so since."""
    core = ConfigObj(str(LOCAL_CONFIG), encoding="utf-8").get("core", {})
    without_git = core.get("no_scm", "false").lower() == "true"
    if tracked and without_git:
        dvc("config", "--local", "--unset", "core.no_scm")
        log.info(
            "this folder is a git repository now: core.no_scm is removed from .dvc/config.local"
        )
    elif not tracked and not without_git:
        dvc("config", "--local", "core.no_scm", "true")


def identify() -> None:
    """Gives this clone an identity where the machine has none: DVC's experiments are commits."""
    email = git(ROOT, "config", "user.email")
    if email.returncode in (0, NO_PROGRAM):
        return
    git(ROOT, "config", "user.name", "detection-matrix")
    git(ROOT, "config", "user.email", "detection-matrix@localhost")
    log.info("no git identity on this machine; this clone uses detection-matrix@localhost")


if __name__ == "__main__":
    run(main, "set_up")
