"""Deformable convolution, versions 1 and 2, with the signatures of mmcv._ext.

Sources: Dai et al. 2017, arXiv:1703.06211; Zhu et al. 2018, arXiv:1811.11168 (with a mask). mmcv
and torchvision agree on every layout: input (N, C, H, W), weight (C_out, C / group, kH, kW), offset
(N, deformable_group * kH * kW * 2, H_out, W_out) as y, x pairs in pixels of input, mask
(N, deformable_group * kH * kW, H_out, W_out). `geometry` is what mmcv passes by keyword: _unmasked
and _masked below list it. mmcv's scratch tensors (columns, ones) and im2col_step are accepted and
ignored. Results are written to the tensors that the caller passes.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .precision import widened


class Geometry(NamedTuple):
    """Pixels and counts, in the order in which torchvision's ops take them."""

    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    dilation_h: int
    dilation_w: int
    group: int
    deformable_group: int


class Gradients(NamedTuple):
    """In the order in which torchvision's backward returns them."""

    input: Tensor
    weight: Tensor
    offset: Tensor
    mask: Tensor
    bias: Tensor


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **geometry,
) -> None:
    """Write the convolution to output (N, C_out, H_out, W_out)."""
    output.copy_(_forward(input, weight, offset, None, None, _unmasked(**geometry)))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **geometry,
) -> None:
    """Write grad_input and grad_offset, shaped like input and offset."""
    grads = _backward(grad_output, input, weight, offset, None, _unmasked(**geometry))
    grad_input.copy_(grads.input)
    grad_offset.copy_(grads.offset)


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float,
    **geometry,
) -> None:
    """Write grad_weight, shaped like weight and multiplied by `scale`."""
    # The op wants a weight, though its own gradient does not depend on it.
    weight = torch.zeros_like(grad_weight)
    grads = _backward(grad_output, input, weight, offset, None, _unmasked(**geometry))
    grad_weight.copy_(grads.weight * scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    **geometry,
) -> None:
    """Write the convolution, each sample times its mask, to output (N, C_out, H_out, W_out)."""
    window, with_bias = _masked(**geometry)
    if not with_bias:
        bias = None
    output.copy_(_forward(input, weight, offset, mask, bias, window))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    **geometry,
) -> None:
    """Write the five gradients, shaped like their namesakes; grad_bias only if with_bias."""
    window, with_bias = _masked(**geometry)
    grads = _backward(grad_output, input, weight, offset, mask, window)
    grad_input.copy_(grads.input)
    grad_weight.copy_(grads.weight)
    grad_offset.copy_(grads.offset)
    grad_mask.copy_(grads.mask)
    if with_bias:
        grad_bias.copy_(grads.bias)


def _unmasked(
    kW, kH, dW, dH, padW, padH, dilationW, dilationH, group, deformable_group, im2col_step
) -> Geometry:
    return Geometry(dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)


def _masked(kernel_h, kernel_w, with_bias, **geometry) -> tuple[Geometry, bool]:
    return Geometry(**geometry), with_bias


def _forward(input, weight, offset, mask, bias, geometry: Geometry) -> Tensor:
    args = _tensors(input, weight, offset, mask, bias)
    return torch.ops.torchvision.deform_conv2d(*args, *geometry, mask is not None)


def _backward(grad_output, input, weight, offset, mask, geometry: Geometry) -> Gradients:
    grad, *args = widened(grad_output, *_tensors(input, weight, offset, mask, None))
    backward = torch.ops.torchvision._deform_conv2d_backward
    return Gradients(*backward(grad, *args, *geometry, mask is not None))


def _tensors(input, weight, offset, mask, bias) -> list[Tensor]:
    """All five in one dtype; an absent mask or bias becomes the placeholder that torchvision's op
    expects."""
    if mask is None:
        mask = input.new_zeros(len(input), 1)
    if bias is None:
        bias = input.new_zeros(len(weight))
    return widened(input, weight, offset, mask, bias)
