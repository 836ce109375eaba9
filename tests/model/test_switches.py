"""Switches that change no result do what they are for: a model that ignores them would compute the same too."""

from __future__ import annotations

import dataclasses
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import HOOKS, init_default_scope
from torch import nn

from stages.model.compose import compose
from stages.study.params import Study, load_study

import stages.training.start  # noqa: F401  isort: skip  registers the hooks
from mmdet.registry import MODELS  # isort: skip

STUDY = load_study()
R50 = "faster_rcnn-r50-fpn-sgd-512"
# One row of each class of backbones.
ROWS = (R50, "faster_rcnn-swin_t-fpn-sgd-512", "faster_rcnn-mobilenet_v2-fpn-sgd-512")


def backbone(config: dict) -> nn.Module:
    init_default_scope("mmdet")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    module = MODELS.build(ConfigDict(config))
    module.train()
    return module


def calls_of(module: nn.Module) -> list[int]:
    """How often each of the module's convolutions and products runs in a step."""
    calls = Counter()
    parts = [part for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    for part in parts:
        part.register_forward_hook(lambda ran, *_: calls.update([ran]))
    image = torch.randn(2, 3, 32, 32, requires_grad=True)
    sum(level.sum() for level in module(image)).backward()
    return [calls[part] for part in parts]


@pytest.mark.parametrize("name", ROWS)
def test_activation_checkpointing_runs_each_block_again(name):
    row = dataclasses.replace(STUDY.cells[name], activation_checkpointing=True)
    study = dataclasses.replace(STUDY, cells={**STUDY.cells, name: row})
    plain, checkpointed = (compose(name, part, ["a"], "images").model for part in (STUDY, study))
    assert set(calls_of(backbone(plain.backbone))) == {1}
    again = calls_of(backbone(checkpointed.backbone))
    # The stem runs once.
    assert set(again) == {1, 2} and again.count(2) > 0.8 * len(again)


def in_scale(**values: object) -> Study:
    block = dataclasses.replace(STUDY.training, **values)
    return dataclasses.replace(STUDY, scales={**STUDY.scales, STUDY.scale: block})


class Detector(nn.Module):
    """A backbone and a neck of convolutions."""

    with_neck = True

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, 8, 3)
        self.neck = nn.Conv2d(8, 8, 3)


def is_channels_last(tensor: torch.Tensor) -> bool:
    return tensor.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("switched", [True, False])
def test_channels_last_changes_the_layout_of_weights_and_images(switched):
    config = compose(R50, in_scale(channels_last=switched), ["a"], "images")
    hooks = [HOOKS.build(hook) for hook in config.custom_hooks if hook["type"] == "PrecisionHook"]
    assert len(hooks) == switched
    model = Detector()
    for hook in hooks:
        hook.before_train(SimpleNamespace(model=model))
    layouts = []
    model.backbone.register_forward_pre_hook(
        lambda _, inputs: layouts.append(is_channels_last(inputs[0]))
    )
    model.backbone(torch.randn(2, 3, 16, 16))
    assert layouts == [switched]
    assert [is_channels_last(part.weight) for part in (model.backbone, model.neck)] == [
        switched,
        switched,
    ]


@pytest.fixture
def tf32():
    """Where torch keeps the switch, off before the test and as it was after it."""
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [backend.allow_tf32 for backend in backends]
    yield backends
    for backend, value in zip(backends, before, strict=True):
        backend.allow_tf32 = value


def test_tf32_and_compile_reach_torch(tf32, monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled.append(module))
    for values in ({"tf32": True}, {"compile": True}):
        for backend in tf32:
            backend.allow_tf32 = False
        [hook] = [
            hook
            for hook in compose(R50, in_scale(**values), ["a"], "images").custom_hooks
            if hook["type"] == "PrecisionHook"
        ]
        model = Detector()
        HOOKS.build(hook).before_train(SimpleNamespace(model=model))
        assert [backend.allow_tf32 for backend in tf32] == ["tf32" in values] * 2
        assert compiled == ([model.backbone, model.neck] if "compile" in values else [])
