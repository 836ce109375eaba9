"""docs/what-runs-again.md, asked of DVC: what each edit makes stale in a finished study."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CELLS, Project, make_project

from stages.study import yaml_text

R50, SWIN, PAFPN = CELLS
NEW = "faster_rcnn-r50-fpn-sgd-1024"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Project:
    """A study as DVC sees it when all has run: what takes long was not run, its files were written by hand."""
    project = make_project(tmp_path_factory.mktemp("again") / "clone")
    project.run("dvc", "repro", "compose")
    stages = yaml_text.loads((project.folder / "stages/dvc.yaml").read_text(encoding="utf-8"))[
        "stages"
    ]
    own = yaml_text.loads((project.folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    outs = []
    for name, row in CELLS.items():
        for stage in stages.values():
            for out in stage["do"]["outs"]:
                out = out.replace("${key}", name).replace("${item.backbone}", row["backbone"])
                outs.append(out.replace("${item.neck}", row["neck"]))
    for stage in own.values():
        for out in (*stage.get("outs", ()), *stage.get("metrics", ())):
            outs.append(out if isinstance(out, str) else next(iter(out)))
    for out in outs:
        path = project.folder / out
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}", encoding="utf-8")
    project.run("dvc", "commit", "--force")
    assert project.run("dvc", "status", "--json").stdout.strip() == "{}"
    return project


@pytest.fixture
def study(finished: Project, tmp_path: Path) -> Project:
    """A copy to edit."""
    subprocess.run(["cp", "-a", finished.folder, tmp_path / "clone"], check=True)
    return Project(tmp_path / "clone")


def stale(project: Project) -> set[str]:
    """The stages of cells that would run once the cells' files are written: "train@..." and so on."""
    project.run("dvc", "repro", "compose")
    status = json.loads(project.run("dvc", "status", "--json").stdout.splitlines()[-1] or "{}")
    return {
        stage.removeprefix("stages/dvc.yaml:") for stage in status if stage.startswith("stages/")
    }


def trainings(project: Project) -> set[str]:
    """The cells that would be trained."""
    return {stage.removeprefix("train@") for stage in stale(project) if stage.startswith("train@")}


def append(*paths: str) -> Callable[[Project], None]:
    def edit(project: Project) -> None:
        for name in paths:
            path = project.folder / name
            path.write_text(path.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")

    return edit


def scale(**keys: object) -> Callable[[Project], None]:
    return lambda project: project.set_params(
        lambda values: values["scales"]["miniature"].update(keys)
    )


def row(name: str, **keys: object) -> Callable[[Project], None]:
    return lambda project: project.set_params(
        lambda values: values["cells"].setdefault(name, {}).update(keys)
    )


def add_fragments(project: Project) -> None:
    for part, source in (
        ("backbones", "r50"),
        ("necks", "fpn"),
        ("detectors", "faster_rcnn"),
        ("optimizers", "sgd"),
    ):
        shutil.copy2(
            project.folder / f"configs/{part}/{source}.py",
            project.folder / f"configs/{part}/mine.py",
        )


def test_what_trains_nothing(study: Project):
    """All at once: a new fragment of each kind; code that shows, judges, tracks, guards or measures; tests and docs;
    loader processes, the image cache, how often is logged; hypotheses and verdicts."""
    add_fragments(study)
    stages = study.folder / "stages"
    rooms = (
        "report",
        "verdict",
        "tracking",
        "safety",
        "comparison",
        "pretrained",
        "study",
        "data",
        "acceptance",
    )
    watching = []
    for room in rooms:
        for path in sorted((stages / room).rglob("*.py")):
            if path.name not in ("metrics.py", "__init__.py"):
                watching.append(str(path.relative_to(study.folder)))
    programs = [
        f"stages/{name}.py"
        for name in (
            "compare",
            "plan",
            "fit",
            "sync",
            "program",
            "files",
            "machine",
            "errors",
            "jobs",
            "accept",
            "compose",
            "weights",
        )
    ]
    append(*watching, *programs, "tests/conftest.py", "README.md", "docs/promises.md", "Makefile")(
        study
    )
    (study.folder / "configs/runtime.py").write_text(
        (study.folder / "configs/runtime.py").read_text(encoding="utf-8")
        + "default_hooks['logger'] = dict(type='LoggerHook', interval=7)\n",
        encoding="utf-8",
    )
    scale(workers=2, image_cache=False)(study)

    def judge(values: dict) -> None:
        values["hypotheses"] = values["hypotheses"][:1]
        values["verdicts"]["replicates"] = 500
        values["scales"]["full"]["epochs"] = 20

    study.set_params(judge)
    assert trainings(study) == set()


def relabel(project: Project) -> None:
    path = project.folder / "data/prepared/train.json"
    content = path.read_text(encoding="utf-8")
    # The file is a second name of one in DVC's cache.
    path.unlink()
    path.write_text(content + " ", encoding="utf-8")


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (row(NEW, **{**CELLS[R50], "image_size": 1024}), {NEW}),
        (row(SWIN, lr=0.03), {SWIN}),
        (row(R50, lr=None), set()),
        (row(PAFPN, seed=7), {PAFPN}),
        (scale(lr={"sgd": 0.04, "adamw": 0.0016}), {R50, SWIN}),
        (scale(epochs=3), set(CELLS)),
        (lambda project: project.set_params(lambda values: values.update(seed=1)), set(CELLS)),
        (append("configs/backbones/r50.py"), set()),
        (
            lambda project: (project.folder / "configs/necks/pafpn.py").write_text(
                "model = dict(neck=dict(type='PAFPN', num_outs=5, start_level=0))\n",
                encoding="utf-8",
            ),
            {PAFPN},
        ),
        (append("stages/training/order.py"), set(CELLS)),
        (append("stages/scoring/engine.py"), set(CELLS)),
    ],
    ids=[
        "a row",
        "a row's rate",
        "a key that is null",
        "a row's seed",
        "an optimizer's rate",
        "the scale's epochs",
        "the study's seed",
        "a comment in a fragment",
        "a key of a neck",
        "the loop",
        "the scoring",
    ],
)
def test_what_trains_its_cells_alone(study: Project, edit, expected):
    edit(study)
    assert trainings(study) == expected


def test_a_label_trains_all(study: Project):
    relabel(study)
    status = json.loads(study.run("dvc", "status", "--json").stdout.splitlines()[-1])
    assert {f"stages/dvc.yaml:train@{name}" for name in CELLS} <= status.keys()


def status(project: Project) -> set[str]:
    """The stages of cells and of the study that DVC calls stale, as they stand."""
    found = json.loads(project.run("dvc", "status", "--json").stdout.splitlines()[-1] or "{}")
    return {stage.removeprefix("stages/dvc.yaml:") for stage in found}


def test_code_makes_its_own_stage_stale_and_none_before_it(study: Project):
    """What comes after a stage of cells is stale when that has run and its files are others."""
    for path, stages in {
        "stages/analysis/tide.py": {"analyse", "compare"},
        "stages/inference.py": {"predict", "costs"},
        "stages/pretrained/tensors.py": {"weights"},
        "stages/cost/measure.py": {"costs"},
        "stages/report/table.py": {"compare"},
    }.items():
        file = study.folder / path
        before = file.read_text(encoding="utf-8")
        append(path)(study)
        expected = set()
        for stage in stages:
            if stage in ("compare", "costs"):
                expected.add(stage)
            else:
                expected.update(f"{stage}@{cell}" for cell in CELLS)
        assert status(study) == expected, path
        file.write_text(before, encoding="utf-8")
    assert status(study) == set()


def test_a_row_that_was_pruned_comes_back_without_a_training(study: Project):
    row_before = study.params()["cells"][R50]
    order = list(study.params()["cells"])
    model = study.folder / f"models/{R50}/best.pth"
    study.set_params(lambda values: values["cells"].pop(R50))
    study.run("dvc", "repro", "compose")
    said = study.run("python", "-m", "stages.prune").stdout
    assert f"models/{R50}/best.pth" in said
    assert not [path for path in study.folder.glob(f"m*/**/{R50}*")]
    # The others are as they were.
    assert trainings(study) == set() and (study.folder / f"models/{SWIN}/best.pth").is_file()

    def restore(values: dict) -> None:
        values["cells"] = {
            name: row_before if name == R50 else values["cells"][name] for name in order
        }

    study.set_params(restore)
    addresses = [
        f"stages/dvc.yaml:{stage}@{R50}" for stage in ("weights", "train", "predict", "analyse")
    ]
    output = study.run("dvc", "repro", "--single-item", "compose", *addresses).stdout
    assert not [
        line for line in output.splitlines() if line.startswith("Running stage") and R50 in line
    ], output
    assert model.read_text(encoding="utf-8") == "{}"
    assert {stage for stage in status(study) if "@" in stage} == set()
