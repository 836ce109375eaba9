"""Full and read-only disks, each a small disk of its own: one line says where, and the same command then completes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Project, trained
from finished import FPN, IDLE, fill, only_line

pytest_plugins = "finished"

NO_SPACE = "no space left on device"
COMPARE = ("dvc", "repro", "--single-item", "--force", "compare")
ANALYSE = ("dvc", "repro", "--single-item", "--force", f"stages/dvc.yaml:analyse@{FPN}")


def own_disk(mounts, folder: Path, megabytes: int = 32) -> Path:
    """Gives what is in `folder` a disk of its own."""
    aside = folder.with_name(f"{folder.name}.aside")
    folder.rename(aside)
    mounts.small(folder, megabytes)
    subprocess.run(["cp", "-a", f"{aside}/.", folder], check=True)
    shutil.rmtree(aside)
    return folder


def idle(study: Project) -> bool:
    return IDLE in study.run("dvc", "repro").stdout


RESULTS = {
    "reports": COMPARE,
    "metrics": ANALYSE,
    "data": ("dvc", "repro", "--single-item", "--force", "prepare"),
}


def emptied(folder: Path) -> None:
    """Without the results of the stage: DVC removes them first, which would make room for the next ones."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in ("run.json", "history.csv", "plan.json"):
            path.unlink()


@pytest.mark.parametrize(
    "folder",
    ["reports", *(pytest.param(folder, marks=pytest.mark.slow) for folder in ("metrics", "data"))],
)
def test_full_disk_of_results(folder, study: Project, mounts):
    place = own_disk(mounts, study.folder / folder)
    emptied(place)
    filler = fill(place)
    done = study.run(*RESULTS[folder], check=False)
    assert done.returncode
    stage = RESULTS[folder][-1].rpartition(":")[2].partition("@")[0]
    assert "free some space" in only_line(done.stdout, f"{stage}: ", NO_SPACE)
    filler.unlink()
    after = study.run("dvc", "repro")
    assert trained(after.stdout) == [] and idle(study)


@pytest.mark.slow
def test_disk_full_of_results(study: Project, mounts):
    """There is room for the results themselves, and then none for what DVC does with them."""
    filler = fill(own_disk(mounts, study.folder / "reports"))
    done = study.run(*COMPARE, check=False)
    assert "Traceback" not in done.stdout
    filler.unlink()
    assert trained(study.run("dvc", "repro").stdout) == [] and idle(study)


@pytest.mark.slow
def test_full_disk_of_the_cache(study: Project, mounts):
    """DVC cannot keep the result; the stage runs again when it can."""
    filler = fill(own_disk(mounts, study.folder / ".dvc/cache", 200))
    study.set_params(lambda values: values["verdicts"].update(replicates=101))
    done = study.run("dvc", "repro", check=False)
    assert (
        done.returncode
        and "No space left on device" in done.stdout
        and "Traceback" not in done.stdout
    )
    filler.unlink()
    assert trained(study.run("dvc", "repro").stdout) == [] and idle(study)


@pytest.mark.slow
def test_full_disk_of_the_lock_file(study: Project, mounts):
    """All but results and cache lies on a full disk: dvc.lock cannot be written, and no cell is lost."""
    folder = own_disk(mounts, study.folder, 200)
    for name in ("reports", ".dvc/cache", ".dvc/tmp"):
        own_disk(mounts, folder / name, 100)
    # The old one would leave its room to the new one.
    (folder / "dvc.lock").unlink()
    filler = fill(folder)
    done = study.run(*COMPARE, check=False)
    assert done.returncode and "No space left on device" in done.stdout, done.stdout
    filler.unlink()
    after = study.run("dvc", "repro", check=False)
    if after.returncode:
        # DVC writes its lock file in place. Cut short, it comes from git, or is removed and made from the run cache.
        assert "dvc.lock" in after.stdout, after.stdout
        assert (
            "dvc.lock: was cut short"
            in study.run("python", "-m", "stages.check_cache", "missing").stdout
        )
        after = study.run("dvc", "repro")
    assert (
        "Traceback" not in done.stdout + after.stdout
        and trained(after.stdout) == []
        and idle(study)
    )


@pytest.mark.slow
def test_full_disk_of_the_database(study: Project, mounts, tmp_path):
    """The tracker's disk is full: prepare and evaluate go on, and say at the end that MLflow did not take it."""
    place = mounts.small(tmp_path / "tracker", 4)
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow.db'}"}
    study.run("python", "-m", "stages.prepare", **store)
    # Other data: of these the tracker has the run already.
    study.set_params(lambda values: values.update(seed=values["seed"] + 1))
    filler = fill(place)
    done = study.run("python", "-m", "stages.prepare", **store)
    assert "MLflow" in done.stdout and "`make sync` sends" in done.stdout, done.stdout
    assert "Traceback" not in done.stdout, done.stdout
    filler.unlink()
    assert "`make sync` sends" not in study.run("python", "-m", "stages.prepare", **store).stdout
    study.set_params(lambda values: values.update(seed=values["seed"] - 1))
    study.run("python", "-m", "stages.prepare", **store)
    assert idle(study)


def test_read_only_project(study: Project, mounts):
    """A folder that nobody may write to is read, and every stage that would write says so in one line."""
    mounts.read_only(study.folder)
    for stage in (("compare",), ("analyse", FPN), ("prepare",), ("plan",)):
        done = study.run("python", "-m", f"stages.{stage[0]}", *stage[1:], check=False)
        assert done.returncode == 1
        assert "make it writable" in only_line(
            done.stdout, f"{stage[0]}: ", "read-only file system"
        )
    refused = study.run("dvc", "repro", check=False)
    assert refused.returncode and "Traceback" not in refused.stdout
    mounts.end()
    assert idle(study)
