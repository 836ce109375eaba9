"""A cell that fails: the others finish, the report says which one is missing, and only that one runs again."""

from __future__ import annotations

import json

import pytest
from conftest import Project, trained
from finished import CELLS, FPN, IDLE, PAFPN, only_line

pytest_plugins = "finished"

BAD = "r50-bad"


def spoil(study: Project) -> None:
    """A row whose loss explodes, the largest and so the first, and another one that has to be trained."""

    def change(values):
        values["cells"] = {
            BAD: {**CELLS[FPN], "image_size": 768, "lr": 1e9},
            FPN: CELLS[FPN],
            PAFPN: {**CELLS[PAFPN], "lr": 0.03},
        }

    study.set_params(change)


def mend(study: Project) -> None:
    study.set_params(lambda values: values["cells"][BAD].update(lr=0.04))


def holes(study: Project) -> tuple[int, int]:
    summary = json.loads((study.folder / "reports/summary.json").read_text(encoding="utf-8"))
    return summary["cells"], summary["holes"]


def test_make_repro_with_a_failing_cell(study: Project, make):
    spoil(study)
    done = make("repro", "JOBS=1", check=False)
    assert done.returncode and "Traceback" not in done.stdout
    assert trained(done.stdout) == [BAD, PAFPN]
    assert f"cells.{BAD}.lr" in only_line(done.stdout, f"train: {BAD}: the loss is")
    assert f"failed: {BAD}." in only_line(done.stdout, "repro: failed")
    # Nobody evaluates what was not trained, and the other cell is evaluated all the same.
    assert f"analyse: {PAFPN}: " in done.stdout
    assert f"Running stage 'stages/dvc.yaml:predict@{BAD}'" not in done.stdout
    assert holes(study) == (2, 1)
    for page in ("reports/index.html", "reports/report.md"):
        assert BAD in (study.folder / page).read_text(encoding="utf-8")
    mend(study)
    mended = make("repro", "JOBS=1")
    assert trained(mended.stdout) == [BAD] and holes(study) == (3, 0)
    assert IDLE in study.run("dvc", "repro").stdout


@pytest.mark.slow
def test_plain_dvc_with_a_failing_cell(study: Project):
    """The same by hand: dvc repro --keep-going skips the report, which one more command writes."""
    spoil(study)
    study.set_params(lambda values: values["cells"].update({PAFPN: CELLS[PAFPN]}))
    done = study.run("dvc", "repro", "--keep-going", check=False)
    assert done.returncode and trained(done.stdout) == [BAD]
    assert f"train@{BAD}" in only_line(done.stdout, "ERROR: failed to reproduce")
    report = study.run("dvc", "repro", "--single-item", "compare")
    assert f"{BAD} is left out" in report.stdout and holes(study) == (2, 1)
    # Again, with nothing mended: this cell alone, and the same end.
    again = study.run("dvc", "repro", check=False)
    assert again.returncode and trained(again.stdout) == [BAD] and holes(study) == (2, 1)
