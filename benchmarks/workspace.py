"""A copy of the project in a temporary folder, with other parameters, on the data that is prepared already."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stages.study import yaml_text
from stages.study.params import ROOT

_COPIED = ("stages", "benchmarks", "configs", "params.yaml")
# data/weights itself holds what stage weights writes, in the copy as in the study.
_LINKED = ("prepared", "weights/raw", "cache")


class Workspace:
    """`run` calls a module of the copy as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str) -> str:
        """`python -m ARGUMENTS`; its output. Ends this program with the output's end where it fails."""
        process = self.start(*arguments, output=subprocess.PIPE)
        output, _ = process.communicate()
        if process.returncode:
            sys.exit(f"{' '.join(arguments)} ended with {process.returncode}:\n{output[-3000:]}")
        return output

    def start(self, *arguments: str, output: int | None = None) -> subprocess.Popen:
        """`python -m ARGUMENTS` as a process that goes on; output: where it writes, None: where this program does."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")
        }
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


@contextlib.contextmanager
def workspace(
    change: Callable[[dict[str, Any]], None], prepared: Path = ROOT / "data/prepared"
) -> Iterator[Workspace]:
    """`change` gets the values of params.yaml to edit. `prepared`: another folder with prepared data."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in _COPIED:
            (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, folder / part)
        (folder / "data").mkdir()
        for part in _LINKED:
            target = prepared if part == "prepared" else ROOT / "data" / part
            if target.exists():
                link = folder / "data" / part
                link.parent.mkdir(exist_ok=True)
                link.symlink_to(target.resolve())
        values = yaml_text.loads((folder / "params.yaml").read_text(encoding="utf-8"))
        change(values)
        (folder / "params.yaml").write_text(yaml_text.dumps(values), encoding="utf-8")
        yield Workspace(folder)
