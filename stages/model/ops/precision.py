"""The dtype in which the stand-in ops compute."""

import torch
from torch import Tensor


def widened(*tensors: Tensor) -> list[Tensor]:
    """The tensors, all in float64 if one of them is float64, else all in float32.

    torchvision's kernels want one dtype throughout, and several have none for bfloat16 (or, on CPU,
    float16). Callers copy the result into a tensor of mmcv's, which rounds it once, at the end.
    """
    dtype = torch.float32
    if torch.float64 in [tensor.dtype for tensor in tensors]:
        dtype = torch.float64
    return [tensor.to(dtype) for tensor in tensors]
