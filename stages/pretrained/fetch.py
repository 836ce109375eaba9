"""Gets a file of weights once: downloads what is missing of it, checks it, and only then names it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, InvalidURL
from pathlib import Path

from tqdm import tqdm

from stages.errors import InputError
from stages.files import sha256
from stages.study import paths
from stages.study.params import Weights

log = logging.getLogger(__name__)

# Where the files lie as their publishers gave them.
RAW = paths.WEIGHTS / "raw"

# A connection that is reset loses what was read of a chunk, so a chunk is small.
_CHUNK = 1 << 16
_TIMEOUT_S = 30
# Times in a row that a cut connection is taken up again without a single new byte.
_ATTEMPTS = 5
_PAUSE_S = 1.0
# Answers of 4xx that another attempt may change: a timeout, too many requests.
_PASSING = (408, 429)


def raw_folder(root: Path = Path()) -> Path:
    """RAW of the checkout that a person works in.

    `dvc exp run --temp` and the queue run stages in copies of it below its .dvc/tmp, where git's
    ignored files are missing; a file that was fetched there would be fetched again by the next one.
    """
    for parent in root.resolve().parents:
        if parent.name == "tmp" and parent.parent.name == ".dvc":
            return parent.parents[1] / RAW
    return root / RAW


def fetch(name: str, weights: Weights, folder: Path) -> tuple[Path, str]:
    """The file of backbone `name` in `folder` and its SHA-256, 64 hex digits.

    A file that lies there already, put there by hand or by an earlier call, is checked and not
    fetched again. A download that was interrupted resumes from `<file>.part`. Raises InputError,
    naming the file and where to put it, where it can neither be found nor fetched, or is not the
    one that params.yaml names.
    """
    local, path = _place(name, weights.source, folder)
    if path.is_file():
        return path, _check(name, weights, path, path, "remove the file or put the right one there")
    if local:
        raise InputError(f"backbones.{name}.weights.source: no file {path}")
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with _alone(part):
        _download(name, weights.source, part, path)
        remedy = "nothing was kept; check the address and the hash"
        try:
            digest = _check(name, weights, part, path, remedy)
        except InputError:
            # It would otherwise be taken up again for ever.
            part.unlink()
            raise
        part.replace(path)
    return path, digest


def _check(name: str, weights: Weights, file: Path, path: Path, remedy: str) -> str:
    """The SHA-256 of `file`, which is, or is to be, at `path`."""
    digest = sha256(file)
    if weights.sha256 is None:
        log.warning(
            "backbones.%s.weights.sha256 is not set: whatever %s is, is trusted. Its SHA-256 is %s",
            name,
            path.name,
            digest,
        )
    elif not digest.startswith(weights.sha256.lower()):
        raise InputError(
            f"{path}: its SHA-256 is {digest}, and backbones.{name}.weights.sha256 says "
            f"{weights.sha256}; {remedy}"
        )
    return digest


def _place(name: str, source: str, folder: Path) -> tuple[bool, Path]:
    """Whether `source` is a file of this machine, and where it is or will be."""
    try:
        parts = urllib.parse.urlsplit(source)
    except ValueError as error:
        key = f"backbones.{name}.weights.source"
        raise InputError(f"{key}: {source} is no address: {error}") from None
    path = Path(urllib.parse.unquote(parts.path))
    if parts.scheme == "file":
        return True, path
    if parts.scheme not in ("http", "https"):
        return True, Path(source).expanduser()
    # Only the last part, so that no address can name a place outside of the folder.
    if path.name in ("", "..") or "\0" in path.name:
        return False, folder / f"{name}.pth"
    return False, folder / path.name


@contextlib.contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Keeps a second process from writing into the same `part`; leaves no empty one behind."""
    with part.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            problem = "another process is fetching this file; wait for it"
            raise InputError(f"{part}: {problem}") from None
        try:
            yield
        finally:
            if part.is_file() and not part.stat().st_size:
                part.unlink()


def _download(name: str, source: str, part: Path, path: Path) -> None:
    tries, most = 0, part.stat().st_size
    while True:
        problem, final = "the connection ended early", False
        try:
            if _resume(source, part, path.name):
                return
        except urllib.error.HTTPError as error:
            problem = f"HTTP {error.code} {error.reason}"
            final = error.code < 500 and error.code not in _PASSING
        except (ValueError, InvalidURL) as error:
            problem, final = str(error), True
        except (OSError, HTTPException) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        # Against the most there ever was: a server without ranges begins anew each time.
        size = part.stat().st_size
        has_grown = size > most
        tries = 0 if has_grown else tries + 1
        if final or tries >= _ATTEMPTS:
            raise InputError(
                f"backbones.{name}.weights: cannot fetch {source}: {problem}. Put the file at "
                f"{path} yourself, or set weights: none in the scale to train from scratch"
            )
        if not has_grown:
            time.sleep(_PAUSE_S)
        most = max(most, size)


def _resume(source: str, part: Path, name: str) -> bool:
    """Appends to `part` what the server has beyond it; True where that is all."""
    start = part.stat().st_size
    request = urllib.request.Request(source)
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        if error.headers.get("Content-Range") == f"bytes */{start}":
            return True
        # What is here is longer than what is there, so it belongs to another file.
        part.write_bytes(b"")
        return False
    with answer:
        if answer.status != 206:
            start = 0  # a server without ranges sends the whole file again
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise HTTPException("the server sent other bytes than it was asked for")
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else None
        free = shutil.disk_usage(part.parent).free
        if total and free < total - start:
            raise InputError(
                f"{part.parent}: {name} needs {(total - start) / 1e6:.0f} MB more, and "
                f"{free / 1e6:.0f} MB of the disk are free"
            )
        progress = tqdm(
            desc=name, total=total, initial=start, unit="B", unit_scale=True, delay=2, leave=False
        )
        with part.open("ab" if start else "wb") as file, progress as bar:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                # What has come in outlives a kill; Python 3.14 would hold 128 KiB back.
                file.flush()
                bar.update(len(chunk))
    return total is None or part.stat().st_size >= total
