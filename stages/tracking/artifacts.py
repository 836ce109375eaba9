"""Puts files into a run's artifacts; a large one that DVC holds already is linked, not copied."""

from __future__ import annotations

import contextlib
import filecmp
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# A server that stores a large file answers after it has stored it: a second more for each 5 MB.
BYTES_PER_S = 5e6


def put(client: MlflowClient, run: Run, file: Path, folder: str = "") -> None:
    """Hard-links `file` into an artifact store on this disk; else uploads or copies it.

    A linked file is the one in DVC's cache: it must never be edited in place. Raises
    FileNotFoundError.
    """
    local = _local_root(run.info.artifact_uri)
    if local is not None:
        target = local / folder / file.name
        if _link(file, target):
            return
        # MLflow would copy into what is there already, which may be a file of DVC's cache.
        target.unlink(missing_ok=True)
    with _time_for(file.stat().st_size):
        client.log_artifact(run.info.run_id, str(file), folder or None)


def missing(client: MlflowClient, run: Run, files: dict[str, Path]) -> dict[str, Path]:
    """Of `files`, artifact path -> file, those that the run does not have. A file in a local store
    is compared by its content, one on a server by its size, one that is not here is looked for."""
    local = _local_root(run.info.artifact_uri)
    if local is not None:
        return {path: file for path, file in files.items() if not _is_stored(file, local / path)}
    sizes = {}
    for folder in {path.rpartition("/")[0] for path in files}:
        for entry in client.list_artifacts(run.info.run_id, folder or None):
            sizes[entry.path] = entry.file_size
    lacking = {}
    for path, file in files.items():
        has_size = not file.is_file() or sizes.get(path) in (None, file.stat().st_size)
        if path not in sizes or not has_size:
            lacking[path] = file
    return lacking


def _link(file: Path, target: Path) -> bool:
    """Whether `target` now is `file`; False where the file systems differ or know no hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        # Where DVC's cache.type is symlink, the file behind the link outlives `dvc gc`.
        os.link(file.resolve(strict=True), temporary)
        # Renaming one name of a file onto another does nothing, and leaves both.
        os.replace(temporary, target)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return True


def _is_stored(file: Path, stored: Path) -> bool:
    # A symbolic link in the store leads into DVC's cache, whose files come and go.
    if stored.is_symlink() or not stored.is_file():
        return False
    return not file.is_file() or stored.samefile(file) or filecmp.cmp(file, stored, shallow=False)


@contextlib.contextmanager
def _time_for(size: int) -> Iterator[None]:
    name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    usual = os.environ.get(name, "20")
    os.environ[name] = str(int(usual) + int(size / BYTES_PER_S))
    try:
        yield
    finally:
        os.environ[name] = usual


def _local_root(artifact_uri: str) -> Path | None:
    parts = urlparse(artifact_uri)
    if parts.scheme not in ("", "file") or parts.netloc:
        return None
    return Path(unquote(parts.path))
