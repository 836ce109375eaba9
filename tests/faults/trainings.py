"""Trainings that are killed and started again: a small clone, its fork server, and what a finished cell left."""

from __future__ import annotations

import atexit
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import warm_python
from conftest import CELLS, Project, make_project

R50 = "faster_rcnn-r50-fpn-sgd-512"
# What tells two trainings of the same cell apart.
OWN = ("run_id", "training_id", "started", "finished", "train_minutes", "peak_memory_mib")


def tiny(values: dict) -> None:
    """One cell: 64 pixels, 3 epochs of 4 steps, a validation of 2 batches."""
    values["cells"] = {R50: CELLS[R50]}
    values["data"]["demo_images"] = {"train": 16, "val": 8, "test": 4}
    values["scales"]["miniature"].update(epochs=3, milestones=[2], warmup_iterations=4)


class Trainings:
    """A clone in which the cell is trained by forks of one server."""

    def __init__(self, folder: Path) -> None:
        self.project: Project = make_project(folder)
        self.folder = folder
        self.project.set_params(tiny)
        self.params = (folder / "params.yaml").read_text(encoding="utf-8")
        self.project.run("python", "-m", "stages.prepare")
        self.env = {
            **self.project.env,
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        }
        self.server = subprocess.Popen(
            [warm_python.folder() / "python", "-m", "tests.faults.fork_server"],
            cwd=folder,
            env=self.env,
            text=True,
            bufsize=1,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._answer()
        self.number = 0
        self.results: dict[str, dict[str, Any]] = {}

    def fresh(self, **scale: Any) -> dict[str, Any]:
        """Nothing is trained, and the scale has these keys changed. Gives what a training without a fault leaves."""
        self.change(**scale)
        self.forget()
        key = json.dumps(scale)
        if key not in self.results:
            assert self.train() == 0, self.said
            self.results[key] = self.result()
        return self.results[key]

    def change(self, **scale: Any) -> None:
        """The params of the beginning, but for these keys of the scale."""
        (self.folder / "params.yaml").write_text(self.params, encoding="utf-8")
        self.project.set_params(lambda values: values["scales"]["miniature"].update(scale))

    def forget(self) -> None:
        for path in (".work", "models", "metrics"):
            shutil.rmtree(self.folder / path, ignore_errors=True)

    def start(self, *traps: str, **env: str) -> int:
        """The pid of a training of R50. traps: see fork_server.py."""
        self.number += 1
        (self.folder / "reached").unlink(missing_ok=True)
        self.log.touch()
        return self._ask({"cell": R50, "traps": traps, "log": str(self.log), "env": env})

    def wait(self, pid: int) -> int:
        """Its exit status, 128 + n after signal n."""
        return self._ask({"wait": pid})

    def train(self, *traps: str, **env: str) -> int:
        return self.wait(self.start(*traps, **env))

    def goes_on(self, expected: dict[str, Any]) -> None:
        """Trains to the end, which must be that of a training without a fault."""
        assert self.train() == 0, self.said
        assert_equal(self.result(), expected)

    @property
    def log(self) -> Path:
        return self.folder / f"log-{self.number}"

    @property
    def said(self) -> str:
        """What the last training printed."""
        return self.log.read_text(encoding="utf-8")

    @property
    def scratch(self) -> Path:
        """The one training that is not finished."""
        [found] = [path.parent for path in (self.folder / ".work").glob("*/settings.json")]
        return found

    def reached(self) -> None:
        """Waits until the training has come to a pause."""
        until((self.folder / "reached").exists)

    def states(self) -> list[dict[str, Any]]:
        """What the pointer names, the newest first."""
        return json.loads((self.scratch / "state.json").read_text(encoding="utf-8"))["states"]

    def settings(self) -> dict[str, Any]:
        """What the scratch folder says of its training."""
        return json.loads((self.scratch / "settings.json").read_text(encoding="utf-8"))

    def result(self) -> dict[str, Any]:
        """All that a finished cell left, but for what is its own. The outs are taken away, as DVC does."""
        model, record = self.folder / "models" / R50, self.folder / "metrics/r50/fpn" / R50
        run = json.loads((record / "run.json").read_text(encoding="utf-8"))
        found = {
            "history": (record / "history.csv").read_bytes(),
            "config": (model / "config.py").read_bytes(),
            "run": {key: value for key, value in run.items() if key not in OWN},
            "training_id": run["training_id"],
            **{
                name: torch.load(model / f"{name}.pth", weights_only=True)
                for name in ("best", "last")
            },
        }
        for path in (*model.iterdir(), *record.iterdir()):
            path.unlink()
        return found

    def close(self) -> None:
        self.server.stdin.close()
        self.server.wait(30)

    def _ask(self, request: dict) -> Any:
        print(json.dumps(request), file=self.server.stdin)
        return self._answer()

    def _answer(self) -> Any:
        line = self.server.stdout.readline()
        assert line, "the fork server ended"
        return json.loads(line)


_shared: list[Trainings] = []


@pytest.fixture(scope="session", name="trainings")
def shared_trainings(tmp_path_factory) -> Trainings:
    """One for all files of this folder: its start takes longer than most of what is done with it."""
    if not _shared:
        _shared.append(Trainings(tmp_path_factory.mktemp("trainings") / "clone"))
        atexit.register(_shared[0].close)
    return _shared[0]


def until(condition: Callable[[], Any], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    done = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in done.stdout.split()]


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Bit for bit."""
    for key in ("history", "config", "run"):
        assert found[key] == expected[key], key
    for key in ("best", "last"):
        assert found[key]["meta"] == expected[key]["meta"]
        ours, theirs = found[key]["state_dict"], expected[key]["state_dict"]
        assert list(ours) == list(theirs)
        different = [name for name in ours if not torch.equal(ours[name], theirs[name])]
        assert not different, (
            f"{key}.pth: {len(different)} of {len(ours)} tensors differ, {different[0]}"
        )
