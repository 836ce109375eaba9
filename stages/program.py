"""What each stage program does around its work: readable logging, and one line instead of a traceback for bad input."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable

from stages.study.params import ROOT
from stages.study.strict import StudyError


class InputError(RuntimeError):
    """Something that a person can mend; the message is one line with the path, key or cell and the remedy."""


def run(main: Callable[..., None], stage: str, arguments: str = "") -> None:
    """Runs `main` with the command line's arguments (`arguments` describes them) from the project's folder.

    Exit status 0; 2 for a wrong call; 1 with a single line on stderr for StudyError and InputError.
    """
    logging.basicConfig(level=logging.INFO, format=f"{stage}: %(message)s", stream=sys.stderr, force=True)
    # mmengine 0.10.7 imports pkg_resources, and its deprecation warning would open every stage's output.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    os.chdir(ROOT)
    if len(sys.argv) - 1 != len(arguments.split()):
        sys.exit(f"usage: python -m stages.{stage} {arguments}".rstrip())
    try:
        main(*sys.argv[1:])
    except (StudyError, InputError) as error:
        logging.error("%s", error)
        sys.exit(1)
