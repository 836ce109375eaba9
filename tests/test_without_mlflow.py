"""A training on a machine that has neither MLflow nor DVC, and what becomes of it on one that
has."""

from __future__ import annotations

import json

from conftest import CELLS

CELL = next(iter(CELLS))
# A module that is None cannot be imported, as if it were not installed.
BARE = """
import runpy, sys
sys.modules.update(mlflow=None, dvc=None)
sys.argv[:] = sys.argv[1:]
runpy.run_module(f"stages.{sys.argv[0]}", run_name="__main__", alter_sys=False)
"""


def test_a_training_without_mlflow_is_whole_on_disk_and_is_sent_later(project):
    def bare(*arguments: str, check: bool = True) -> str:
        return project.run("python", "-c", BARE, *arguments, check=check).stdout

    assert bare("prepare").count("tracking is off") == 1
    assert bare("train", CELL).count("tracking is off") == 1
    record = project.folder / "metrics/r50/fpn" / CELL
    rows = (record / "history.csv").read_text(encoding="utf-8").splitlines()
    found = json.loads((record / "run.json").read_text(encoding="utf-8"))
    assert len(rows) == 1 + found["iterations"] and found["run_id"] is None
    assert {path.name for path in (project.folder / "models" / CELL).iterdir()} == {
        "config.py",
        "best.pth",
        "last.pth",
    }
    assert not (project.folder / "mlflow.db").exists()
    refused = bare("sync", check=False)
    assert "sync: MLflow is not installed here" in refused and "Traceback" not in refused

    sent = project.run("python", "-m", "stages.sync").stdout
    assert f"{CELL}: created" in sent
    assert "complete" in project.run("python", "-m", "stages.sync").stdout
