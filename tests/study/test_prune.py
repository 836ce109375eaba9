"""What removed rows leave behind: plan names it, prune deletes it where DVC's cache has it, and nothing else."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys

import pytest
from made_matrix import R50, R101, row, write_cell, write_truth

from stages import prune
from stages.study import paths
from stages.study.paths import leftovers, leftovers_line

ROWS = {R50: row("r50"), R101: row("r101")}


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """Two cells with all their files, in a folder that DVC knows; files of a person's own beside them."""
    monkeypatch.chdir(tmp_path)
    for split in ("val", "test"):
        write_truth(tmp_path, split)
    for name, cell in ROWS.items():
        write_cell(tmp_path, name, cell)
        for file in (
            paths.model(name) / "config.py",
            paths.model(name) / "best.pth",
            paths.weights(name),
            paths.submission(name, cell),
        ):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{file} of {name}")
    for own in (
        f"models/{R101}/notes.txt",
        "models/mine/model.onnx",
        f"metrics/r101/fpn/{R101}/plot.png",
    ):
        (tmp_path / own).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / own).write_text("mine")
    return tmp_path


@pytest.fixture
def cache(finished):
    """DVC's cache, which holds all that the stages wrote."""
    folder = finished / ".dvc/cache/files/md5"
    subprocess.run(
        [sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm"], cwd=finished, check=True
    )
    for files in leftovers({}, finished).values():
        for path in files:
            digest = prune.md5(path)
            (folder / digest[:2]).mkdir(parents=True, exist_ok=True)
            (folder / digest[:2] / digest[2:]).write_bytes(path.read_bytes())
    return folder


def of_study(monkeypatch, rows) -> None:
    study = dataclasses.replace(prune.params.load_study(), cells=rows)
    monkeypatch.setattr(prune.params, "load_study", lambda: study)


def files(folder) -> set[str]:
    return {
        str(path.relative_to(folder))
        for top in ("models", "metrics", "predictions", "data/weights")
        for path in (folder / top).rglob("*")
        if path.is_file()
    }


def test_nothing_is_left_behind_by_rows_that_are_there(finished, caplog, monkeypatch):
    assert leftovers(ROWS, finished) == {} and leftovers_line({}, ROWS) == ""
    before = files(finished)
    of_study(monkeypatch, ROWS)
    caplog.set_level(logging.INFO)
    prune.main()
    assert "nothing to delete" in caplog.text and files(finished) == before


def test_plan_names_the_rows_that_are_gone(finished):
    rows = {R50: ROWS[R50]}
    assert leftovers_line(leftovers(rows, finished), rows) == (
        f"params.yaml no longer has {R101}; files that were left behind are in data/weights/, metrics/, "
        "models/, predictions/: `make prune` deletes them, and DVC's cache keeps them for a row that comes back"
    )


def test_a_row_that_is_gone_leaves_no_file_and_the_others_all(finished, cache, caplog, monkeypatch):
    before = files(finished)
    of_study(monkeypatch, {R50: ROWS[R50]})
    caplog.set_level(logging.INFO)
    prune.main()
    left = files(finished)
    mine = {
        f"models/{R101}/notes.txt",
        "models/mine/model.onnx",
        f"metrics/r101/fpn/{R101}/plot.png",
    }
    assert {path for path in left if R101 in path} == mine - {
        "models/mine/model.onnx"
    } and mine <= left
    assert {path for path in before if R50 in path} <= left
    # It was said, file by file, before.
    assert all(path in caplog.text for path in before - left)
    assert not (finished / "predictions/r101").exists() and (finished / "predictions").is_dir()


def test_what_the_cache_lacks_or_has_damaged_stays(finished, cache, caplog, monkeypatch):
    model, run = paths.model(R101) / "best.pth", paths.record(R101, ROWS[R101]) / "run.json"
    digests = [prune.md5(path) for path in (model, run)]
    (cache / digests[0][:2] / digests[0][2:]).unlink()
    (cache / digests[1][:2] / digests[1][2:]).write_text("damaged")
    of_study(monkeypatch, {R50: ROWS[R50]})
    prune.main()
    assert model.is_file() and run.is_file()
    assert not (paths.model(R101) / "config.py").exists()
    assert f"{model}: stays, because DVC's cache does not hold it" in caplog.text


def test_files_of_an_earlier_backbone_of_a_row_are_left_behind(finished):
    rows = {**ROWS, R101: row("x101")}
    assert set(leftovers(rows, finished)) == {R101}
    folders = {path.parts[:2] for path in leftovers(rows, finished)[R101]}
    assert folders == {("metrics", "r101"), ("predictions", "r101")}


def test_files_where_they_lay_before_are_left_behind_and_no_row_is_called_gone(finished):
    predictions = finished / f"predictions/{R50}/val.json"
    predictions.parent.mkdir()
    weights = finished / "data/weights/r101.safetensors"
    for old in (predictions, weights):
        old.write_text("[]")
    found = leftovers(ROWS, finished)
    assert found == {
        R50: [predictions.relative_to(finished)],
        "r101": [weights.relative_to(finished)],
    }
    line = leftovers_line(found, ROWS)
    assert line.startswith(
        f"the files of {R50}, r101 have another place now; files that were left "
    )
    assert "no longer" not in line
