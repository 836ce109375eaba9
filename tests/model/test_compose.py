"""The composed configs: what each cell becomes, and that its miniature trains. For the zoo's models see test_zoo.py."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from built import on_meta, one_step, shapes

from stages.data.demo.render import SMALL_SIDES
from stages.model import schedule
from stages.model.compose import backbone_config, compose
from stages.study.params import load_study

CLASSES = ["a", "b", "c"]
STUDY = load_study()
FULL = dataclasses.replace(STUDY, scale="full")
SCRATCH = dataclasses.replace(
    FULL, scales={"full": dataclasses.replace(FULL.training, weights="none")}
)


@pytest.mark.parametrize("name", STUDY.cells)
def test_a_cell_is_what_its_row_says(name):
    cell = STUDY.cells[name]
    cfg = compose(name, FULL, CLASSES, "images")
    assert cfg.model.neck.type == cell.neck.upper()
    assert (
        cfg.model.type
        == {"faster_rcnn": "FasterRCNN", "cascade_rcnn": "CascadeRCNN"}[cell.detector]
    )
    assert cfg.optim_wrapper.optimizer.type == {"sgd": "SGD", "adamw": "AdamW"}[cell.optimizer]
    heads = cfg.model.roi_head.bbox_head
    assert {head.num_classes for head in (heads if isinstance(heads, list) else [heads])} == {3}
    resizes = [
        step
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
        for step in loader.dataset.pipeline
        if step.type == "Resize"
    ]
    assert {tuple(step.scale) for step in resizes} == {(cell.image_size, cell.image_size)} and len(
        resizes
    ) == 3


def test_the_learning_rate_is_linear_in_the_batch():
    name = "faster_rcnn-r50-fpn-sgd-512"
    cell = dataclasses.replace(STUDY.cells[name], lr=0.02, batch_size=4)
    assert schedule.learning_rate(cell, STUDY) == pytest.approx(0.005)
    assert schedule.learning_rate(dataclasses.replace(cell, batch_size=16), STUDY) == pytest.approx(
        0.02
    )


# One cell of each model; image size and optimizer are no part of it.
MODELS = {(cell.detector, cell.backbone, cell.neck): name for name, cell in STUDY.cells.items()}


@pytest.mark.parametrize("name", MODELS.values())
def test_every_miniature_builds_and_takes_a_step(name):
    cfg = compose(name, STUDY, CLASSES, "images")
    assert cfg.model.backbone.init_cfg is None
    loss, model = one_step(cfg.model)
    assert sum(parameter.numel() for parameter in model.parameters()) < 12e6
    assert torch.isfinite(loss)
    # The loss reaches the first layer: nothing is frozen where nothing is pretrained.
    assert next(model.backbone.parameters()).grad.abs().sum() > 0


@pytest.mark.parametrize("name", MODELS.values())
def test_a_small_box_of_the_demo_set_has_an_anchor_in_miniature(name):
    cell = STUDY.cells[name]
    model = compose(name, STUDY, CLASSES, "images").model
    generator = model.rpn_head.anchor_generator
    finest = generator.strides[0]
    anchors = finest * torch.tensor(generator.scales, dtype=torch.float)
    side = sum(SMALL_SIDES) / 2 * schedule.pixels(cell, STUDY)
    # Both are squares about one point, so that the smaller lies within the larger.
    overlaps = (anchors.clamp(max=side) / anchors.clamp(min=side)) ** 2
    assert overlaps.max() >= model.train_cfg.rpn.assigner.min_pos_iou


@pytest.mark.parametrize("backbone", STUDY.backbones)
def test_unfrozen_only_from_scratch(backbone):
    """MMDetection freezes stem and first stage of pretrained convolutional backbones, and nothing of Swin."""

    def frozen(study):
        return backbone_config(backbone, study).get(
            "frozen_stages", 1 if backbone.startswith(("r", "x")) else -1
        )

    assert frozen(STUDY) == frozen(SCRATCH) == -1
    assert frozen(FULL) == (-1 if backbone.startswith("swin") else 1)
    assert backbone_config(backbone, SCRATCH)["init_cfg"] is None
    assert backbone_config(backbone, FULL)["init_cfg"]["type"] == "Pretrained"


@pytest.mark.parametrize("backbone", STUDY.backbones)
def test_stage_weights_builds_the_backbone_of_the_models(backbone):
    name = next(name for name, cell in STUDY.cells.items() if cell.backbone == backbone)
    theirs = compose(name, FULL, CLASSES, "images").model.backbone
    assert shapes(on_meta({**backbone_config(backbone, FULL), "init_cfg": None})) == shapes(
        on_meta({**theirs, "init_cfg": None})
    )
