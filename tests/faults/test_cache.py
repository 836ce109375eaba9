"""DVC's cache loses files, decays or cannot be written; finished cells stay, or what is lost is made again."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from conftest import Project, trained
from finished import BEST, CELLS, FPN, IDLE, flip, in_cache, only_line

pytest_plugins = "finished"

REPRO = ("dvc", "repro")


def check(study: Project, what: str) -> str:
    return study.run("python", "-m", "stages.check_cache", what).stdout


def ran(output: str) -> list[str]:
    """The stages that a repro ran, those restored from the run cache left out."""
    return [
        line.split("'")[1].rpartition(":")[2]
        for line in output.splitlines()
        if line.startswith("Running stage")
    ]


@pytest.mark.parametrize(
    "lost",
    [
        [BEST],
        pytest.param(
            [f"predictions/r50/fpn/{FPN}/val.json", "reports/compare.csv"], marks=pytest.mark.slow
        ),
    ],
    ids=["checkpoint", "smaller files"],
)
def test_deleted_cache_file(lost, study: Project):
    """By itself DVC trains a cell again whose checkpoint is there and only its copy in the cache is not."""
    copies = [in_cache(study, path) for path in lost]
    for copy in copies:
        copy.unlink()
    before = {path: (study.folder / path).read_bytes() for path in lost}
    assert "put back" in check(study, "missing")
    assert all(copy.is_file() for copy in copies)
    assert IDLE in study.run(*REPRO).stdout
    assert {path: (study.folder / path).read_bytes() for path in lost} == before


def test_whole_cache_deleted(study: Project):
    shutil.rmtree(study.folder / ".dvc/cache")
    said = check(study, "missing")
    for name in CELLS:
        for stage in ("train", "predict", "analyse"):
            assert f"stages/dvc.yaml:{stage}@{name}: its results had gone" in said
    assert IDLE in study.run(*REPRO).stdout


@pytest.mark.slow
def test_what_was_edited_is_not_put_back(study: Project):
    """A result that is not the one of dvc.lock must not pass for it."""
    copy = in_cache(study, "reports/compare.csv")
    copy.unlink()
    edited = study.folder / "reports/compare.csv"
    edited.unlink()
    edited.write_text("cell\nmine\n", encoding="utf-8")
    lock = (study.folder / "dvc.lock").read_text(encoding="utf-8")
    assert "put back" not in check(study, "missing")
    assert (study.folder / "dvc.lock").read_text(encoding="utf-8") == lock and not copy.exists()
    assert ran(study.run(*REPRO).stdout) == ["compare"] and copy.exists()


def test_decayed_checkpoint_is_noticed(study: Project):
    """Neither DVC nor torch look at the content again, and a cell would be judged by broken weights."""
    flip(study.folder / BEST)
    done = study.run(
        "dvc", "repro", "--single-item", "--force", f"stages/dvc.yaml:predict@{FPN}", check=False
    )
    assert done.returncode
    line = only_line(done.stdout, f"predict: {BEST}: is damaged")
    assert "python -m stages.check_cache all" in line


@pytest.mark.slow
def test_decayed_cache_file_is_made_again(study: Project):
    copy, content = in_cache(study, BEST), (study.folder / BEST).read_bytes()
    flip(copy)
    assert copy.samefile(study.folder / BEST)
    # DVC runs nothing, and hands out the damaged one.
    assert trained(study.run(*REPRO).stdout) == [] and (study.folder / BEST).read_bytes() != content
    said = check(study, "all")
    assert (
        only_line(said, f"check_cache: {copy}: damaged, removed")
        and f"{BEST}: the same damaged file" in said
    )
    assert trained(study.run(*REPRO).stdout) == [FPN]
    assert hashlib.md5(content).hexdigest() == copy.parent.name + copy.name
    assert (study.folder / BEST).read_bytes() == content == copy.read_bytes()
    assert IDLE in study.run(*REPRO).stdout


@pytest.mark.slow
def test_decayed_small_results_are_made_again(study: Project):
    """As above, without a training: the report, and a file inside of a folder."""
    paths = ["reports/report.md", "reports/curves/train_loss.csv"]
    content = [(study.folder / path).read_bytes() for path in paths]
    # DVC links the files of a folder to its cache at times and copies them at others; a copy does not decay with it.
    linked = [path for path in paths if (study.folder / path).samefile(in_cache(study, path))]
    assert paths[0] in linked
    for path in paths:
        flip(in_cache(study, path))
    check(study, "all")
    assert [path for path in paths if not (study.folder / path).exists()] == linked
    assert ran(study.run(*REPRO).stdout) == ["compare"]
    assert [(study.folder / path).read_bytes() for path in paths] == content


def test_a_whole_cache_is_left_as_it_is(study: Project):
    before = {path: path.stat().st_mtime_ns for path in cached(study)}
    assert check(study, "all").strip() == ""
    assert {path: path.stat().st_mtime_ns for path in cached(study)} == before


def cached(study: Project) -> list[Path]:
    return [path for path in (study.folder / ".dvc/cache/files").rglob("*") if path.is_file()]


def test_read_only_cache(study: Project, mounts):
    """What is finished is read; what is new says that it cannot be kept, and comes when it can."""
    mounts.read_only(study.folder / ".dvc/cache")
    assert IDLE in study.run(*REPRO).stdout
    study.set_params(lambda values: values["verdicts"].update(replicates=101))
    refused = study.run(*REPRO, check=False)
    assert (
        refused.returncode
        and "Read-only file system" in refused.stdout
        and "Traceback" not in refused.stdout
    )
    mounts.end()
    assert trained(study.run(*REPRO).stdout) == []
    assert IDLE in study.run(*REPRO).stdout
