"""Where files of weights lie as their publishers gave them."""

from __future__ import annotations

from pathlib import Path

from stages.study import paths

FOLDER = paths.WEIGHTS / "raw"


def folder(root: Path = Path()) -> Path:
    """data/weights/raw of the checkout that a person works in.

    `dvc exp run --temp` and the queue run stages in copies of it below its .dvc/tmp, where git's
    ignored files are missing; a file that was fetched there would be fetched again by the next one.
    """
    for parent in root.resolve().parents:
        if parent.name == "tmp" and parent.parent.name == ".dvc":
            return parent.parents[1] / FOLDER
    return root / FOLDER
