"""Starts a model's backbone from the tensors that stage weights has written."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from safetensors import SafetensorError
from safetensors.torch import load_file

from stages.program import InputError
from stages.study import paths


def read(backbone: str, wanted: str) -> dict[str, torch.Tensor]:
    """The tensors of data/weights/<backbone>.safetensors; {} where the scale's weights are none.

    Raises InputError where the file is missing, damaged, or was written for a scale with other weights.
    """
    if wanted == "none":
        return {}
    path = paths.weights(backbone)
    try:
        tensors = load_file(path) if path.is_file() else {}
    except SafetensorError as error:
        raise InputError(f"{path}: is damaged ({error}); dvc repro puts it back or makes it again") from None
    if not tensors:
        raise InputError(f"{path}: no pretrained weights; run python -m stages.weights {backbone}, or dvc repro")
    return tensors


class PretrainedHook(Hook):
    """Loads the backbone's tensors once every weight has been initialized, before the first step."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self.tensors = tensors

    def before_train(self, runner: Any) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        # Stage weights has counted what is missing; a tensor without a place would mean another backbone.
        places = model.backbone.state_dict()
        homeless = [name for name, tensor in self.tensors.items()
                    if name not in places or places[name].shape != tensor.shape]
        if homeless:
            raise InputError(f"data/weights: {len(homeless)} tensors are another backbone's ({homeless[0]}, ...); run "
                             "dvc repro to match the weights anew")
        model.backbone.load_state_dict(self.tensors, strict=False)
