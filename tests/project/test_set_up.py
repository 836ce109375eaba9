"""What make says of an environment that was moved with its folder, and that make -n runs nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from stages.errors import InputError
from stages.set_up import check_moved
from stages.study.params import ROOT


def test_an_environment_that_was_moved_is_named_with_the_remedy(tmp_path):
    script = tmp_path / "bin" / "dvc"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\n")
    check_moved(tmp_path)
    script.write_text("#!/gone/clone/.venv/bin/python\n")
    with pytest.raises(InputError, match=r"was made as /gone/clone/\.venv, .* make clean"):
        check_moved(tmp_path)


def test_make_clean_takes_the_environment_away(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / "models").mkdir()
    subprocess.run(["make", "clean"], cwd=tmp_path, capture_output=True, check=True)
    assert not (tmp_path / ".venv").exists() and (tmp_path / "models").is_dir()


def test_a_dry_run_of_make_runs_nothing():
    """GNU make runs each line of a recipe that names $(MAKE), also under -n: it would train the study."""
    recipes = [line for line in (ROOT / "Makefile").read_text().splitlines() if line[:1] == "\t"]
    assert recipes and not [line for line in recipes if "$(MAKE)" in line or "${MAKE}" in line]
    done = subprocess.run(
        ["make", "-n", "repro"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "dvc --wait-for-lock repro" in done.stdout and "Running stage" not in done.stdout
