"""The checkpoint in MLflow's store where DVC's cache.type is symlink: a file of its own, that outlives `dvc gc`."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from conftest import Project
from synced import R50, check_complete, found, sync

pytest_plugins = "synced"


def symbolic(folder: Path) -> Path:
    """Has DVC link its results into its cache; gives the file there that the checkpoint leads to."""
    project = Project(folder)
    project.run("dvc", "config", "--local", "cache.type", "symlink")
    project.run("dvc", "checkout", "--relink", f"stages/dvc.yaml:train@{R50}")
    checkpoint = folder / f"models/{R50}/best.pth"
    assert checkpoint.is_symlink()
    return checkpoint.resolve()


@pytest.mark.parametrize("same_disk", [True, False])
def test_a_checkpoint_that_is_a_link_into_dvcs_cache(here, caplog, monkeypatch, same_disk):
    cached = symbolic(here)
    if not same_disk:
        monkeypatch.setattr(os, "link", other_disk)
    content = cached.read_bytes()
    sync(caplog)
    client, [run] = found()
    stored = here / f"mlruns/detection-matrix/{run.info.run_id}/artifacts/checkpoint/best.pth"
    assert not stored.is_symlink() and stored.samefile(cached) is same_disk
    cached.unlink()
    downloaded = client.download_artifacts(run.info.run_id, "checkpoint/best.pth", here)
    assert Path(downloaded).read_bytes() == content
    assert sync(caplog)[-2] == f"{R50}: complete"


def other_disk(*_: object, **__: object) -> None:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


@pytest.mark.parametrize("same_disk", [True, False])
def test_a_stored_link_into_dvcs_cache_becomes_the_file(synced, caplog, monkeypatch, same_disk):
    """As earlier versions left it."""
    cached = symbolic(synced)
    run_id = found()[1][0].info.run_id
    stored = synced / f"mlruns/detection-matrix/{run_id}/artifacts/checkpoint/best.pth"
    stored.unlink()
    stored.symlink_to(cached)
    content = cached.read_bytes()
    if not same_disk:
        monkeypatch.setattr(os, "link", other_disk)
    assert sync(caplog)[-2] == f"{R50}: 1 file sent"
    assert not stored.is_symlink() and stored.read_bytes() == cached.read_bytes() == content
    check_complete(synced)


def test_a_checkpoint_that_is_nowhere_is_named(synced, caplog):
    """What `dvc gc` leaves of links into the cache, here and in MLflow."""
    cached = symbolic(synced)
    run_id = found()[1][0].info.run_id
    stored = synced / f"mlruns/detection-matrix/{run_id}/artifacts/checkpoint/best.pth"
    stored.unlink()
    stored.symlink_to(cached)
    kept = cached.rename(synced / "kept")
    line = sync(caplog)[-2]
    assert line.startswith(
        f"{R50}: complete, but checkpoint/best.pth is neither there nor here; `dvc checkout` "
    )
    kept.rename(cached)
    assert sync(caplog)[-2] == f"{R50}: 1 file sent"
    check_complete(synced)
