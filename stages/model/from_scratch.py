"""Starts a model without pretrained weights the way its kin starts."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from torch import nn

import stages.model.ops  # noqa: F401  isort: skip  mmdet's models need it at import
from mmdet.models.backbones.resnext import Bottleneck  # isort: skip


class ZeroInitResidualHook(Hook):
    """Zeroes the last norm of ResNeXt's blocks, so that each begins as the identity (Goyal et al., arXiv:1706.02677).

    MMDetection does this for ResNet and leaves ResNeXt out: it asks `block is Bottleneck`, and ResNeXt's is a subclass.
    Measured on the miniature from random weights, 180 steps: ResNet-101 val mAP50 0.23, ResNeXt-101 0.05 without this.
    """

    # After every weight is initialized, before the first step.
    def before_train(self, runner: Any) -> None:
        for block in runner.model.modules():
            if isinstance(block, Bottleneck):
                nn.init.zeros_(getattr(block, block.norm3_name).weight)
