"""The whole way of the GPU measurements on a CPU: pack, bare environment, the list in miniature, a
kill, the page."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from benchmarks.gpu import lines
from benchmarks.gpu.parts import MMDETECTION, MODELS, PROJECT, parts
from benchmarks.gpu.wheels import PYTHON, THERE

pytestmark = pytest.mark.slow

# The versions of requirements.txt; all others may be any.
PINNED = ("torch", "torchvision")
MINUTES = 9


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    """The interpreter of an environment that holds what is on the GPU machine and nothing else."""
    uv = Path(sys.executable).parent / "uv"
    folder = tmp_path_factory.mktemp("bare") / "environment"
    made = subprocess.run(
        [uv, "venv", "--quiet", "--seed", "--no-python-downloads", "--python", python(), folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no Python {PYTHON} is at hand: {made.stderr.strip()}")
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [pin for pin in pins if pin.partition("==")[0] in PINNED]
    wanted += [name for name in THERE if name not in PINNED]
    installed = subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", folder / "bin/python", *wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode:
        pytest.skip(f"no index of packages is at hand: {installed.stderr.strip()[-300:]}")
    return folder / "bin/python"


def python() -> str:
    """An interpreter of the version; pyenv has several beside each other, and uv knows the active
    one alone."""
    folders = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{PYTHON}.*"))
    return str(folders[-1] / "bin/python") if folders else PYTHON


@pytest.fixture(scope="module")
def packed(taco, shared, tmp_path_factory) -> Path:
    """The pack of this checkout, made by the one command and carried to another folder."""
    done = subprocess.run(
        ["make", "gpu-pack", f"DATA={taco}", f"WEIGHTS={shared / 'weights'}"],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " MiB (wheels " in done.stdout
    folder = tmp_path_factory.mktemp("carried") / "gpu-pack"
    shutil.copytree(ROOT / "gpu-pack", folder)
    return folder


def start(packed: Path, interpreter: Path, out: Path) -> subprocess.Popen:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))
    }
    return subprocess.Popen(
        [
            "bash",
            packed / "run.sh",
            "--out",
            out,
            "--minutes",
            str(MINUTES),
            "--scale",
            "miniature",
        ],
        cwd=packed.parent,
        env={**environment, "PYTHON": str(interpreter)},
        text=True,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_the_whole_list_in_miniature(packed, bare, tmp_path):
    size = sum(path.stat().st_size for path in packed.rglob("*") if path.is_file())
    assert size < 60 * 2**20
    out = tmp_path / "out"
    begun = time.monotonic()
    output, _ = start(packed, bare, out).communicate(timeout=60 * MINUTES + 30)
    assert time.monotonic() - begun < 600
    entries = lines.read(out)
    assert [entry["kind"] for entry in entries[:2]] == ["start", "ready"] and entries[-1][
        "kind"
    ] == "end", output
    assert entries[0]["pack"]["photographs"]["train"]["images"] == 300
    assert not {"mlflow", "dvc"} & set(entries[1]["versions"])
    measured = {
        (entry["part"], entry["name"]): entry for entry in entries if entry["kind"] == "measured"
    }
    assert set(measured) == {
        (part.name, work.name) for part in parts("miniature") for work in part.work
    }
    for entry in measured.values():
        if entry["status"] == "unsuitable":
            assert entry["reason"].startswith("needs CUDA"), entry
        # A machine that is busy with other things may cut the list, but nothing fails.
        assert entry["status"] in ("done", "unsuitable", "out of time", "left out"), entry
    sides = [f"{MODELS[0].name}, {side}" for side in (MMDETECTION, PROJECT)]
    assert all(measured["throughput", side]["values"]["images_s"] > 0 for side in sides)
    page = tmp_path / "page.md"
    report = [sys.executable, "-m", "benchmarks.gpu_report", str(out)]
    subprocess.run([*report, "--page", str(page)], cwd=ROOT, check=True)
    assert "none of these numbers is a GPU's" in page.read_text(encoding="utf-8")
    assert subprocess.run(report, cwd=ROOT, check=False, capture_output=True).returncode == 1
    resumed = measured["resumed", "killed and resumed"]
    if resumed["status"] == "done" and measured["resumed", "straight"]["status"] == "done":
        assert resumed["values"]["equal"] is True


def test_a_kill_in_the_middle_keeps_the_lines(packed, bare, tmp_path):
    out = tmp_path / "out"
    process = start(packed, bare, out)
    try:
        while True:
            assert process.poll() is None
            text = (
                (out / lines.JSON).read_text(encoding="utf-8")
                if (out / lines.JSON).is_file()
                else ""
            )
            if '"kind": "measured"' in text:
                break
            time.sleep(0.2)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    kinds = [entry["kind"] for entry in lines.read(out)]
    assert kinds[:4] == ["start", "ready", "part", "measured"]
    assert "- faster_rcnn-r50-fpn-sgd-512, " in (out / lines.MARKDOWN).read_text(encoding="utf-8")
