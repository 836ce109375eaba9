"""Ops with a backward, on the stand-in, against torchvision, a slow reference and finite differences."""

import numpy as np
import pytest
import torch
import torchvision

from stages.model.ops import extension

# isort: split
# mmcv.ops cannot be imported before the stand-in is in place.
from mmcv.ops import (
    DeformConv2d,
    ModulatedDeformConv2d,
    deform_conv2d,
    modulated_deform_conv2d,
    roi_align,
    sigmoid_focal_loss,
)

ROIS = torch.tensor(
    [[0, 1.2, 0.7, 25.1, 19.3], [1, -6, -4, 9, 8.5], [1, 22, 30, 60, 44], [0, 5, 5, 5.4, 5.2]],
    dtype=torch.float64,
)


def slow_roi_align(image, roi, bins, scale, ratio, aligned):
    """image (C, H, W), roi x1 y1 x2 y2 -> (C, bins, bins)."""
    height, width = image.shape[1:]

    def sample(y, x):
        if not (-1 <= y <= height and -1 <= x <= width):
            return 0
        y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
        tent_y = np.maximum(0, 1 - np.abs(np.arange(height) - y))
        tent_x = np.maximum(0, 1 - np.abs(np.arange(width) - x))
        return np.einsum("chw,h,w->c", image, tent_y, tent_x)

    x1, y1, x2, y2 = np.asarray(roi) * scale - (0.5 if aligned else 0)
    roi_width, roi_height = x2 - x1, y2 - y1
    if not aligned:
        roi_width, roi_height = max(roi_width, 1), max(roi_height, 1)
    across, down = (ratio or int(np.ceil(extent / bins)) for extent in (roi_width, roi_height))
    out = np.zeros((len(image), bins, bins))
    for row, column in np.ndindex(bins, bins):
        ys = y1 + roi_height / bins * (row + (np.arange(down) + 0.5) / down)
        xs = x1 + roi_width / bins * (column + (np.arange(across) + 0.5) / across)
        out[:, row, column] = sum(sample(y, x) for y in ys for x in xs) / (down * across)
    return out


@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("aligned", [True, False])
def test_roi_align_matches_reference_torchvision_and_finite_differences(aligned, ratio):
    features = torch.rand(2, 3, 9, 13, dtype=torch.float64, requires_grad=True)
    args = ROIS, 3, 0.25, ratio
    out = roi_align(features, *args, "avg", aligned)
    images = features.detach().numpy()
    slow = [slow_roi_align(images[int(r[0])], r[1:], 3, 0.25, ratio, aligned) for r in ROIS]
    np.testing.assert_allclose(out.detach(), np.stack(slow), atol=1e-12)

    theirs = torchvision.ops.roi_align(features, *args, aligned)
    upstream = torch.rand_like(out)
    assert torch.equal(out, theirs)
    grads = [torch.autograd.grad(o, features, upstream)[0] for o in (out, theirs)]
    torch.testing.assert_close(*grads)
    assert torch.autograd.gradcheck(lambda f: roi_align(f, *args, "avg", aligned), features)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_roi_align_in_half_precision(dtype):
    features = torch.rand(2, 3, 9, 13).to(dtype).requires_grad_()
    wide = features.detach().float().requires_grad_()
    rois = ROIS.to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        out = roi_align(features, rois, 3, 0.25)
        out.sum().backward()
    expected = roi_align(wide, rois.float(), 3, 0.25)
    expected.sum().backward()
    assert out.dtype == features.grad.dtype == dtype
    torch.testing.assert_close(out.float(), expected, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(features.grad.float(), wide.grad, rtol=1e-2, atol=1e-2)


def test_roi_align_of_no_regions():
    features = torch.rand(2, 3, 8, 8, requires_grad=True)
    out = roi_align(features, torch.zeros(0, 5), (3, 2))
    out.sum().backward()
    assert out.shape == (0, 3, 3, 2) and features.grad.eq(0).all()


def test_roi_align_refuses_max_pooling():
    with pytest.raises(NotImplementedError, match="pool_mode='avg'"):
        roi_align(torch.rand(1, 1, 4, 4), torch.rand(1, 5), 2, 1.0, 2, "max")


def deformable_case(modulated: bool):
    """Two weight groups, three offset groups, and different numbers for height and width throughout."""
    random = torch.Generator().manual_seed(0)
    n, size, kernel = 2, (3, 7), (3, 2)
    taps = 3 * kernel[0] * kernel[1]
    shapes = dict(
        input=(n, 6, 7, 6), offset=(n, 2 * taps, *size), weight=(4, 3, *kernel), bias=(4,)
    )
    t = {
        k: torch.rand(s, generator=random, dtype=torch.float64).requires_grad_()
        for k, s in shapes.items()
    }
    place = dict(stride=(2, 1), padding=(1, 2), dilation=(2, 3))
    if not modulated:
        inputs = [t["input"], t["offset"], t["weight"]]
        ours = lambda *x: deform_conv2d(*x, *place.values(), 2, 3)  # noqa: E731
        return inputs, ours, lambda i, o, w: torchvision.ops.deform_conv2d(i, o, w, **place)
    mask = torch.rand(n, taps, *size, generator=random, dtype=torch.float64).requires_grad_()
    inputs = [t["input"], t["offset"], mask, t["weight"], t["bias"]]
    ours = lambda *x: modulated_deform_conv2d(*x, *place.values(), 2, 3)  # noqa: E731
    return (
        inputs,
        ours,
        lambda i, o, m, w, b: torchvision.ops.deform_conv2d(i, o, w, b, mask=m, **place),
    )


@pytest.mark.parametrize("modulated", [False, True])
def test_deform_conv_matches_torchvision_and_finite_differences(modulated):
    inputs, ours, theirs = deformable_case(modulated)
    out, expected = ours(*inputs), theirs(*inputs)
    torch.testing.assert_close(out, expected)
    upstream = torch.rand_like(out)
    grads = [torch.autograd.grad(o, inputs, upstream) for o in (out, expected)]
    torch.testing.assert_close(*grads)
    assert all(grad.abs().sum() > 0 for grad in grads[0])
    assert torch.autograd.gradcheck(ours, inputs, fast_mode=True)


def test_deform_conv_without_bias_or_offset_is_a_convolution():
    x, offset, mask = torch.rand(2, 4, 6, 6), torch.zeros(2, 18, 6, 6), torch.ones(2, 9, 6, 6)
    first = DeformConv2d(4, 3, 3, padding=1)
    second = ModulatedDeformConv2d(4, 3, 3, padding=1, bias=False)
    with torch.autocast("cpu", torch.bfloat16):
        for layer, out in ((first, first(x, offset)), (second, second(x, offset, mask))):
            out.sum().backward()
            plain = torch.nn.functional.conv2d(x.double(), layer.weight.double(), padding=1)
            torch.testing.assert_close(out.double(), plain, rtol=1e-5, atol=1e-5)
            assert layer.weight.grad.dtype == torch.float32


def test_deform_conv_backward_scales_the_weight_gradient():
    place = dict(kW=3, kH=3, dW=1, dH=1, padW=0, padH=0, dilationW=1, dilationH=1)
    place.update(group=1, deformable_group=1, im2col_step=1)
    x, offset, upstream = torch.rand(1, 2, 5, 5), torch.rand(1, 18, 3, 3), torch.rand(1, 4, 3, 3)
    grads = {}
    for scale in (1, 3):
        grads[scale], nothing = torch.zeros(4, 2, 3, 3), torch.zeros(0)
        extension.deform_conv_backward_parameters(
            x, offset, upstream, grads[scale], nothing, nothing, scale=scale, **place
        )
    torch.testing.assert_close(grads[3], 3 * grads[1])


# Class 3 of 3 is background, as mmdet writes it.
LOGITS = torch.tensor(
    [[-2.0, 0.3, 4], [0.1, -0.2, 0.5], [9, -9, 0], [1, 2, -30]], dtype=torch.float64
)
TARGET = torch.tensor([0, 3, 1, 2])


@pytest.mark.parametrize("gamma", [0, 0.5, 2])
def test_sigmoid_focal_loss_matches_torchvision_and_finite_differences(gamma):
    x = LOGITS.clone().requires_grad_()
    ours = sigmoid_focal_loss(x, TARGET, gamma, 0.3, None, "none")
    one_hot = torch.nn.functional.one_hot(TARGET, 4)[:, :3].double()
    theirs = torchvision.ops.sigmoid_focal_loss(x, one_hot, 0.3, gamma)
    torch.testing.assert_close(ours, theirs)
    grads = [torch.autograd.grad(loss.sum(), x)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*grads)
    assert torch.autograd.gradcheck(
        lambda x: sigmoid_focal_loss(x, TARGET, gamma, 0.3, None, "mean"), x
    )


def test_sigmoid_focal_loss_weights_rows_by_their_class():
    target, weight = torch.tensor([0, 2, 1, 2]), torch.tensor([1.0, 10, 100], dtype=torch.float64)
    x = LOGITS.clone().requires_grad_()
    losses = [sigmoid_focal_loss(x, target, 2.0, 0.25, w, "none") for w in (weight, None)]
    torch.testing.assert_close(losses[0], losses[1] * weight[target][:, None])
    grads = [torch.autograd.grad(loss.sum(), x)[0] for loss in losses]
    torch.testing.assert_close(grads[0], grads[1] * weight[target][:, None])
    with pytest.raises(ValueError, match="background has no weight"):
        sigmoid_focal_loss(x, TARGET, 2.0, 0.25, weight)


def test_sigmoid_focal_loss_of_extreme_halves_and_of_nothing():
    x = torch.tensor([[100.0, -100], [-100, 100]], dtype=torch.bfloat16, requires_grad=True)
    loss = sigmoid_focal_loss(x, torch.tensor([0, 0]), 2.0, 0.25, None, "none")
    loss.sum().backward()
    assert loss.tolist() == [[0, 0], [25, 75]] and x.grad.isfinite().all()
    none = torch.zeros(0, 3, requires_grad=True)
    sigmoid_focal_loss(none, torch.zeros(0, dtype=torch.long), 2.0, 0.25, None, "sum").backward()
    assert none.grad.shape == (0, 3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_what_the_cpu_gives():
    def run(function, inputs, device):
        inputs = [x.detach().to(device).requires_grad_() for x in inputs]
        out = function(*inputs)
        return [t.cpu() for t in (out, *torch.autograd.grad(out.sum(), inputs))]

    cases = [deformable_case(modulated)[1::-1] for modulated in (False, True)]
    cases.append((lambda f: roi_align(f, ROIS.to(f), 3, 0.25), [torch.rand(2, 3, 9, 13)]))
    cases.append(
        (lambda x: sigmoid_focal_loss(x, TARGET.to(x.device), 2.0, 0.25, None, "none"), [LOGITS])
    )
    for function, inputs in cases:
        torch.testing.assert_close(run(function, inputs, "cuda"), run(function, inputs, "cpu"))
    with torch.autocast("cuda", torch.bfloat16):
        features = torch.rand(2, 3, 9, 13, device="cuda", dtype=torch.bfloat16, requires_grad=True)
        roi_align(features, ROIS.to(features), 3, 0.25).sum().backward()
    assert features.grad.dtype == torch.bfloat16 and features.grad.isfinite().all()
