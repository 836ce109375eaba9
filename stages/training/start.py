"""What happens to a model between its initialization and its first step, as hooks that a cell's
file names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from stages.errors import InputError

import stages.model.ops  # noqa: F401  isort: skip  mmdet's models need it at import
from mmdet.models.backbones.resnext import Bottleneck  # isort: skip


@HOOKS.register_module()
class PretrainedHook(Hook):
    """Loads a backbone's tensors once every weight has been initialized.

    file: what stage weights has written. Raises InputError before the first step where it is
    missing, damaged or of another backbone.
    """

    def __init__(self, file: str) -> None:
        self.file = Path(file)

    def before_train(self, runner: Any) -> None:
        tensors = read(self.file)
        model = _unwrapped(runner.model)
        # Stage weights has counted what is missing; a tensor without a place would mean another
        # backbone.
        own = model.backbone.state_dict()
        unexpected = []
        for name, tensor in tensors.items():
            if name not in own or own[name].shape != tensor.shape:
                unexpected.append(name)
        if unexpected:
            raise InputError(
                f"{self.file}: {len(unexpected)} tensors are another backbone's "
                f"({unexpected[0]}, ...); run dvc repro to match the weights anew"
            )
        model.backbone.load_state_dict(tensors, strict=False)


@HOOKS.register_module()
class ZeroInitResidualHook(Hook):
    """Zeroes the last norm of ResNeXt's blocks, so that each begins as the identity (Goyal et al.,
    arXiv:1706.02677).

    MMDetection does this for ResNet and leaves ResNeXt out: it asks `block is Bottleneck`, and
    ResNeXt's is a subclass. Measured on the miniature from random weights, 180 steps: ResNet-101
    val mAP50 0.23, ResNeXt-101 0.05 without this.
    """

    def before_train(self, runner: Any) -> None:
        for block in runner.model.modules():
            if isinstance(block, Bottleneck):
                nn.init.zeros_(getattr(block, block.norm3_name).weight)


@HOOKS.register_module()
class PrecisionHook(Hook):
    """Applies switches that make a training faster on a GPU and round otherwise, when the weights
    are in place.

    tf32: matrix products and convolutions of fp32 on tensor cores, with ten bits of mantissa.
    channels_last: the memory layout that tensor cores read. compile: torch.compile of backbone and
    neck.
    """

    priority = "LOW"

    def __init__(self, tf32: bool, channels_last: bool, compile: bool) -> None:
        self.tf32 = tf32
        self.channels_last = channels_last
        self.compile = compile

    def before_train(self, runner: Any) -> None:
        model = _unwrapped(runner.model)
        parts = [model.backbone]
        if getattr(model, "with_neck", False):
            parts.append(model.neck)
        if self.tf32:
            torch.backends.cuda.matmul.allow_tf32 = True
            torch.backends.cudnn.allow_tf32 = True
        if self.channels_last:
            for part in parts:
                part.to(memory_format=torch.channels_last)
            model.backbone.register_forward_pre_hook(
                lambda _, inputs: (inputs[0].contiguous(memory_format=torch.channels_last),)
            )
        if self.compile:
            # In place, so that the names in the state dict stay. Heads have data-dependent shapes
            # and stay eager.
            for part in parts:
                part.compile()


def read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors that stage weights has written. Raises InputError where there are none or the
    file is damaged."""
    tensors = {}
    try:
        if path.is_file():
            tensors = load_file(path)
    except SafetensorError as error:
        raise InputError(
            f"{path}: is damaged ({error}); dvc repro puts it back or makes it again"
        ) from None
    if not tensors:
        raise InputError(
            f"{path}: no pretrained weights; run python -m stages.weights {path.stem}, or dvc repro"
        )
    return tensors


def _unwrapped(model: nn.Module) -> nn.Module:
    if is_model_wrapper(model):
        return model.module
    return model
