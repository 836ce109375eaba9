"""RoIAlign with the signatures of mmcv._ext. Source: He et al. 2017, arXiv:1703.06870, section
3."""

import torch
from torch import Tensor

from .precision import widened

MAX = 0


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the average of each bin of each region to output (K, C, aligned_height, aligned_width).

    input (N, C, H, W); rois (K, 5) are image index, x1 y1 x2 y2 in pixels of the image, and
    spatial_scale takes these to pixels of input. A bin is sampled sampling_ratio x sampling_ratio
    times; 0 means about once a pixel. `aligned` shifts by half a pixel, so that integers are
    corners of pixels and not their centres. argmax_y and argmax_x belong to pool_mode 0 and are
    left alone.

    Raises NotImplementedError for pool_mode 0 (max), which torchvision has not.
    """
    _refuse_max(pool_mode)
    features, regions = widened(input, rois)
    bins = (aligned_height, aligned_width)
    forward = torch.ops.torchvision.roi_align
    output.copy_(forward(features, regions, spatial_scale, *bins, sampling_ratio, aligned))


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write to grad_input (N, C, H, W) the gradient that belongs to grad_output (K, C, height,
    width).

    Raises NotImplementedError for pool_mode 0 (max), and torch's RuntimeError on CUDA under
    torch.use_deterministic_algorithms(True): the kernel adds atomically, as compiled mmcv's does
    unsaid.
    """
    _refuse_max(pool_mode)
    grad, regions = widened(grad_output, rois)
    bins = (aligned_height, aligned_width)
    backward = torch.ops.torchvision._roi_align_backward
    grad_input.copy_(
        backward(grad, regions, spatial_scale, *bins, *grad_input.shape, sampling_ratio, aligned)
    )


def _refuse_max(pool_mode: int) -> None:
    if pool_mode == MAX:
        raise NotImplementedError(
            "RoIAlign with pool_mode='max' needs compiled mmcv: use pool_mode='avg'"
        )
