"""Addresses of MLflow's stores. A path in one may be relative, and stages run in several
folders."""

from __future__ import annotations

import os
import re
from pathlib import Path

# MLflow opens these by itself; behind any other address is a server, or a folder.
DATABASES = ("sqlite", "mysql", "mssql", "postgresql")
_SQLITE = re.compile(r"(?P<start>sqlite(?:\+\w+)?:///)(?P<path>[^/?:][^?]*)(?P<options>\?.*)?")
_FILE = re.compile(r"(?P<start>file:)(?P<path>[^/].*)")


def absolute(address: str, folder: Path) -> str:
    """The address with its path, where it is a relative one, taken from `folder`."""
    parts = _SQLITE.fullmatch(address)
    if parts and not parts["path"].startswith("file:"):
        return f"{parts['start']}{_below(folder, parts['path'])}{parts['options'] or ''}"
    parts = _FILE.fullmatch(address)
    if parts:
        return f"{parts['start']}{_below(folder, parts['path'])}"
    # "databricks" is no folder, and names a server.
    if re.match(r"[A-Za-z][\w+.-]*:", address) or address.startswith(("databricks", "/")):
        return address
    return _below(folder, address)


def is_database(address: str) -> bool:
    """Whether MLflow opens a database there by itself."""
    return address.partition(":")[0].partition("+")[0] in DATABASES


def _below(folder: Path, path: str) -> str:
    return os.path.normpath(folder / path)
