"""Puts files into a run's artifacts; a large one that DVC holds already is linked, not copied."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

if TYPE_CHECKING:
    from mlflow import MlflowClient


def put(client: MlflowClient, run_id: str, file: Path, folder: str = "") -> None:
    """Hard-links `file` into a local artifact store; uploads or copies it where there is none or it is elsewhere.

    A linked file is the one in DVC's cache: it must never be edited in place.
    """
    local = _local_root(client.get_run(run_id).info.artifact_uri)
    if local is not None:
        target = local / folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            target.unlink(missing_ok=True)
            os.link(file, target)
            return
    client.log_artifact(run_id, str(file), folder or None)


def _local_root(artifact_uri: str) -> Path | None:
    parts = urlparse(artifact_uri)
    if parts.scheme not in ("", "file") or parts.netloc:
        return None
    return Path(unquote(parts.path))
