"""What others took of the machine: by hand on written accounts, and of a real process that takes a core."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from stages.cost import measure

on_a_cpu = pytest.mark.skipif(
    torch.cuda.is_available(), reason="neighbours are not counted on a GPU"
)


def account(*ticks: int) -> str:
    return f"cpu  {' '.join(map(str, ticks))}\ncpu0 {' '.join(map(str, ticks))}\nintr 1 2 3\n"


@on_a_cpu
@pytest.mark.parametrize(("own_s", "share"), [(0.0, 0.525), (0.5, 0.275), (1.05, 0.0), (3.0, 0.0)])
def test_by_hand(own_s, share, tmp_path, monkeypatch):
    """200 ticks: 65 were idle, 30 waited for a disk and 105 were busy, of which 100 * own_s are the process's own."""
    monkeypatch.setattr(measure, "_ACCOUNT", tmp_path / "stat")
    monkeypatch.setattr(measure, "os", SimpleNamespace(sysconf={"SC_CLK_TCK": 100}.get))
    clock = iter([7.0, 7.0 + own_s])
    monkeypatch.setattr(measure, "time", SimpleNamespace(process_time=lambda: next(clock)))
    (tmp_path / "stat").write_text(account(1000, 10, 100, 5000, 50, 5, 5, 20, 300, 0))
    counted = measure.Neighbours()
    (tmp_path / "stat").write_text(account(1070, 20, 110, 5065, 80, 10, 10, 25, 370, 10))
    assert counted.share() == pytest.approx(share)


@on_a_cpu
def test_without_an_account_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "_ACCOUNT", tmp_path / "stat")
    assert measure.Neighbours().share() is None
    (tmp_path / "stat").write_text(account(*range(10)))
    assert measure.Neighbours().share() is None
    (tmp_path / "stat").write_text("cpu  many ticks\n")
    assert measure.Neighbours().share() is None


@on_a_cpu
@pytest.mark.skipif(not measure._ACCOUNT.exists(), reason="no /proc/stat")
def test_a_process_that_takes_a_core():
    endless = "print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", endless], stdout=subprocess.PIPE) as busy:
        busy.stdout.readline()
        counted = measure.Neighbours()
        time.sleep(1)
        share = counted.share()
        busy.kill()
    # All of one core, or of what a machine with more to do left it, and then the others took the rest.
    assert 0.8 / os.cpu_count() < share <= 1
