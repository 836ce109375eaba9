"""The dtype in which the stand-in ops compute."""

import torch
from torch import Tensor


def widened(*tensors: Tensor) -> list[Tensor]:
    """The tensors, all in float64 if one of them is float64, else all in float32.

    torchvision's kernels want one dtype throughout, and several have none for bfloat16 (or, on CPU, float16).
    Callers copy the result into a tensor of mmcv's, which rounds it once, at the end.
    """
    dtype = torch.float64 if any(t.dtype == torch.float64 for t in tensors) else torch.float32
    return [t.to(dtype) for t in tensors]
