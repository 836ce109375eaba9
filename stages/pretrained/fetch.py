"""Gets a file of weights once: downloads what is missing of it, checks it, and only then gives it its name."""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from pathlib import Path

from tqdm import tqdm

from stages.program import InputError
from stages.study.params import Weights

log = logging.getLogger(__name__)

_CHUNK = 1 << 20
_TIMEOUT_S = 30
# A connection that is cut is taken up again where it stopped, so many times in a row without a single new byte.
_ATTEMPTS = 5
_PAUSE_S = 1.0


def fetch(name: str, weights: Weights, folder: Path) -> tuple[Path, str]:
    """The file of backbone `name` in `folder` and its SHA-256.

    A file that lies there already, put there by hand or by an earlier call, is checked and not fetched again. A
    download that was interrupted goes on from `<file>.part`. Raises InputError, naming the file and where to put it,
    where it can neither be found nor fetched, or is not the one that params.yaml names.
    """
    local = _local_source(weights.source)
    path = local or folder / _file_name(name, weights.source)
    if not path.is_file():
        if local:
            raise InputError(f"backbones.{name}.weights.source: no file {path}")
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        _download(name, weights, part, path)
        _check(name, weights, part, path)
        part.replace(path)
    return path, _check(name, weights, path, path)


def sha256(path: Path) -> str:
    """64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(name: str, weights: Weights, path: Path, shown: Path) -> str:
    found = sha256(path)
    if weights.sha256 is None:
        log.warning("backbones.%s.weights.sha256 is not set: whatever %s is, is trusted. Its SHA-256 is %s", name,
                    shown.name, found)
    elif not found.startswith(weights.sha256.lower()):
        # A broken download would otherwise be taken up again for ever; a person's own file stays.
        if path.suffix == ".part":
            path.unlink()
        raise InputError(f"{shown}: its SHA-256 is {found}, and backbones.{name}.weights.sha256 says {weights.sha256}; "
                         f"{'nothing was kept, try again' if path.suffix == '.part' else 'remove the file or put the right one there'}")
    return found


def _local_source(source: str) -> Path | None:
    parts = urllib.parse.urlsplit(source)
    if parts.scheme in ("http", "https"):
        return None
    if parts.scheme == "file":
        return Path(urllib.parse.unquote(parts.path))
    return Path(source).expanduser()


def _file_name(name: str, source: str) -> str:
    # Only the last part, so that no address can name a place outside of the folder.
    last = Path(urllib.parse.unquote(urllib.parse.urlsplit(source).path)).name
    return last if last not in ("", "..") else f"{name}.pth"


def _download(name: str, weights: Weights, part: Path, path: Path) -> None:
    tries = 0
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            if _continue(weights.source, part, before, path.name):
                return
            problem = "the connection ended early"
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:
                return  # nothing is left to send
            problem = f"HTTP {error.code} {error.reason}"
            tries = _ATTEMPTS if error.code < 500 else tries
        except (OSError, HTTPException) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        grown = part.is_file() and part.stat().st_size > before
        tries = 0 if grown else tries + 1
        if tries >= _ATTEMPTS:
            raise InputError(f"backbones.{name}.weights: cannot fetch {weights.source}: {problem}. Put the file at {path} "
                             "yourself, or set weights: none in the scale to train from scratch")
        time.sleep(_PAUSE_S if not grown else 0)


def _continue(source: str, part: Path, start: int, shown: str) -> bool:
    """Appends to `part` what the server has after `start`; True where that is all."""
    request = urllib.request.Request(source, headers={"Range": f"bytes={start}-"} if start else {})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
        if start and answer.status != 206:
            start = 0  # a server without ranges sends the whole file again
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else None
        if total and shutil.disk_usage(part.parent).free < total - start:
            raise InputError(f"{part.parent}: {(total - start) / 1e6:.0f} MB are needed for {shown}, and the disk is full")
        with part.open("ab" if start else "wb") as file, tqdm(
                total=total, initial=start, unit="B", unit_scale=True, desc=shown, delay=2, leave=False) as bar:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    return total is None or part.stat().st_size >= total
