"""What dvc.yaml and stages/dvc.yaml must never do, and what they must always name."""

from __future__ import annotations

import re
import tomllib

import pytest

from stages.data import catalogue
from stages.study import params, paths, yaml_text
from stages.study.params import ROOT

FILES = {
    name: yaml_text.loads((ROOT / name).read_text(encoding="utf-8"))
    for name in ("dvc.yaml", "stages/dvc.yaml")
}
STAGES = {
    **FILES["dvc.yaml"]["stages"],
    **{name: stage["do"] for name, stage in FILES["stages/dvc.yaml"]["stages"].items()},
}


def keys(value):
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys(item)


def test_nothing_switches_the_run_cache_off():
    # Measured: `cache: false` on any out, or `persist: true`, and DVC no longer restores the stage from its run cache.
    for name in FILES:
        assert not re.search(
            r"cache:\s*false|persist:\s*true", (ROOT / name).read_text(encoding="utf-8")
        )


def test_no_parameter_has_a_name_that_the_run_cache_ignores():
    # DVC leaves parameters called size or nfiles out of the key, at any depth: dvc issue 10296.
    values = yaml_text.loads((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert not {"size", "nfiles"} & set(keys(values))


def test_the_files_of_a_cell_lie_where_the_graph_says():
    study = params.load_study()
    stages = FILES["stages/dvc.yaml"]["stages"]
    train, predict, analyse = (stages[name]["do"] for name in ("train", "predict", "analyse"))
    assert study.cells
    for name, cell in study.cells.items():

        def filled(entries, name=name, cell=cell):
            return {
                entry.replace("${key}", name)
                .replace("${item.backbone}", cell.backbone)
                .replace("${item.neck}", cell.neck)
                for entry in entries
            }

        assert filled(train["outs"]) == {
            str(path)
            for path in (
                *(paths.model(name) / file for file in ("config.py", "best.pth", "last.pth")),
                paths.record(name, cell) / "run.json",
                paths.record(name, cell) / "history.csv",
            )
        }
        assert filled(predict["outs"]) == {
            str(paths.predicted(name, cell)),
            *(str(paths.predictions(name, cell, split)) for split in ("val", "test")),
        }
        assert filled(analyse["outs"]) == {
            str(path(name, cell))
            for path in (paths.metrics, paths.details, paths.per_class, paths.submission)
        }
    assert FILES["dvc.yaml"]["stages"]["costs"]["outs"] == [str(paths.COSTS)]


def test_the_page_of_data_checks_is_the_catalogue():
    assert (ROOT / "docs/data-checks.md").read_text(encoding="utf-8") == catalogue.as_markdown()


@pytest.mark.parametrize("page", ["README.md", "docs/own-data.md"])
def test_the_number_of_checks_is_that_of_the_catalogue(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert re.findall(r"(\d+) checks", text) == [str(len(catalogue.CHECKS))]


def test_no_committed_file_names_a_machine_or_a_registry():
    pinned = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "://" not in pinned
    lines = [line for line in pinned.splitlines() if line and not line.startswith("#")]
    assert len(lines) > 20
    assert all(re.match(r"[A-Za-z0-9_.\[\]-]+==[^ ]+", line) for line in lines)


def test_opencv_needs_no_library_of_an_x_server():
    # Both would install the same files, and opencv-python cannot be imported where libxcb is missing.
    pins = dict(
        re.findall(
            r"^([\w-]+)==([\w.]+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M
        )
    )
    assert "opencv-python-headless" in pins
    assert "opencv-python" not in pins
    uv = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]
    # Or mmcv-lite would bring it back when requirements.txt is installed.
    assert "opencv-python" in uv["exclude-dependencies"]


def test_the_makefile_takes_the_pythons_of_pyproject():
    required = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "requires-python"
    ]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    first, end = re.search(r"\(3, (\d+)\) <= sys.version_info < \(3, (\d+)\)", makefile).groups()
    assert required == f">=3.{first},<3.{end}"
