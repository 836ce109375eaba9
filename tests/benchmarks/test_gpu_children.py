"""Measurements on a GPU machine run as processes of their own: time limits, and what a death leaves."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT

from benchmarks.gpu.children import Children, Context
from stages.errors import InputError
from stages.safety.resources import check_gpus
from stages.study import params


@pytest.mark.parametrize(
    "work, seconds, status, reason",
    [
        ("returns", 30, "done", ""),
        ("hangs", 8, "out of time", "not done within 8 s"),
        ("dies", 30, "failed", "ended with 7"),
        ("raises", 30, "failed", "set it to 4"),
        ("needs_cuda", 30, "unsuitable", "needs CUDA: amp"),
        ("is_late", 30, "out of time", "no epoch ended within 5 s"),
        ("crashes", 30, "failed", "ValueError: two lines"),
    ],
)
def test_a_child_ends_with_a_line_whatever_it_does(work, seconds, status, reason, tmp_path):
    outcome = Children("spawn").run(f"gpu_work:{work}", Context(tmp_path, "full", seconds), {})
    assert (outcome.status, reason in outcome.reason) == (status, True)
    assert outcome.values == ({"seconds": 30} if work == "returns" else {})
    if work == "hangs":
        ended(int((tmp_path / "grandchild").read_text(encoding="utf-8")))


def ended(pid: int) -> None:
    """A killed process may be seen a moment longer."""
    for _ in range(50):
        if not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text(
            encoding="utf-8"
        ):
            return
        time.sleep(0.1)
    raise AssertionError(f"{pid} is alive")


def test_a_child_does_not_outlive_a_killed_runner(tmp_path):
    code = (
        "import sys; sys.path.insert(0, 'tests/helpers'); from pathlib import Path\n"
        "from benchmarks.gpu.children import Children, Context\n"
        f"context = Context(Path({str(tmp_path)!r}), 'full', 600)\n"
        "Children('spawn').run('gpu_work:hangs', context, {})"
    )
    runner = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    while not (tmp_path / "grandchild").is_file() or not (tmp_path / "grandchild").read_text(
        encoding="utf-8"
    ):
        assert runner.poll() is None
        time.sleep(0.05)
    runner.kill()
    runner.wait()
    ended(int((tmp_path / "grandchild").read_text(encoding="utf-8")))


@pytest.mark.parametrize("present, refused", [(0, False), (1, True), (2, False), (8, False)])
def test_more_processes_than_gpus_are_refused_in_a_line(present, refused, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: present)
    study = params.load_study()
    scale = dataclasses.replace(study.training, processes=2)
    study = dataclasses.replace(study, scales={**study.scales, study.scale: scale})
    if not refused:
        check_gpus(study)
        return
    with pytest.raises(
        InputError, match=r"^scales.miniature.processes: 2 processes .* has 1; set it to 1$"
    ):
        check_gpus(study)
