"""Switches that make a training faster without changing what is trained, each a parameter of the scale."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from stages import machine
from stages.program import InputError
from stages.study.params import Scale, Study


def check(study: Study) -> None:
    """Raises InputError for a switch that this machine cannot do."""
    if study.training.amp != "none" and not torch.cuda.is_available():
        raise InputError(f"scales.{study.scale}.amp: {study.training.amp} needs a GPU, and there is none; set it "
                         "to none")


def use_threads(count: int) -> None:
    """CPU threads for torch in this process; 0: as many as torch takes.

    But no more than the process may keep busy: torch counts the cores of a container's host.
    """
    torch.set_num_threads(count or min(torch.get_num_threads(), machine.cpus()))


class SpeedHook(Hook):
    """Applies tf32, channels_last and compile before the first step, when the weights are in place."""

    priority = "LOW"

    def __init__(self, scale: Scale) -> None:
        self.scale = scale

    def before_train(self, runner: Any) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if self.scale.tf32:
            # Matrix products and convolutions of fp32 on tensor cores, with ten bits of mantissa.
            torch.backends.cuda.matmul.allow_tf32 = True
            torch.backends.cudnn.allow_tf32 = True
        if self.scale.channels_last:
            for part in (model.backbone, model.neck):
                part.to(memory_format=torch.channels_last)
            model.backbone.register_forward_pre_hook(
                lambda _, inputs: (inputs[0].contiguous(memory_format=torch.channels_last),))
        if self.scale.compile:
            # In place, so that the names in the state dict stay. Heads have data-dependent shapes and stay eager.
            model.backbone.compile()
            model.neck.compile()
