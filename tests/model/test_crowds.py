"""Crowd boxes are neither background nor objects: on the output of the assigners that the composed configs name."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

import stages.model.ops  # noqa: F401  isort: skip  mmdet's models need it at import
from mmdet.models.task_modules.assigners import MaxIoUAssigner  # isort: skip
from mmdet.registry import MODELS, TASK_UTILS  # isort: skip
from mmdet.structures import DetDataSample  # isort: skip

from stages.model.compose import compose
from stages.study.params import load_study

STUDY = load_study()
NAMES = ("faster_rcnn-r50-fpn-sgd-512", "cascade_rcnn-r50-fpn-sgd-1024")
CROWD = [100.0, 100, 300, 300]
OBJECT = [120.0, 120, 180, 180]


def settings_of(name: str, scale: str) -> list[dict]:
    """Of the RPN's assigner and of each RoI head's."""
    train_cfg = compose(
        name, dataclasses.replace(STUDY, scale=scale), ["a", "b"], "images"
    ).model.train_cfg
    heads = train_cfg.rcnn if isinstance(train_cfg.rcnn, list) else [train_cfg.rcnn]
    return [part.assigner.to_dict() for part in (train_cfg.rpn, *heads)]


def instances(boxes: list[list[float]]) -> InstanceData:
    """boxes: x1, y1, x2, y2 in pixels."""
    return InstanceData(
        bboxes=torch.tensor(boxes).reshape(-1, 4), labels=torch.zeros(len(boxes), dtype=torch.long)
    )


def assigned(settings: dict, priors: torch.Tensor, objects: list, crowds: list) -> list[int]:
    init_default_scope("mmdet")
    assigner = TASK_UTILS.build(settings)
    return assigner.assign(
        InstanceData(priors=priors), instances(objects), instances(crowds)
    ).gt_inds.tolist()


@pytest.mark.parametrize(("name", "scale"), list(itertools.product(NAMES, ("full", "miniature"))))
def test_priors_in_a_crowd_are_ignored(name, scale):
    every = settings_of(name, scale)
    assert len(every) == (4 if name.startswith("cascade") else 2)
    priors = torch.tensor(
        [
            [200.0, 200, 260, 260],  # in the crowd
            OBJECT,  # in the crowd, and an object's own
            [280.0, 200, 340, 260],  # a third of it in the crowd
            [270.0, 200, 325, 260],  # more than half of it
            [400.0, 400, 460, 460],
        ]
    )  # elsewhere
    for settings in every:
        assert assigned(settings, priors, [OBJECT], [CROWD]) == [-1, 1, 0, -1, 0]
        # An image on which all is crowd has no object, and no background there either.
        assert assigned(settings, priors, [], [CROWD]) == [-1, -1, 0, -1, 0]


@pytest.mark.parametrize("name", NAMES)
def test_without_crowds_nothing_differs(name):
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(2000, 2, generator=generator) * 300
    priors = torch.cat(
        [corners, corners + 8 + torch.rand(2000, 2, generator=generator) * 120], dim=1
    )
    objects = priors[:40] + torch.rand(40, 4, generator=generator) * 10
    for settings in settings_of(name, "full"):
        plain = {**settings, "ignore_iof_thr": -1}
        assert plain.pop("type") == "CrowdAwareAssigner"
        theirs = MaxIoUAssigner(**plain).assign(
            InstanceData(priors=priors), instances(objects.tolist()), None
        )
        result = TASK_UTILS.build(settings).assign(
            InstanceData(priors=priors), instances(objects.tolist()), instances([])
        )
        assert torch.equal(result.gt_inds, theirs.gt_inds) and torch.equal(
            result.labels, theirs.labels
        )
        assert torch.equal(result.max_overlaps, theirs.max_overlaps) and (theirs.gt_inds > 0).any()


@pytest.mark.parametrize("name", NAMES)
def test_an_image_that_is_all_crowd_has_a_finite_loss(name):
    """No prior is left to learn from."""
    init_default_scope("mmdet")
    torch.manual_seed(0)
    model = MODELS.build(compose(name, STUDY, ["a", "b"], "images").model).train()
    side = (64, 64)
    sample = DetDataSample(
        metainfo={
            "img_shape": side,
            "ori_shape": side,
            "pad_shape": side,
            "batch_input_shape": side,
            "scale_factor": (1, 1),
            "img_id": 1,
        }
    )
    sample.gt_instances, sample.ignored_instances = (
        instances([]),
        instances([[-500.0, -500, 600, 600]]),
    )
    total, _ = model.parse_losses(model.loss(torch.randn(1, 3, *side), [sample]))
    total.backward()
    assert torch.isfinite(total)
