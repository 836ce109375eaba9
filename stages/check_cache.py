"""Puts DVC's cache and lock files in order, which DVC takes on trust: what is damaged goes, what is
lost comes back.

Run alone: python -m stages.check_cache all
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stages import dvc_command
from stages.errors import InputError
from stages.files import md5
from stages.program import run
from stages.study import params, yaml_text

log = logging.getLogger(__name__)

_LOCKS = ("dvc.lock", "stages/dvc.lock")
# Where stages have their outs, which may be hard links of files in the cache.
_OUTS = ("costs", "data", "metrics", "models", "predictions", "reports")


def main(scope: str) -> None:
    """scope: "missing" or "all".

    missing: DVC runs a stage again whose results lack nothing but their copy in its cache; they are
    put back from the project's folder. all: before that, every file of the cache is compared with
    its name, which is its MD5. DVC takes a damaged one for whole, and puts it in the place even of
    one made anew (measured, DVC 3.67.1); here it is removed, in the folder too where it is the same
    file, and the next dvc repro makes it again. Both: lock files that a kill or a full disk has cut
    short are moved away; DVC makes them anew from its run cache. Raises InputError for another
    word, and with DVC's own words where it fails, StudyError for params.yaml: DVC reads that before
    it starts stage plan.
    """
    if scope not in ("missing", "all"):
        raise InputError(
            f"{scope!r}: say missing (what the cache lost comes back) or all (what is damaged goes "
            "too)"
        )
    params.load_study()
    drop_half_rwlock()
    if scope == "all":
        drop_damaged(dvc_command.dvc_cache())
    stages = [
        stage
        for stage, changes in mended_status().items()
        if only_lost(changes) and outs_intact(stage)
    ]
    if stages:
        dvc_command.dvc("commit", "--force", *stages)
    for stage in stages:
        log.info("%s: its results had gone from DVC's cache and are put back", stage)


def mended_status() -> dict[str, Any]:
    """What `dvc status` says, after it has refused at most both lock files as cut short."""
    moves = len(_LOCKS)
    while True:
        try:
            return dvc_command.dvc_status()
        except InputError as error:
            refused = [path for path in _LOCKS if f"'./{path}'" in str(error)]
            if not refused or not moves:
                raise
            moves -= 1
            # Not for good: it may as well have git's marks of a conflict in it.
            aside = Path(".dvc/tmp") / refused[0].replace("/", "-")
            # .dvc/tmp may be on another disk.
            shutil.move(refused[0], aside)
            log.warning(
                "%s: was cut short, moved to %s; dvc repro makes it anew from DVC's run cache",
                refused[0],
                aside,
            )


def drop_half_rwlock() -> None:
    """DVC runs nothing while the note of who uses what is cut short."""
    path = Path(".dvc/tmp/rwlock")
    # Another DVC may be writing it at this moment.
    for pause in (0.2, 0.5, 1.0, 0.0):
        try:
            json.loads(path.read_bytes())
            return
        except FileNotFoundError:
            return
        except ValueError:
            time.sleep(pause)
    path.unlink()
    log.warning("%s: was cut short, removed", path)


def drop_damaged(cache: Path) -> None:
    gone: set[tuple[int, int]] = set()
    for path in tqdm(
        files(cache), desc="check_cache", unit="file", disable=None, leave=False, delay=2
    ):
        # A folder's list of files is named <md5>.dir.
        if md5(path) != path.parent.name + path.stem:
            gone.add((path.stat().st_dev, path.stat().st_ino))
            path.unlink()
            log.warning("%s: damaged, removed", path)
    if not gone:
        return
    for path in files(*map(Path, _OUTS)):
        if (path.stat().st_dev, path.stat().st_ino) in gone:
            path.unlink()
            log.warning("%s: the same damaged file, removed; dvc repro makes it again", path)


def files(*folders: Path) -> Iterator[Path]:
    """All files below, without symbolic links."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield path


def only_lost(changes: list[Any]) -> bool:
    """changes: what `dvc status --json` says of a stage."""
    for change in changes:
        if not isinstance(change, dict) or set(change) != {"changed outs"}:
            return False
        if set(change["changed outs"].values()) != {"not in cache"}:
            return False
    return True


def outs_intact(stage: str) -> bool:
    """Whether all that a stage wrote is in the folder as its lock file says; DVC has not looked,
    nor will `commit`."""
    file, _, name = stage.rpartition(":")
    outs = stages_of(Path(file or "dvc.yaml").with_suffix(".lock"))[name].get("outs", [])
    for out in outs:
        path = Path(out["path"])
        if not path.exists() or dvc_digest(path) != out["md5"]:
            return False
    return True


@functools.cache
def stages_of(lock: Path) -> dict[str, Any]:
    return yaml_text.loads(lock.read_text(encoding="utf-8"))["stages"]


def dvc_digest(path: Path) -> str:
    """A file's MD5, or a folder's as DVC has it: that of the JSON list of its files."""
    if path.is_file():
        return md5(path)
    entries = []
    for file in files(path):
        entries.append({"md5": md5(file), "relpath": file.relative_to(path).as_posix()})
    text = json.dumps(sorted(entries, key=lambda entry: entry["relpath"]), sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"


if __name__ == "__main__":
    run(main, "check_cache", "missing|all")
