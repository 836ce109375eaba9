"""Sigmoid focal loss with the signatures of mmcv._ext. Source: Lin et al. 2017, arXiv:1708.02002,
equation 5.

input (N, C) are logits x, target (N,) int64 is the class of each row; any value outside 0..C-1
(mmdet writes C) means background. With p = sigmoid(x): the loss at a row's own class is -alpha
(1-p)^gamma log p, and elsewhere -(1-alpha) p^gamma log(1-p). weight is (C,), one factor per target
class, or empty for none.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import widened


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the loss of every logit to output (N, C).

    Raises ValueError if there are class weights and a target outside 0..C-1, for which there is no
    weight.
    """
    x, weight = widened(input, weight)
    p, own = x.sigmoid(), _own_class(x, target)
    positive = -alpha * (1 - p) ** gamma * F.logsigmoid(x)
    negative = -(1 - alpha) * p**gamma * F.logsigmoid(-x)
    output.copy_(torch.where(own, positive, negative) * _row_weight(weight, target))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the derivative of each logit's loss to grad_input (N, C). Raises ValueError as the
    forward does.

    With dp/dx = p(1-p): -alpha (1-p)^gamma (1 - p - gamma p log p) at the own class, and elsewhere
    (1-alpha) p^gamma (p - gamma (1-p) log(1-p)).
    """
    x, weight = widened(input, weight)
    p, own = x.sigmoid(), _own_class(x, target)
    positive = -alpha * (1 - p) ** gamma * (1 - p - gamma * p * F.logsigmoid(x))
    negative = (1 - alpha) * p**gamma * (p - gamma * (1 - p) * F.logsigmoid(-x))
    grad_input.copy_(torch.where(own, positive, negative) * _row_weight(weight, target))


def _own_class(x: Tensor, target: Tensor) -> Tensor:
    return target[:, None] == torch.arange(x.shape[1], device=x.device)


def _row_weight(weight: Tensor, target: Tensor) -> Tensor:
    if not weight.numel():
        return weight.new_ones(())
    if ((target < 0) | (target >= len(weight))).any():
        raise ValueError(
            f"class weights need targets in 0..{len(weight) - 1}: background has no weight"
        )
    return weight[target][:, None]
