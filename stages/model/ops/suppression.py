"""Non-maximum suppression with the signatures of mmcv._ext."""

import torch
import torchvision
from torch import Tensor

from .precision import widened

NAIVE, LINEAR, GAUSSIAN = range(3)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Indices (K,) int64 of the boxes kept, highest score first.

    boxes (N, 4) are x1 y1 x2 y2 in pixels, scores (N,). A box goes if its IoU with a better one
    that stays is above `iou_threshold`. `offset` 1 counts a box's last pixel in:
    width = x2 - x1 + 1.

    Equal scores: torchvision takes the lower index first, compiled mmcv leaves the order open. Only
    the order of such ties, and which of them suppresses the other, can differ between the two.
    """
    boxes, scores = widened(boxes, scores)
    return torchvision.ops.nms(_inclusive(boxes, offset), scores, iou_threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS (Bodla et al. 2017, arXiv:1704.04503): lowers the scores of overlapping boxes.

    boxes (N, 4) x1 y1 x2 y2 in pixels, scores (N,). Writes the K boxes that stay, with their new
    scores, to dets[:K] of dets (N, 5) and returns their indices (K,) int64, in the order in which
    they were picked. Each pick multiplies the score of every box not yet picked by a factor of
    their IoU:
    `method` 0, naive: 0 if IoU >= iou_threshold; 1, linear: 1 - IoU if IoU >= iou_threshold;
    2, gaussian: exp(-IoU^2 / sigma), without a threshold. Boxes below `min_score` are then dropped;
    the first pick stays whatever its score. The IoU of two empty boxes counts as 0 (compiled mmcv:
    NaN). One step of torch ops per pick: about 0.5 s for 1,000 picks on one core.

    Raises ValueError for another `method`.
    """
    if method not in (NAIVE, LINEAR, GAUSSIAN):
        raise ValueError(
            f"softnms method must be 0 (naive), 1 (linear) or 2 (gaussian), not {method}"
        )
    boxes, scores = widened(boxes, scores)
    shifted = _inclusive(boxes, offset)
    waiting = torch.arange(len(boxes), device=boxes.device)
    picked = []
    while len(waiting):
        best = int(scores.argmax())
        pick = waiting[best]
        dets[len(picked), :4] = boxes[pick]
        dets[len(picked), 4] = scores[best]
        picked.append(pick)
        not_picked = torch.arange(len(waiting), device=waiting.device) != best
        waiting, scores = waiting[not_picked], scores[not_picked]
        overlap = torchvision.ops.box_iou(shifted[pick, None], shifted[waiting])[0].nan_to_num(0)
        scores = scores * _decay(overlap, iou_threshold, sigma, method)
        stays = scores >= min_score
        waiting, scores = waiting[stays], scores[stays]
    if not picked:
        return waiting
    return torch.stack(picked)


def _inclusive(boxes: Tensor, offset: int) -> Tensor:
    # IoU with widths of x2 - x1 + offset is the plain IoU of boxes that end `offset` further.
    return boxes + boxes.new_tensor([0, 0, offset, offset])


def _decay(overlap: Tensor, iou_threshold: float, sigma: float, method: int) -> Tensor:
    if method == GAUSSIAN:
        return torch.exp(-overlap.square() / sigma)
    factor = 1 - overlap
    if method == NAIVE:
        factor = torch.zeros_like(overlap)
    return torch.where(overlap >= iou_threshold, factor, 1)
