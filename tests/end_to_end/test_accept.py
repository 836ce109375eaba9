"""`make accept`: what it refuses, and that one bit is enough to refuse."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import torch
from conftest import CELLS, Project, make_project
from made_matrix import row
from mmengine.config import Config

from stages.acceptance import stale
from stages.acceptance.trial import EPOCHS, STEPS, TrialOutcome, differing_parts
from stages.study import paths
from stages.tracking import provenance
from stages.training.cell_file import ResolvedCell

R50 = next(iter(CELLS))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Project:
    """A study of one cell that DVC takes for finished: what a training writes was written by hand."""
    project = make_project(tmp_path_factory.mktemp("accept") / "clone")
    project.set_params(lambda values: values.update(cells={R50: CELLS[R50]}))
    weights, train = (f"stages/dvc.yaml:{stage}@{R50}" for stage in ("weights", "train"))
    project.run("dvc", "repro", "--single-item", "plan", "prepare", "compose", weights)
    cell = (project.folder / paths.cell(R50)).read_text(encoding="utf-8")
    run = json.dumps(
        {"git_commit": project.git("rev-parse", "HEAD"), "code_digest": "0" * 16, "parameters": 1}
    )
    written = {
        "config.py": cell,
        "best.pth": "best",
        "last.pth": "last",
        "run.json": run,
        "history.csv": "",
    }
    for name, text in written.items():
        folder = (
            f"metrics/r50/fpn/{R50}" if name in ("run.json", "history.csv") else f"models/{R50}"
        )
        path = project.folder / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    project.run("dvc", "commit", "--force", train)
    return project


@pytest.fixture
def study(finished: Project, tmp_path: Path) -> Project:
    """A copy to edit."""
    subprocess.run(["cp", "-a", finished.folder, tmp_path / "clone"], check=True)
    return Project(tmp_path / "clone")


def edit_code(project: Project) -> None:
    path = project.folder / "stages/training/order.py"
    path.write_text(path.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")


def refused(project: Project) -> str:
    """The line that it ends with; DVC still takes the training for stale."""
    locked = (project.folder / "stages/dvc.lock").read_text(encoding="utf-8")
    done = project.run("python", "-m", "stages.accept", check=False)
    assert done.returncode == 1 and "Traceback" not in done.stdout, done.stdout
    assert not (project.folder / provenance.ACCEPTED).exists()
    assert (project.folder / "stages/dvc.lock").read_text(encoding="utf-8") == locked
    return done.stdout.splitlines()[-1]


def test_nothing_is_stale(study: Project):
    assert "nothing to accept" in study.run("python", "-m", "stages.accept").stdout


def test_another_rate_beside_the_code_is_refused(study: Project):
    edit_code(study)
    study.set_params(lambda values: values["cells"][R50].update(lr=0.03))
    assert refused(study) == (
        f"accept: data/cells/{R50}.py: has changed since {R50} was trained; only a change of "
        "code can be accepted. dvc repro trains the cell"
    )


def test_other_labels_beside_the_code_are_refused(study: Project):
    edit_code(study)
    # Boxes are drawn anew; the cell's file stays as it is.
    study.set_params(lambda values: values["data"].update(demo_image_size=260))
    line = refused(study)
    assert line.startswith("accept: data/prepared/") and line.endswith(
        f".json: has changed since {R50} was trained; only a change of code can be accepted. dvc repro trains the cell"
    )


def test_missing_results_and_code_that_no_commit_holds_are_refused(study: Project):
    edit_code(study)
    # run.json above has a digest that is of no code.
    assert "that commit" in refused(study) and not (study.folder / ".work/accept/then").exists()
    (study.folder / f"models/{R50}/best.pth").unlink()
    assert f"models/{R50}/best.pth: not as {R50} was trained; run dvc checkout first" in refused(
        study
    )


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda tensors: None, []),
        # The last bit of a number.
        (
            lambda tensors: tensors.update(
                head=torch.nextafter(tensors["head"], torch.tensor(9.0))
            ),
            ["head"],
        ),
        (lambda tensors: tensors.update(head=tensors["head"].double()), ["head"]),
        (lambda tensors: tensors.pop("neck"), ["neck"]),
        (lambda tensors: tensors.update(more=torch.ones(1)), ["more"]),
    ],
)
def test_one_bit_is_a_difference(change, names):
    then = {"neck": torch.ones(2), "head": torch.ones(3)}
    now = {name: tensor.clone() for name, tensor in then.items()}
    change(now)
    assert (
        differing_parts(TrialOutcome(then, "step\n1\n", ""), TrialOutcome(now, "step\n1\n", ""))
        == names
    )


def test_another_history_with_the_same_weights_is_a_difference():
    tensors = {"head": torch.ones(3)}
    then = TrialOutcome(tensors, "step\n1\n", "[0.5]")
    assert differing_parts(then, TrialOutcome(tensors, "step\n2\n", "[0.5]")) == ["history.csv"]
    [scores] = differing_parts(then, TrialOutcome(tensors, "step\n1\n", "[0.25]"))
    assert scores.startswith("the scores")


def finished_cell(
    name: str,
    code: str = "a",
    backbone: str = "ResNet",
    hooks: tuple[str, ...] = (),
    **training: object,
) -> stale.Stale:
    """A stale cell with so much of its file and of run.json as choosing reads."""
    settings = {
        "detector": "faster_rcnn",
        "optimizer": "sgd",
        "image_size": 96,
        "batch_size": 4,
        "device_batch": 4,
        "processes": 1,
        **training,
    }
    config = Config(
        {
            "model": {"backbone": {"type": backbone}},
            "custom_hooks": [{"type": hook} for hook in hooks],
        }
    )
    record = {"code_digest": code, "git_commit": "f" * 40, "parameters": len(name)}
    return stale.Stale(name, record, ResolvedCell(name, "", config, settings))


def chosen(*cells: stale.Stale) -> list[str]:
    return [cell.name for cell in stale.choose_trials(cells)]


def test_the_smallest_cell_stands_for_its_detector_with_its_optimizer():
    rows = (finished_cell("small"), finished_cell("larger"), finished_cell("sized", image_size=192))
    assert chosen(*rows) == ["small"]
    assert chosen(*rows, finished_cell("largest", optimizer="adamw")) == ["largest", "small"]
    assert chosen(*rows, finished_cell("largest", optimizer="adamw", detector="cascade_rcnn")) == [
        "largest",
        "small",
    ]


@pytest.mark.parametrize(
    "own",
    [{"backbone": "ResNeXt"}, {"hooks": ("PretrainedHook",)}, {"device_batch": 2}, {"code": "b"}],
)
def test_what_only_a_larger_cell_uses_is_tried_with_it(own):
    assert "larger" in chosen(finished_cell("small"), finished_cell("larger", **own))


def test_a_cell_that_shows_it_for_all_is_tried_alone():
    rows = (finished_cell("small"), finished_cell("larger", hooks=("PrecisionHook",)))
    assert chosen(*rows) == ["larger"]


def test_plan_counts_the_finished_cells_of_other_code(tmp_path):
    rows = {name: row("r50") for name in ("same", "accepted", "earlier", "unfinished", "damaged")}
    for name in provenance.DECIDING:
        part = tmp_path / name
        if part.suffix:
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_text("code")
        else:
            part.mkdir(parents=True)
    current = provenance.code_digest(tmp_path)
    for name, digest in {
        "same": current,
        "accepted": "b" * 16,
        "earlier": "c" * 16,
        "damaged": "",
    }.items():
        folder = tmp_path / paths.record(name, rows[name])
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"code_digest": digest}) if digest else "{")
    assert provenance.trained_by_other_code(rows, tmp_path) == ["accepted", "earlier"]
    provenance.accept({"then": ["b" * 16], "now": "d" * 16}, tmp_path)
    provenance.accept({"then": ["d" * 16], "now": current}, tmp_path)
    assert provenance.trained_by_other_code(rows, tmp_path) == ["earlier"]


@pytest.mark.slow
def test_the_same_bits_are_recorded_and_others_refused(tmp_path):
    """A real training, a comment, and then a change of what it computes."""
    project = make_project(tmp_path / "clone")
    project.set_params(lambda values: values.update(cells={R50: CELLS[R50]}))
    project.git("commit", "--quiet", "--all", "--message", "one cell")
    stages = [f"stages/dvc.yaml:{stage}@{R50}" for stage in ("weights", "train")]
    project.run("dvc", "repro", "--single-item", "plan", "prepare", "compose", *stages)
    edit_code(project)
    said = project.run("python", "-m", "stages.accept").stdout
    assert f"1 cell is up to date: the same bits after {STEPS * EPOCHS} steps of {R50}" in said
    [entry] = json.loads((project.folder / provenance.ACCEPTED).read_text(encoding="utf-8"))
    assert entry["cells"] == entry["shown_by"] == [R50]
    status = project.run("dvc", "status", "--json", stages[1]).stdout.splitlines()[-1]
    assert status == "{}"
    for name, before, after, said in (
        (
            "training/order.py",
            '"seed": cfg.randomness.seed,',
            '"seed": cfg.randomness.seed + 1,',
            "",
        ),
        # The last weights of a few steps show neither of these two.
        ("training/best.py", 'value > self.best["', 'value < self.best["', "best.pth: "),
        ("training/image_cache.py", "= image.reshape(", "= 255 - image.reshape(", ""),
    ):
        path = project.folder / "stages" / name
        text = path.read_text(encoding="utf-8")
        assert before in text
        path.write_text(text.replace(before, after), encoding="utf-8")
        done = project.run("python", "-m", "stages.accept", check=False)
        path.write_text(text, encoding="utf-8")
        assert done.returncode == 1 and "not the same bits after" in done.stdout, done.stdout
        assert said in done.stdout
    assert len(json.loads((project.folder / provenance.ACCEPTED).read_text(encoding="utf-8"))) == 1
