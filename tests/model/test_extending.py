"""docs/extending.md, typed: each part is composed, builds and takes a step; a part that lacks something is one line."""

from __future__ import annotations

import functools
import re
import shutil
from pathlib import Path

import pytest
import torch
from built import one_step
from mmdet.registry import MODELS

from stages.errors import InputError
from stages.model import build, fragments, resolve
from stages.model.compose import compose
from stages.study import params, paths, yaml_text
from stages.study.params import ROOT, StudyError

MODEL = "model of configs/detectors/faster_rcnn.py, configs/backbones/r50.py, configs/necks/fpn.py"
PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
ROW = {
    "detector": "faster_rcnn",
    "backbone": "r50",
    "neck": "fpn",
    "optimizer": "sgd",
    "image_size": 256,
}


@pytest.fixture
def study(tmp_path, monkeypatch) -> params.Study:
    """Four rows with a part of the page each, at the page's scale."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    for path, text in re.findall(
        r"`(configs/\S+/[a-z_0-9]+\.py)`[^`]*```python\n(.*?)```", PAGE, re.S
    ):
        (tmp_path / path).write_text(text, encoding="utf-8")
    monkeypatch.setattr(params, "known", functools.partial(params.known, root=tmp_path))
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    values = yaml_text.loads((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values["backbones"].update(yaml_text.loads(blocks[0])["backbones"])
    values["scales"].update(yaml_text.loads(blocks[1]))
    values.update(
        scale="quick",
        hypotheses=[],
        cells={
            "backbone": {**ROW, "backbone": "r18"},
            "neck": {**ROW, "neck": "fpn_extra"},
            "detector": {**ROW, "detector": "double_head"},
            "optimizer": {**ROW, "optimizer": "nesterov"},
        },
    )
    (tmp_path / "params.yaml").write_text(yaml_text.dumps(values), encoding="utf-8")
    return params.load_study(tmp_path / "params.yaml")


def test_each_part_of_the_page_takes_a_step(study, tmp_path):
    for name, cell in study.cells.items():
        for part in params.PARTS:
            fragments.check_fragment(part, getattr(cell, part), tmp_path)
        cfg = compose(name, study, ["a", "b"], "images", root=tmp_path)
        loss, _ = one_step(cfg.model)
        assert torch.isfinite(loss)
    assert compose(
        "optimizer", study, ["a"], "images", root=tmp_path
    ).optim_wrapper.optimizer.nesterov


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        (
            "backbones/mine.py",
            "model = dict(backbone=dict(type='ResNet'))\n",
            "configs/backbones/mine.py: lacks model.neck.in_channels, the channels of its outputs, "
            "which the neck takes",
        ),
        (
            "backbones/mine.py",
            "from_scratch = dict()\n",
            "configs/backbones/mine.py: lacks model.backbone.type, the class",
        ),
        (
            "necks/mine.py",
            "model = dict(neck=dict(num_outs=5))\n",
            "configs/necks/mine.py: lacks model.neck.type",
        ),
        (
            "detectors/mine.py",
            "miniature = dict()\n",
            "configs/detectors/mine.py: lacks model.type, the class of the det",
        ),
        (
            "optimizers/mine.py",
            "optimizer = dict(type='SGD')\n",
            "lacks optim_wrapper.optimizer.type, the class of the",
        ),
        (
            "backbones/mine.py",
            "model = dict(backbone=dict(type='ResNet'), neck=dict(in_channels=[1]))\n"
            "from_scrach = dict(backbone=dict(frozen_stages=-1))\n",
            "from_scrach is read by nothing; the file may set model, from_scratch, miniature; is it "
            "meant for from_scratch?",
        ),
        (
            "optimizers/mine.py",
            "optim_wrapper = dict(optimizer=dict(type='SGD'))\nauto_scale_lr = dict(enable=True)\n",
            "mine.py: auto_scale_lr is read by nothing; the file may set optim_wrapper",
        ),
        (
            "optimizers/mine.py",
            "optim_wrapper = dict(\n",
            "configs/optimizers/mine.py: line 1: '(' was never closed",
        ),
    ],
)
def test_what_a_fragment_lacks_is_one_line(path, text, message, tmp_path):
    file = tmp_path / "configs" / path
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(StudyError) as refused:
        fragments.check_fragment(path.partition("s/")[0], "mine", tmp_path)
    assert message in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "_base_ = './gone.py'\n",
            "mine.py: _base_ configs/backbones/gone.py: no such file or directory",
        ),
        ("_base_ = ['./broken.py']\n", "broken.py: line 1: '(' was never closed"),
        ("_base_ = './round.py'\n", "round.py: _base_ leads back to the file itself"),
        ("model = '\0'\n", "mine.py: line 1: source code string cannot contain null bytes"),
        ("model = '\u00e9'\n", "mine.py: is no Python file ('utf-8' codec can't decode byte 0xe9"),
    ],
)
def test_a_base_that_cannot_be_read_is_named(text, message, tmp_path):
    folder = tmp_path / "configs/backbones"
    folder.mkdir(parents=True)
    files = {"mine.py": text, "broken.py": "model = dict(\n", "round.py": "_base_ = './round.py'\n"}
    for name, content in files.items():
        (folder / name).write_text(content, encoding="latin-1")
    with pytest.raises(StudyError) as refused:
        fragments.check_fragment("backbone", "mine", tmp_path)
    assert str(refused.value).startswith(f"configs/backbones/{message}")


def test_channels_that_the_backbone_has_not_are_one_line_before_any_training(study, tmp_path):
    """The page's own backbone passes; its channels of the other scale, and a stage too few, do not."""
    resolved = {}
    for name in ("backbone", "neck"):
        resolved[name] = compose(name, study, ["a"], "images", root=tmp_path).to_dict()
        build.check_build(name, study.cells[name], resolved[name], tmp_path / "built.json")
    cell, wrong = study.cells["backbone"], resolved["backbone"]
    wrong["model"]["neck"]["in_channels"] = [64, 128, 256, 512]
    with pytest.raises(InputError) as refused:
        build.check_build("backbone", cell, wrong, tmp_path / "built.json")
    assert str(refused.value) == (
        "configs/backbones/r18.py: neck.in_channels is [64, 128, 256, 512], and the outputs of the "
        "backbone have [16, 32, 64, 128] channels; see docs/extending.md"
    )
    # A stage too few: FPN would say so with an assertion of its own.
    wrong["model"]["neck"]["in_channels"] = [16, 32, 64]
    with pytest.raises(InputError):
        build.check_build("backbone", cell, wrong, tmp_path / "built.json")


def test_a_cell_of_other_channels_is_not_written(tmp_path, monkeypatch):
    """Neither by stage compose nor by a training without DVC."""
    every = params.load_study()
    name = next(iter(every.cells))
    composed = resolve.compose

    def wrong(*arguments, **keywords):
        cfg = composed(*arguments, **keywords)
        cfg.model.neck.in_channels = [1, 2, 3, 4]
        return cfg

    monkeypatch.setattr(resolve, "compose", wrong)
    monkeypatch.chdir(tmp_path)
    data = {
        "classes": ["a"],
        "image_root": "images",
        "max_detections": every.data.max_detections,
        "train_images": 100,
        "train_indices": None,
    }
    with pytest.raises(InputError, match=r"neck.in_channels is \[1, 2, 3, 4\]"):
        resolve.write_cell(name, every, data)
    assert not paths.cell(name).exists()


@pytest.mark.parametrize(
    ("key", "value", "files", "reason"),
    [
        ("model.neck.type", "FPNN", MODEL, "FPNN is not in the mmdet::model registry"),
        ("model.neck.widht", 3, MODEL, "FPN.__init__() got an unexpected keyword argument 'widht'"),
        (
            "model.roi_head.bbox_head.loss_cls.type",
            "NoLoss",
            MODEL,
            "NoLoss is not in the mmdet::model registry",
        ),
        ("model.backbone.depth", 51, MODEL, "invalid depth 51 for resnet"),
        (
            "optim_wrapper.optimizer.type",
            "SGDD",
            "optimizer of configs/optimizers/sgd.py",
            "SGDD is not in the mmdet::optimizer registry",
        ),
    ],
)
def test_what_mmdetection_cannot_build_is_one_line_before_any_training(
    key, value, files, reason, tmp_path
):
    every = params.load_study()
    name = "faster_rcnn-r50-fpn-sgd-512"
    resolved = compose(name, every, ["a"], "images")
    resolved.merge_from_dict({key: value})
    with pytest.raises(InputError) as refused:
        build.check_build(name, every.cell(name), resolved.to_dict(), tmp_path / "built.json")
    assert str(refused.value) == (
        f"{name}: MMDetection cannot build the {files}: {reason}; see docs/extending.md"
    )
    assert not (tmp_path / "built.json").exists()


def test_a_model_that_takes_values_and_not_shapes_is_named_and_not_refused(tmp_path, caplog):
    @MODELS.register_module(force=True)
    class TakesValues(torch.nn.Module):
        def __init__(self, **kwargs):
            super().__init__()
            self.first = torch.zeros(1).item()

    every = params.load_study()
    name = "faster_rcnn-r50-fpn-sgd-512"
    resolved = compose(name, every, ["a"], "images").to_dict()
    resolved["model"]["backbone"] = {"type": "TakesValues"}
    build.check_build(name, every.cell(name), resolved, tmp_path / "built.json")
    assert "configs/backbones/r50.py: in_channels is not checked" in caplog.text
    assert "cannot be called on meta tensors" in caplog.text
    assert not (tmp_path / "built.json").exists()


@pytest.mark.parametrize("error", [AssertionError, KeyError])
def test_an_error_without_words_is_named(error, tmp_path):
    @MODELS.register_module(force=True)
    class SaysNothing(torch.nn.Module):
        def __init__(self, **kwargs):
            raise error

    every = params.load_study()
    name = "faster_rcnn-r50-fpn-sgd-512"
    resolved = compose(name, every, ["a"], "images").to_dict()
    resolved["model"]["neck"]["type"] = "SaysNothing"
    with pytest.raises(InputError, match=f"fpn.py: {error.__name__}; see docs/extending.md"):
        build.check_build(name, every.cell(name), resolved, tmp_path / "built.json")


@pytest.mark.parametrize("scale", ["miniature", "full"])
def test_every_backbone_of_the_project_has_the_channels_that_it_names(scale, tmp_path):
    values = yaml_text.loads((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values.update(scale=scale, hypotheses=[])
    (tmp_path / "params.yaml").write_text(yaml_text.dumps(values), encoding="utf-8")
    every = params.load_study(tmp_path / "params.yaml")
    names = {cell.backbone: name for name, cell in every.cells.items()}
    for backbone, name in names.items():
        model = compose(name, every, ["a"], "images").model.to_dict()
        assert build.output_channels(model) == list(model["neck"]["in_channels"]), backbone


def test_every_fragment_of_the_project_has_what_it_needs():
    for part in params.PARTS:
        for name in params.known(part + "s"):
            fragments.check_fragment(part, name)


def test_a_name_that_another_one_uses_is_read(tmp_path: Path):
    (tmp_path / "configs/necks").mkdir(parents=True)
    (tmp_path / "configs/necks/mine.py").write_text(
        "norm_cfg = dict(type='GN')\nmodel = dict(neck=dict(type='FPN', norm_cfg=norm_cfg))\n"
    )
    fragments.check_fragment("neck", "mine", tmp_path)


def test_a_file_that_computes_is_taken_on_trust(tmp_path: Path):
    (tmp_path / "configs/necks").mkdir(parents=True)
    (tmp_path / "configs/necks/mine.py").write_text(
        "model = dict()\nmodel.update(neck=dict(type='FPN'))\n"
    )
    fragments.check_fragment("neck", "mine", tmp_path)
