"""A finished study of two cells, made once for all tests of this folder, and copies of it to break."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from conftest import Project, make_project

FPN, PAFPN = "r50-fpn", "r50-pafpn"
CELLS = {
    name: {
        "detector": "faster_rcnn",
        "backbone": "r50",
        "neck": neck,
        "optimizer": "sgd",
        "image_size": 512,
    }
    for name, neck in ((FPN, "fpn"), (PAFPN, "pafpn"))
}
BEST = f"models/{FPN}/best.pth"
# What DVC says of a study in which there is nothing to do.
IDLE = "Data and pipelines are up to date."


def two_cells(values: dict) -> None:
    values.update(cells=CELLS, hypotheses=[])
    values["backbones"] = {"r50": values["backbones"]["r50"]}


def finish(folder: Path) -> Project:
    """The study after `dvc repro`, with its lock files in git, as a person keeps them."""
    project = make_project(folder)
    project.set_params(two_cells)
    project.run("dvc", "repro")
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "two cells")
    return project


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Project:
    """The finished study itself: to be read only. The first worker that needs it makes it for all."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "done"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "finished").exists():
            finish(folder / "clone")
            (folder / "finished").touch()
    return Project(folder / "clone")


@pytest.fixture
def study(done: Project, tmp_path: Path) -> Project:
    """A copy of the finished study to break."""
    subprocess.run(["cp", "-a", done.folder, tmp_path / "clone"], check=True)
    return Project(tmp_path / "clone")


@pytest.fixture
def make(study: Project) -> Callable[..., subprocess.CompletedProcess]:
    """Runs make in the copy."""
    return study.make


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Mounts]:
    """Small disks. Skips where this user may mount none."""
    found = Mounts()
    try:
        yield found
    finally:
        found.end()


class Mounts:
    """Mounts that the test ends by itself."""

    def __init__(self) -> None:
        self.folders: list[Path] = []

    def small(self, folder: Path, megabytes: int) -> Path:
        """A disk of its own at `folder`, empty."""
        folder.mkdir(parents=True, exist_ok=True)
        return self._mount(folder, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs")

    def read_only(self, folder: Path) -> Path:
        """`folder` as it is, and nobody can write there, root neither."""
        self._mount(folder, "--bind", folder)
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        return folder

    def end(self) -> None:
        for folder in reversed(self.folders):
            subprocess.run(["umount", folder], check=True)
        self.folders = []

    def _mount(self, folder: Path, *arguments: object) -> Path:
        done = subprocess.run(
            ["mount", *map(str, arguments), str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"this user cannot mount a disk: {done.stderr.strip()}")
        self.folders.append(folder)
        return folder


def fill(folder: Path) -> Path:
    """The file in `folder` that leaves no byte of its disk."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue
    return filler


def in_cache(project: Project, path: str) -> Path:
    """Where DVC's cache has the content of a file of the project."""
    name = hashlib.md5((project.folder / path).read_bytes()).hexdigest()
    return project.folder / ".dvc/cache/files/md5" / name[:2] / name[2:]


def flip(path: Path) -> int:
    """Bits of a file change as they do on a dying disk: nobody writes, so time and size stay. Gives the size."""
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(before.st_size // 2)
        found = file.read(min(64, before.st_size // 2))
        file.seek(before.st_size // 2)
        file.write(bytes(byte ^ 0xFF for byte in found))
    path.chmod(before.st_mode & 0o777)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return before.st_size


def only_line(output: str, start: str, text: str = "") -> str:
    """The one line of `output` that begins with `start` and has `text` in it; there is no traceback beside it."""
    assert "Traceback" not in output, output[-3000:]
    lines = [line for line in output.splitlines() if line.startswith(start) and text in line]
    assert len(lines) == 1, output[-3000:]
    return lines[0]


def stage_process(dvc: psutil.Process, stage: str, timeout: float = 120) -> psutil.Process:
    """The process of `stage` that `dvc` has started, as soon as it is there."""
    for _ in range(int(timeout / 0.02)):
        for child in dvc.children(recursive=True):
            try:
                if f"stages.{stage}" in child.cmdline() and "python" in child.name():
                    return child
            except psutil.NoSuchProcess:
                continue
        if not dvc.is_running() or dvc.status() == psutil.STATUS_ZOMBIE:
            break
        try:
            psutil.wait_procs([dvc], timeout=0.02)
        except psutil.NoSuchProcess:
            break
    raise AssertionError(f"dvc started no {stage}")
