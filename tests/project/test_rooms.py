"""Each stage depends on the code that decides its files, on all of it, and on nothing that only watches."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import torch
import warm_python
from conftest import CELLS, Project, make_project

from stages.study import yaml_text
from stages.study.params import ROOT
from stages.tracking import provenance

FILES = {
    name: yaml_text.loads((ROOT / name).read_text(encoding="utf-8"))
    for name in ("dvc.yaml", "stages/dvc.yaml")
}
STAGES = {
    **FILES["dvc.yaml"]["stages"],
    **{name: stage["do"] for name, stage in FILES["stages/dvc.yaml"]["stages"].items()},
}
# What changes no byte of an out: how a program speaks, stops, writes files and finds its machine.
SYSTEM = ("stages/errors.py", "stages/files.py", "stages/machine.py", "stages/program.py")
# Around a training and its weights: what guards and records it, reads its files again for MLflow, and compares the
# cell's file with params.yaml.
# test_observers_change_no_bit shows that they are observers.
AROUND = (
    "stages/safety",
    "stages/tracking",
    "stages/study",
    "stages/results",
    "stages/model/build.py",
    "stages/model/compose.py",
    "stages/model/resolve.py",
    "stages/model/schedule.py",
)
OBSERVERS = {
    "train": AROUND,
    "weights": (*AROUND, "stages/training"),
    "plan": ("stages/safety", "stages/tracking"),
    # The ops only for the models that are built as a check.
    "compose": ("stages/safety", "stages/model/ops"),
    "prepare": ("stages/tracking", "stages/results"),
    "predict": AROUND,
    "costs": AROUND,
    "analyse": ("stages/tracking", "stages/study", "stages/results"),
}
CELL = next(iter(CELLS))


def within(path: Path, folders: tuple[str, ...] | list[str]) -> bool:
    return any(path == Path(folder) or Path(folder) in path.parents for folder in folders)


def imported(stage: str) -> set[Path]:
    """The files of stages/ with code in them that a stage's program imports, the late imports of functions too."""
    code = """
import ast, importlib.util, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
waiting, done = ["stages." + sys.argv[1]], set()
while waiting:
    name = waiting.pop()
    if name in done:
        continue
    done.add(name)
    importlib.import_module(name)
    tree = ast.parse(Path(sys.modules[name].__file__).read_text(encoding="utf-8"))
    # What only a checker of types imports decides nothing.
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            waiting += [alias.name for alias in node.names if alias.name.startswith("stages.")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "stages" and not node.level:
            waiting.append(node.module)
            for alias in node.names:
                try:
                    found = importlib.util.find_spec(f"{node.module}.{alias.name}")
                except ModuleNotFoundError:
                    continue
                if found:
                    waiting.append(f"{node.module}.{alias.name}")
    waiting += [name for name in list(sys.modules) if name.startswith("stages.")]
print(*[sys.modules[name].__file__ for name in done], sep="\\n")
"""
    python = warm_python.folder() / "python"
    done = subprocess.run(
        [python, "-c", code, stage], cwd=ROOT, capture_output=True, text=True, check=True
    )
    paths = {Path(line).relative_to(ROOT) for line in done.stdout.splitlines()}
    return {path for path in paths if path.name != "__init__.py" or path.stat().st_size > 200}


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_names_what_it_imports_and_nothing_else(stage):
    named = [dep for dep in STAGES[stage]["deps"] if dep.startswith("stages/")]
    modules = imported(stage)
    observers = (*SYSTEM, *OBSERVERS.get(stage, ()))
    assert {
        path for path in modules if not within(path, named) and not within(path, observers)
    } == set()
    assert [
        dep
        for dep in named
        if not any(within(path, [dep]) for path in modules) and dep.endswith(".py")
    ] == []


def test_what_decides_a_training_is_listed_in_two_places_alike():
    named = [dep for dep in STAGES["train"]["deps"] if dep.startswith("stages/")]
    assert set(named) == set(provenance.DECIDING) and "params" not in STAGES["train"]
    # Free of what guards, records and speaks.
    for part in provenance.DECIDING[1:]:
        path = ROOT / part
        files = list(path.rglob("*.py")) if path.is_dir() else [path]
        assert files, f"{part} is empty"
        for file in files:
            text = file.read_text(encoding="utf-8")
            assert (
                not re.search(
                    r"stages\.(safety|tracking|program)\b|^import (signal|logging|fcntl)$",
                    text,
                    re.M,
                )
                or file.parent.name == "ops"
                or file.name == "image_cache.py"
            ), file


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Project, list[str]]:
    """A clone in which stage train has run as under DVC, and the files of it that were opened for reading."""
    project = make_project(tmp_path_factory.mktemp("rooms") / "clone")
    project.run("python", "-m", "stages.prepare")
    project.run("python", "-m", "stages.compose")
    code = f"""
import json, os, sys
root, opened = os.getcwd() + "/", set()
def note(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)) and not (arguments[2] or 0) & os.O_WRONLY:
        opened.add(os.path.abspath(arguments[0]))
sys.addaudithook(note)
from stages import program, train
sys.argv[1:] = [{CELL!r}]
program.run(train.main, "train", "CELL")
with open("opened.json", "w") as file:
    json.dump(sorted(path.removeprefix(root) for path in opened if path.startswith(root)), file)
"""
    project.run("python", "-c", code, DVC_STAGE=f"stages/dvc.yaml:train@{CELL}")
    return project, json.loads((project.folder / "opened.json").read_text(encoding="utf-8"))


def test_the_training_opens_what_it_names(trained):
    _, opened = trained
    row = CELLS[CELL]
    deps = []
    for dep in STAGES["train"]["deps"]:
        dep = dep.replace("${key}", CELL).replace("${item.backbone}", row["backbone"])
        deps.append(dep.replace("${item.neck}", row["neck"]))
    # Images are covered by the digest in train.json and val.json, the other folds' files by folds.json; the second line
    # is read to see that the cell's file is not stale, the third by what records the training.
    beside = (
        "data/prepared/images",
        "data/prepared/folds",
        "params.yaml",
        "configs",
        ".git",
        ".dvc",
        ".work",
        "mlflow.db",
        "mlruns",
        "data/cache",
        "models",
        "metrics",
    )
    others = []
    for path in map(Path, opened):
        known = (*deps, *beside, *SYSTEM, *AROUND)
        if (
            path.is_absolute()
            or within(path, known)
            or "__pycache__" in path.parts
            or path.name == "__init__.py"
            # Python 3.14 looks for the source of code that came from no file.
            or str(path) == "<unknown>"
        ):
            continue
        if not path.name.startswith("mlflow.db"):
            others.append(str(path))
    assert others == []


def test_observers_change_no_bit(trained):
    project, _ = trained
    code = f"""
import sys
from pathlib import Path
import torch
from stages.training import cell_file, processes, runner
cell = cell_file.read(Path("data/cells/{CELL}.py"))
processes.use_threads(cell.training["threads"])
training = runner.assemble(runner.runner_config(cell, Path("alone")), Path("alone/history.csv"))
training.runner.train()
torch.save(training.runner.model.state_dict(), "alone/last.pth")
around = [name for name in sys.modules if name.startswith(("stages.safety", "stages.tracking", "stages.program"))]
assert not around, around
"""
    project.run("python", "-c", code)
    model = project.folder / "models" / CELL
    watched = torch.load(model / "last.pth", weights_only=True)["state_dict"]
    alone = torch.load(project.folder / "alone/last.pth", weights_only=True)
    assert list(watched) == list(alone)
    assert [name for name in alone if not torch.equal(alone[name], watched[name])] == []
    history = project.folder / "metrics/r50/fpn" / CELL / "history.csv"
    assert (project.folder / "alone/history.csv").read_bytes() == history.read_bytes()
