"""The composed configs: what each cell becomes, and that MMDetection takes it without this project."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

import stages.model.ops  # noqa: F401
from stages.model import schedule
from stages.model.compose import compose
from stages.study.params import load

CLASSES = ["a", "b", "c"]
STUDY = load()
FULL = dataclasses.replace(STUDY, scale="full")


@pytest.mark.parametrize("name", STUDY.cells)
def test_a_cell_is_what_its_row_says(name):
    cell = STUDY.cells[name]
    cfg = compose(name, FULL, CLASSES, "images")
    backbones = {"r50": ("ResNet", 50), "r101": ("ResNet", 101), "x101": ("ResNeXt", 101),
                 "swin_t": ("SwinTransformer", [2, 2, 6, 2]), "swin_l": ("SwinTransformer", [2, 2, 18, 2])}
    kind, depth = backbones[cell.backbone]
    assert cfg.model.backbone.type == kind
    assert cfg.model.backbone.get("depth", cfg.model.backbone.get("depths")) == depth
    assert cfg.model.neck.type == cell.neck.upper() and cfg.model.neck.out_channels == 256
    assert cfg.model.type == {"faster_rcnn": "FasterRCNN", "cascade_rcnn": "CascadeRCNN"}[cell.detector]
    assert cfg.optim_wrapper.optimizer.type == {"sgd": "SGD", "adamw": "AdamW"}[cell.optimizer]
    heads = cfg.model.roi_head.bbox_head
    assert {head.num_classes for head in (heads if isinstance(heads, list) else [heads])} == {3}
    resizes = [step for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
               for step in loader.dataset.pipeline if step.type == "Resize"]
    assert {tuple(step.scale) for step in resizes} == {(cell.image_size, cell.image_size)} and len(resizes) == 3


@pytest.mark.parametrize(("name", "zoo"), [
    ("faster_rcnn-r50-fpn-sgd-512", "faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"),
    ("faster_rcnn-x101-fpn-sgd-512", "faster_rcnn/faster-rcnn_x101-32x4d_fpn_1x_coco.py"),
    ("cascade_rcnn-r101-fpn-sgd-1024", "cascade_rcnn/cascade-rcnn_r101_fpn_1x_coco.py"),
])
def test_at_scale_full_a_model_is_the_zoos(name, zoo):
    theirs = Config.fromfile(f"{stages_zoo()}/{zoo}").model.to_dict()
    heads = theirs["roi_head"]["bbox_head"]
    for head in heads if isinstance(heads, list) else [heads]:
        head["num_classes"] = 3
    assert compose(name, FULL, CLASSES, "images").model.to_dict() == theirs


def stages_zoo() -> str:
    import mmdet
    return f"{mmdet.__path__[0]}/.mim/configs"


def test_the_learning_rate_is_linear_in_the_batch():
    name = "faster_rcnn-r50-fpn-sgd-512"
    cell = dataclasses.replace(STUDY.cells[name], lr=0.02, batch_size=4)
    assert schedule.learning_rate(cell, STUDY) == pytest.approx(0.005)
    assert schedule.learning_rate(dataclasses.replace(cell, batch_size=16), STUDY) == pytest.approx(0.02)


@pytest.mark.parametrize("name", STUDY.cells)
def test_every_miniature_builds_and_takes_a_step(name):
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    torch.set_num_threads(1)
    torch.manual_seed(0)
    cfg = compose(name, STUDY, CLASSES, "images")
    init_default_scope("mmdet")
    model = MODELS.build(cfg.model)
    assert cfg.model.backbone.init_cfg is None
    assert sum(parameter.numel() for parameter in model.parameters()) < 12e6
    samples = []
    for _ in range(2):
        sample = DetDataSample(metainfo={"img_shape": (64, 64), "ori_shape": (64, 64), "pad_shape": (64, 64),
                                         "batch_input_shape": (64, 64), "scale_factor": (1, 1), "img_id": 1})
        sample.gt_instances = InstanceData(bboxes=torch.tensor([[4.0, 4, 40, 50]]), labels=torch.tensor([2]))
        samples.append(sample)
    losses = model.loss(torch.randn(2, 3, 64, 64), samples)
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)
    # The loss reaches the first layer: nothing is frozen where nothing is pretrained.
    assert next(model.backbone.parameters()).grad.abs().sum() > 0


def test_unfrozen_only_from_scratch():
    name = "faster_rcnn-r50-fpn-sgd-512"
    assert compose(name, STUDY, CLASSES, "images").model.backbone.frozen_stages == -1
    assert compose(name, FULL, CLASSES, "images").model.backbone.frozen_stages == 1
