"""Deletes the files that removed rows have left behind, where DVC's cache has them.

Run alone: python -m stages.prune
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from stages import dvc_command
from stages.files import md5
from stages.program import run
from stages.study import params, paths

log = logging.getLogger(__name__)


def main() -> None:
    """Names what it deletes before it does. What DVC's cache does not hold stays, so that a row
    which comes back is restored and not trained again; nothing is deleted from the cache. Raises
    StudyError for params.yaml."""
    files_of = paths.leftovers(params.load_study().cells, Path())
    if not files_of:
        log.info("nothing to delete: every file is of a row of params.yaml")
        return
    cache = dvc_command.dvc_cache()
    for name, files in sorted(files_of.items()):
        removable = []
        for path in files:
            if is_cached(path, cache):
                removable.append(path)
            else:
                log.warning("%s: stays, because DVC's cache does not hold it", path)
        if not removable:
            continue
        size = sum(path.stat().st_size for path in removable) / 2**20
        log.info("%s: %.1f MiB: %s", name, size, ", ".join(map(str, removable)))
        for path in removable:
            path.unlink()
            _remove_empty(path.parent)


def is_cached(path: Path, cache: Path) -> bool:
    """Whether a file with these bytes is in DVC's cache, whole. cache: its folder of files by
    MD5."""
    digest = md5(path)
    stored = cache / digest[:2] / digest[2:]
    return stored.is_file() and (stored.samefile(path) or md5(stored) == digest)


def _remove_empty(folder: Path) -> None:
    """The folder and those above it that are empty now; models/, metrics/ and the like stay."""
    with contextlib.suppress(OSError):
        while len(folder.parts) > 1:
            folder.rmdir()
            folder = folder.parent


if __name__ == "__main__":
    run(main, "prune")
