"""Models for the tests: built without memory for their shapes alone, or put through one training step."""

from __future__ import annotations

import functools
from unittest import mock

import quick
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import nn

import stages.model.ops  # noqa: F401  isort: skip  mmdet's models need it at import
from mmdet.registry import MODELS  # isort: skip
from mmdet.structures import DetDataSample  # isort: skip


def on_meta(config: dict) -> nn.Module:
    """The module of `config` with names and shapes and no values, in a tenth of a second."""
    init_default_scope("mmdet")
    # Swin asks linspace for numbers, which the meta device has none of.
    with (
        torch.device("meta"),
        mock.patch("torch.linspace", functools.partial(torch.linspace, device="cpu")),
    ):
        return MODELS.build(ConfigDict(config))


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Of every tensor of its state dict."""
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def one_step(config: dict, images: int = 2, side: int = 64) -> tuple[torch.Tensor, nn.Module]:
    """The loss of the built detector, a scalar, and the detector after backward.

    images: random ones (images, 3, side, side), each with one box, of the class 2.
    """
    quick.start("training step")
    init_default_scope("mmdet")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = MODELS.build(ConfigDict(config)).train()
    shape = (side, side)
    samples = []
    for _ in range(images):
        sample = DetDataSample(
            metainfo={
                "img_shape": shape,
                "ori_shape": shape,
                "pad_shape": shape,
                "batch_input_shape": shape,
                "scale_factor": (1, 1),
                "img_id": 1,
            }
        )
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor([[4.0, 4, 40, 50]]), labels=torch.tensor([2])
        )
        samples.append(sample)
    total, _ = model.parse_losses(model.loss(torch.randn(images, 3, side, side), samples))
    total.backward()
    return total.detach(), model
