"""Stage weights, alone and in the graph: what it writes, what re-runs it, and that a training starts from it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torchvision
from built import MODELS
from conftest import Project, make_project, trained
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from stages import weights
from stages.errors import InputError
from stages.model.compose import backbone_config
from stages.study import params, paths
from stages.study.schema import Backbone, Weights
from stages.training import start

CELL = "faster_rcnn-mobilenet_v2-fpn-sgd-512"
SHA256 = "ea0380c421740d90e300f32afc10e038e2cc5d46e09508a548bcb313d7dbc00b"
STUDY = dataclasses.replace(params.load_study(), scale="full")


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """Runs stage weights in an empty folder on weights of the test's choice, at scale full or another."""
    monkeypatch.chdir(tmp_path)

    def run(backbone: str, chosen: Weights, scale: str = "full") -> Path:
        study = dataclasses.replace(
            STUDY, scale=scale, backbones={**STUDY.backbones, backbone: Backbone(chosen)}
        )
        monkeypatch.setattr(params, "load_study", lambda: study)
        name = next(name for name, cell in study.cells.items() if cell.backbone == backbone)
        weights.main(name)
        return paths.weights(name)

    return run


@pytest.fixture
def mobilenet(shared) -> Path:
    path = shared / "weights" / "mobilenet_v2_mmdet.safetensors"
    if not path.is_file():
        pytest.skip(f"{path} is not beside this checkout")
    return path


def test_a_real_file_matches_whole(stage, mobilenet, caplog):
    caplog.set_level("INFO")
    path = stage("mobilenet_v2", Weights(str(mobilenet), "MIT", SHA256))
    assert "260 tensors matched (100.0%), 0 missing, 0 not used" in caplog.text
    theirs = {
        name: value for name, value in load_file(mobilenet).items() if "num_batches" not in name
    }
    ours = load_file(path)
    assert ours.keys() == theirs.keys() and all(
        torch.equal(ours[name], theirs[name]) for name in theirs
    )
    with safe_open(path, "pt") as file:
        record = json.loads(file.metadata()["record"])
    assert record == {"sha256": SHA256, "matched": 260, "missing": [], "unexpected": []}


def test_the_same_file_gives_the_same_bytes(stage, mobilenet, tmp_path):
    """Whatever its address and licence: DVC trains anew where a byte differs."""
    shutil.copy(mobilenet, tmp_path / "copy.safetensors")
    written = {
        stage("mobilenet_v2", Weights(source, licence, sha256)).read_bytes()
        for source, licence, sha256 in (
            (str(mobilenet), "MIT", SHA256),
            (str(mobilenet), "MIT", SHA256),
            (str(mobilenet), "Apache-2.0", SHA256[:8]),
            ("copy.safetensors", "MIT", None),
        )
    }
    assert len(written) == 1


def test_nothing_is_fetched_for_random_weights(stage):
    path = stage("r50", Weights("http://127.0.0.1:9/r50.pth", "MIT"), scale="miniature")
    assert load_file(path) == {}
    written = {found for found in Path().rglob("*") if found.is_file()}
    assert written == {path, paths.pretrained(path.stem)}


def test_another_backbones_file_is_one_line(stage):
    raw = Path("data/weights/raw/r50.pth")
    raw.parent.mkdir(parents=True)
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), raw)
    with pytest.raises(InputError) as caught:
        stage("r50", Weights("http://127.0.0.1:9/r50.pth", "MIT"))
    message = str(caught.value)
    assert message.startswith(f"{raw}: is not the backbone r50: ") and "\n" not in message
    assert "tensors matched (2" in message and "missing (layer1.0.bn3.bias, " in message
    assert raw.is_file() and not list(Path("data/weights").glob("*.safetensors"))


def test_an_unknown_backbone_and_a_missing_file_are_one_line(stage):
    with pytest.raises(params.StudyError, match=r"cells\.swin_h: no such cell"):
        weights.main("swin_h")
    with pytest.raises(
        InputError, match=r"no pretrained weights; run python -m stages\.weights some-cell"
    ):
        start.read(Path("data/weights/some-cell.safetensors"))
    path = stage("r50", Weights("http://127.0.0.1:9/r50.pth", "MIT"), scale="miniature")
    with pytest.raises(InputError, match="no pretrained weights"):
        start.read(path)


def test_the_hook_loads_and_refuses(tmp_path):
    backbone = MODELS.build({**backbone_config("mobilenet_v2", STUDY), "init_cfg": None})
    runner = SimpleNamespace(model=SimpleNamespace(backbone=backbone))
    wanted = {
        name: torch.rand(value.shape)
        for name, value in backbone.state_dict().items()
        if value.dim()
    }
    save_file(wanted, tmp_path / "some-cell.safetensors")
    start.PretrainedHook(str(tmp_path / "some-cell.safetensors")).before_train(runner)
    assert all(torch.equal(backbone.state_dict()[name], value) for name, value in wanted.items())
    for wrong in ({"layer9.weight": torch.ones(2)}, {"conv1.conv.weight": torch.ones(64, 3, 7, 7)}):
        save_file(wrong, tmp_path / "wrong.safetensors")
        with pytest.raises(InputError, match="1 tensors are another backbone's"):
            start.PretrainedHook(str(tmp_path / "wrong.safetensors")).before_train(runner)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, shared) -> tuple[Project, str]:
    """A clone with one cell at scale full and the real weights after `dvc repro`, and what that printed."""
    path = shared / "weights" / "mobilenet_v2_mmdet.safetensors"
    if not path.is_file():
        pytest.skip(f"{path} is not beside this checkout")
    project = make_project(tmp_path_factory.mktemp("weights") / "clone")

    def full(values: dict) -> None:
        values.update(
            scale="full",
            cells={
                CELL: {
                    "detector": "faster_rcnn",
                    "backbone": "mobilenet_v2",
                    "neck": "fpn",
                    "optimizer": "sgd",
                    "image_size": 512,
                }
            },
        )
        values["scales"]["full"].update(
            image_scale=0.125,
            epochs=1,
            milestones=[],
            batch_size=2,
            workers=0,
            threads=1,
            warmup_iterations=1,
        )
        values["backbones"]["mobilenet_v2"]["weights"] = {
            "source": str(path),
            "sha256": SHA256,
            "licence": "MIT",
        }

    project.set_params(full)
    return project, project.run("dvc", "repro").stdout


def ran(output: str, stage: str) -> int:
    return sum(line.startswith("Running stage") and stage in line for line in output.splitlines())


def first_layer(project: Project) -> torch.Tensor:
    state = torch.load(
        project.folder / "models" / CELL / "last.pth", map_location="cpu", weights_only=False
    )
    return state["state_dict"]["backbone.conv1.conv.weight"]


@pytest.mark.slow
def test_dvc_trains_from_the_weights(finished, mobilenet):
    project, output = finished
    assert trained(output) == [CELL] and ran(output, "weights@") == 1
    # Frozen: it is as it was loaded.
    assert torch.equal(first_layer(project), load_file(mobilenet)["conv1.conv.weight"])
    assert ran(project.run("dvc", "repro").stdout, "") == 0


@pytest.mark.slow
def test_another_licence_or_place_of_the_same_file_retrains_nothing(finished, mobilenet):
    project, _ = finished
    shutil.copy(mobilenet, project.folder / "data" / "copy.safetensors")
    project.set_params(
        lambda values: values["backbones"]["mobilenet_v2"]["weights"].update(
            licence="BSD", source="data/copy.safetensors"
        )
    )
    output = project.run("dvc", "repro").stdout
    assert ran(output, "weights@") == 1 and trained(output) == []


@pytest.mark.slow
def test_none_trains_from_scratch(finished, mobilenet):
    project, _ = finished
    output = project.run("dvc", "exp", "run", "-S", "scales.full.weights=none").stdout
    assert trained(output) == [CELL] and ran(output, "weights@") == 1
    assert not torch.equal(first_layer(project), load_file(mobilenet)["conv1.conv.weight"])


@pytest.mark.slow
def test_a_file_that_cannot_be_had_is_one_line(finished):
    project, _ = finished
    project.set_params(
        lambda values: (
            values["scales"]["full"].update(weights="imagenet"),
            values["backbones"]["mobilenet_v2"]["weights"].update(
                source="http://127.0.0.1:9/mobilenet.pth", sha256=None
            ),
        )
    )
    done = project.run("dvc", "repro", check=False)
    assert done.returncode != 0 and "Traceback" not in done.stdout and trained(done.stdout) == []
    assert (
        "weights: backbones.mobilenet_v2.weights: cannot fetch http://127.0.0.1:9/mobilenet.pth: "
        "[Errno 111] Connection refused. Put the file at data/weights/raw/mobilenet.pth yourself"
    ) in done.stdout
