"""Non-maximum suppression as mmcv.ops offers it on the stand-in, against slow numpy references."""

import numpy as np
import pytest
import torch
import torchvision

import stages.model.ops  # noqa: F401  mmcv.ops cannot be imported before it

# isort: split
from mmcv.ops import batched_nms, nms, soft_nms


def random_boxes(
    count: int, seed: int = 0, extent: float = 40
) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, extent, (count, 2)), rng.uniform(2, extent / 2, (count, 2))
    scores = rng.permutation(np.linspace(0.05, 1, count))
    return torch.tensor(np.hstack([corner, corner + size])).float(), torch.tensor(scores).float()


def iou(a: np.ndarray, b: np.ndarray, offset: int) -> float:
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
    area = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)]
    return width * height / (sum(area) - width * height)


def slow_nms(boxes, scores, threshold: float, offset: int) -> list[int]:
    kept = []
    for i in np.argsort(-np.asarray(scores)):
        if all(iou(boxes[i], boxes[k], offset) <= threshold for k in kept):
            kept.append(int(i))
    return kept


def slow_soft_nms(boxes, scores, threshold, sigma, min_score, method, offset):
    live, kept = dict(enumerate(map(float, scores))), []
    while live:
        best = max(live, key=live.get)
        kept.append((best, live.pop(best)))
        for i in list(live):
            overlap = iou(boxes[best], boxes[i], offset)
            hit = overlap >= threshold
            live[i] *= {
                "naive": 0 if hit else 1,
                "linear": 1 - overlap if hit else 1,
                "gaussian": np.exp(-(overlap**2) / sigma),
            }[method]
            if live[i] < min_score:
                del live[i]
    return kept


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_nms_matches_slow_reference(offset, threshold):
    boxes, scores = random_boxes(120)
    dets, kept = nms(boxes, scores, threshold, offset=offset)
    expected = slow_nms(boxes.numpy(), scores, threshold, offset)
    assert kept.tolist() == expected and 5 < len(kept) < 115
    assert torch.equal(dets, torch.cat([boxes, scores[:, None]], 1)[kept])
    if not offset:
        assert torch.equal(kept, torchvision.ops.nms(boxes, scores, threshold))


def test_nms_offset_counts_the_last_pixel():
    boxes = torch.tensor([[0.0, 0, 3, 0], [0, 0, 3, 0], [4, 0, 9, 0]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    assert nms(boxes, scores, 0.5, offset=0)[1].tolist() == [0, 1, 2]
    assert nms(boxes, scores, 0.5, offset=1)[1].tolist() == [0, 2]


def test_batched_nms_keeps_classes_apart():
    boxes, scores = random_boxes(150, seed=1)
    classes = torch.arange(150) % 3
    _, kept = batched_nms(boxes, scores, classes, dict(type="nms", iou_threshold=0.3))
    expected = []
    for k in range(3):
        members = (classes == k).nonzero().flatten()
        expected += members[slow_nms(boxes[members].numpy(), scores[members], 0.3, 0)].tolist()
    assert kept.tolist() == sorted(expected, key=lambda i: -scores[i])


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
def test_soft_nms_matches_slow_reference(method, offset):
    boxes, scores = random_boxes(80, seed=2)
    dets, kept = soft_nms(boxes, scores, 0.3, 0.5, 0.2, method, offset)
    expected = slow_soft_nms(boxes.numpy(), scores, 0.3, 0.5, 0.2, method, offset)
    assert kept.tolist() == [i for i, _ in expected] and 5 < len(kept) < 80
    assert torch.equal(dets[:, :4], boxes[kept])
    np.testing.assert_allclose(dets[:, 4], [score for _, score in expected], rtol=1e-5)


def test_soft_nms_keeps_the_first_pick_and_survives_empty_boxes():
    boxes = torch.zeros(2, 4)
    assert soft_nms(boxes, torch.tensor([0.1, 0.05]), min_score=0.5)[1].tolist() == [0]
    dets, _ = soft_nms(boxes, torch.tensor([0.9, 0.8]), method="gaussian")
    assert dets[:, 4].tolist() == pytest.approx([0.9, 0.8])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_suppression_in_half_precision_on_cpu(dtype):
    boxes, scores = random_boxes(20)
    boxes, scores = boxes.to(dtype), scores.to(dtype)
    wide = boxes.float(), scores.float()
    assert torch.equal(nms(boxes, scores, 0.3)[1], nms(*wide, 0.3)[1])
    assert torch.equal(soft_nms(boxes, scores)[1], soft_nms(*wide)[1])


def test_suppression_of_nothing():
    boxes, scores = torch.zeros(0, 4), torch.zeros(0)
    for function in (nms, soft_nms):
        dets, kept = function(boxes, scores, 0.5)
        assert dets.shape == (0, 5) and kept.shape == (0,) and kept.dtype == torch.int64
