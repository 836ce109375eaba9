"""The module that answers to `mmcv._ext`: ops that torchvision can do, and a clear refusal of the
rest."""

from functools import partial

import torch
import torchvision

from .deform_conv import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
)
from .focal_loss import sigmoid_focal_loss_backward, sigmoid_focal_loss_forward
from .roi_align import roi_align_backward, roi_align_forward
from .suppression import nms, softnms

__all__ = [
    "deform_conv_backward_input",
    "deform_conv_backward_parameters",
    "deform_conv_forward",
    "get_compiler_version",
    "get_compiling_cuda_version",
    "modulated_deform_conv_backward",
    "modulated_deform_conv_forward",
    "nms",
    "roi_align_backward",
    "roi_align_forward",
    "sigmoid_focal_loss_backward",
    "sigmoid_focal_loss_forward",
    "softnms",
]


def get_compiler_version() -> str:
    """What mmcv's collect_env prints as its compiler."""
    return f"none (stages.model.ops on torchvision {torchvision.__version__})"


def get_compiling_cuda_version() -> str:
    """What mmcv's collect_env prints as the CUDA version of its ops."""
    return torch.version.cuda or "none"


def refuse(op: str, *args, **kwargs):
    """Raise NotImplementedError, in one line: which op is missing and what installs it."""
    raise NotImplementedError(
        f"mmcv op '{op}' needs compiled mmcv, and stages.model.ops has no stand-in for it: run "
        "`pip uninstall mmcv-lite` and `pip install --no-build-isolation --no-deps mmcv==2.1.0` "
        f"(builds from source against torch {torch.__version__}; needs a C++ compiler, and nvcc "
        "for CUDA)"
    )


def __getattr__(name: str):
    # mmcv's load_ext asserts hasattr for every op as soon as mmcv.ops is imported, so a missing op
    # may fail only when called. Names with an underscore are Python's own questions (copy, pickle,
    # inspect).
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return partial(refuse, name)
