"""What the project's messages say to type, typed: each brings back what was lost."""

from __future__ import annotations

import json
import re

import pytest
from conftest import Project
from finished import FPN

pytest_plugins = "finished"

SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("command", "lost"),
    [
        ("dvc checkout", f"models/{FPN}/best.pth"),
        ("dvc checkout --force", f"metrics/r50/fpn/{FPN}/history.csv"),
        ("dvc repro compose", f"data/cells/{FPN}.py"),
        ("dvc repro prepare", "data/prepared/val.json"),
        pytest.param("dvc repro --force prepare", "data/prepared/val.json", marks=SLOW),
        ("dvc repro stages/dvc.yaml:train@r50-fpn", f"models/{FPN}/config.py"),
        pytest.param(
            "dvc repro --force stages/dvc.yaml:train@r50-fpn", f"models/{FPN}/config.py", marks=SLOW
        ),
        ("dvc repro stages/dvc.yaml:predict@r50-fpn", f"predictions/r50/fpn/{FPN}/val.json"),
        pytest.param(
            "dvc repro -f stages/dvc.yaml:predict@r50-fpn",
            f"predictions/r50/fpn/{FPN}/val.json",
            marks=SLOW,
        ),
        ("dvc repro stages/dvc.yaml:analyse@r50-fpn", f"metrics/r50/fpn/{FPN}.json"),
        ("dvc repro costs", "costs/costs.json"),
        ("dvc repro --force --single-item compare", "reports/index.html"),
        ("python -m stages.prepare", "data/prepared/val.json"),
        ("python -m stages.compose", f"data/cells/{FPN}.py"),
        ("python -m stages.weights r50-fpn", "data/weights/r50-fpn.safetensors"),
        pytest.param("python -m stages.train r50-fpn", f"models/{FPN}/config.py", marks=SLOW),
        ("python -m stages.check_cache all", None),
        ("python -m stages.data.catalogue", None),
    ],
)
def test_commands_of_dvc_and_of_stages(command, lost, study: Project):
    if lost:
        (study.folder / lost).unlink()
    study.run(*command.split())
    assert lost is None or (study.folder / lost).is_file()


def test_commands_of_make(study: Project, make):
    run = json.loads(
        (study.folder / f"metrics/r50/fpn/{FPN}/run.json").read_text(encoding="utf-8")
    )["run_id"]
    lost = study.folder / f"mlruns/detection-matrix/{run}/artifacts/config.py"
    lost.unlink()
    assert f"{FPN}: 1 file sent" in make("sync").stdout and lost.is_file()
    make("set-up")
    make("prune")
    assert "nothing to accept" in make("accept").stdout
    (study.folder / "costs/costs.json").unlink()
    make("costs")
    assert (study.folder / "costs/costs.json").is_file()
    usage = make("data-check", check=False).stdout
    example = re.search(r"data-check: which folder\? make data-check ROOT=(\S+)", usage)[1]
    refused = make("data-check", f"ROOT={example}", check=False)
    assert refused.returncode and "no such folder" in refused.stdout
    refused = make("data-check", f"ROOT={example}", "POLICY=image_missing=drop", check=False)
    assert refused.returncode and "no such folder" in refused.stdout
