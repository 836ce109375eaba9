"""Writing files so that a reader never meets half of one, not even after the machine has lost
power; reading JSON."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.errors import InputError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a path to write beside `path`; synced, it takes the place of `path`; after an error it
    goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
        sync_folder(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes renames and new names in `folder` last: a file's own fsync does not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link(source: Path, path: Path) -> None:
    """Puts `source` at `path` as a second name of the same file, as a copy where that cannot be;
    whole at any time."""
    with replacing(path) as beside:
        try:
            # By itself it would make a second name of a symbolic link, not of the file behind it.
            os.link(source.resolve(strict=True), beside)
        except OSError:
            shutil.copy2(source, beside)


def write_json(path: Path, content: Any) -> None:
    """Whole or not at all, an entry a line."""
    with replacing(path) as beside:
        text = json.dumps(content, indent=1, ensure_ascii=False)
        beside.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """What a stage has written. Raises InputError for half of it, FileNotFoundError for none."""
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(
            f"{path}: is damaged ({error}); dvc repro puts it back or makes it again"
        ) from None


def md5(path: Path) -> str:
    """Of a file's content, as DVC writes it into its lock files."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def remove_unfinished(folder: Path) -> None:
    """Removes what `replacing` left beside its files when its process was killed."""
    for path in folder.glob(".*"):
        if path.suffix[1:].isdecimal():
            path.unlink(missing_ok=True)
