"""Writes files whole or not at all, a loss of power included; reads and writes JSON."""

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
    """Gives a temporary path in the folder of `path` to write to. Its file is synced and replaces
    `path`; after an error it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes renames and new names in `folder` last: a file's own fsync does not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link(source: Path, path: Path) -> None:
    """Hard-links `source` to `path` in one move; copies it where a link cannot be."""
    with replacing(path) as temporary:
        try:
            # By itself it would make a second name of a symbolic link, not of the file behind it.
            os.link(source.resolve(strict=True), temporary)
        except OSError:
            shutil.copy2(source, temporary)


def write_text(path: Path, text: str) -> None:
    """Whole or not at all, in UTF-8. The bytes of a file name that are not UTF-8 become escapes,
    which are JSON's."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, content: Any) -> None:
    """As write_text() does, an entry a line."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """What a stage has written. Raises InputError for half of it, FileNotFoundError for none."""
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(
            f"{path}: is damaged ({error}); dvc repro puts it back or makes it again"
        ) from None


def sha256(path: Path) -> str:
    """Of a file's content, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def md5(path: Path) -> str:
    """Of a file's content, as DVC writes it into its lock files."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def remove_unfinished(folder: Path) -> None:
    """Removes the temporary files of `replacing` whose process was killed."""
    for path in folder.glob(".*"):
        if path.suffix[1:].isdecimal():
            path.unlink(missing_ok=True)
