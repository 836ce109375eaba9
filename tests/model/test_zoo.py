"""At scale full every cell is MMDetection's own model with num_classes set, compared with the configs mmdet ships.

Compared are: the model part of the configs, key by key (detector, backbone, neck, anchors, losses, assigners,
samplers, test_cfg, data preprocessor); names and shapes of every tensor; the anchors of one image; what the
preprocessor makes of a pixel; both optimizers, to the weight decay of each parameter; the data pipelines.

Where the zoo has the model (ResNet and ResNeXt, FPN, both detectors) only the assigners differ: what lies in a crowd
box is no background here. The rest is composed of two: PAFPN of the zoo's pafpn config, Swin-T of its Mask R-CNN,
Swin-L of DINO, MobileNetV2 of YOLOv3. ALLOWED lists what differs from those, each with its reason; everything else is
equal.

What the study chooses differently, left out here: images whose longer side is 512 or 1024 (zoo: within 1333x800), 15
epochs with milestones 10 and 13 (zoo: 12, 8 and 11), 8 images a step with the rate scaled from 16 (zoo: 16), 500 steps
of warm-up for Swin too (zoo: 1000), SGD for Swin (zoo: AdamW; cells with adamw are the zoo's), AP at IoU 0.5 to choose
the best checkpoint.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmdet
import pytest
import torch
from built import on_meta, one_step, shapes
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.runner import checkpoint

from stages.model.compose import compose
from stages.study.params import Cell, load_study

import stages.model.ops  # noqa: F401  isort: skip  mmdet's models need it at import
from mmdet.registry import MODELS, TASK_UTILS  # isort: skip
from mmdet.structures import DetDataSample  # isort: skip

CLASSES = [f"class {number}" for number in range(10)]
STUDY = dataclasses.replace(load_study(), scale="full")
ZOO = Path(mmdet.__file__).parent / ".mim" / "configs"

# A model is its detector's with R-50 and FPN, and the backbone and neck of these.
DETECTORS = {
    "faster_rcnn": "faster_rcnn/faster-rcnn_{}_fpn_1x_coco.py",
    "cascade_rcnn": "cascade_rcnn/cascade-rcnn_{}_fpn_1x_coco.py",
}
RESNETS = {"r50": "r50", "r101": "r101", "x101": "x101-32x4d"}
OTHERS = {
    "swin_t": "swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py",
    "swin_l": "dino/dino-5scale_swin-l_8xb2-12e_coco.py",
    "mobilenet_v2": "yolo/yolov3_mobilenetv2_8xb24-ms-416-300e_coco.py",
}
PAFPN = "pafpn/faster-rcnn_r50_pafpn_1x_coco.py"

ABSENT = "absent"
ALLOWED: dict[str, dict[str, tuple[Any, Any]]] = {
    # DINO recomputes activations to save memory; what is computed is the same.
    "swin_l": {"backbone.with_cp": (False, True)},
    # YOLOv3 takes three levels and activates as YOLO does; FPN takes four, and the activation is the class's default,
    # ReLU6. Stem, first stage and batch statistics stay as with a pretrained ResNet. The zoo's name stands for another
    # file of weights than params.yaml names.
    "mobilenet_v2": {
        "backbone.out_indices": ((1, 2, 4, 6), (2, 4, 6)),
        "backbone.act_cfg.type": (ABSENT, "LeakyReLU"),
        "backbone.act_cfg.negative_slope": (ABSENT, 0.1),
        "backbone.frozen_stages": (1, ABSENT),
        "backbone.norm_eval": (True, ABSENT),
        "backbone.init_cfg.checkpoint": ("mmcls://mobilenet_v2", "open-mmlab://mmdet/mobilenet_v2"),
        "neck.in_channels": ([24, 32, 96, 320], [320, 96, 32]),
    },
}
ASSIGNERS = {"faster_rcnn": ("rpn", "rcnn"), "cascade_rcnn": ("rpn", "rcnn.0", "rcnn.1", "rcnn.2")}


@functools.cache
def config(path: str) -> Config:
    return Config.fromfile(ZOO / path)


@functools.cache
def ours(name: str) -> Config:
    return compose(name, STUDY, CLASSES, "images")


def zoo(path: str) -> dict[str, Any]:
    return config(path).model.to_dict()


def model_of(name: str) -> dict[str, Any]:
    return ours(name).model.to_dict()


def reference(cell: Cell) -> dict[str, Any]:
    """The zoo's model of a cell, or what two of its configs compose."""
    model = zoo(DETECTORS[cell.detector].format(RESNETS.get(cell.backbone, "r50")))
    if cell.backbone in OTHERS:
        other = zoo(OTHERS[cell.backbone])
        model["backbone"] = other["backbone"]
        model["neck"]["in_channels"] = other["neck"]["in_channels"]
    if cell.neck == "pafpn":
        model["neck"] = {**zoo(PAFPN)["neck"], "in_channels": model["neck"]["in_channels"]}
    heads = model["roi_head"]["bbox_head"]
    for head in heads if isinstance(heads, list) else [heads]:
        head["num_classes"] = len(CLASSES)
    return model


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything that is no dictionary and no list of them."""
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        yield key, value
        return
    for part, item in value.items():
        yield from leaves(item, f"{key}.{part}".lstrip("."))


def differences(first: dict, second: dict) -> dict[str, tuple[Any, Any]]:
    first, second = dict(leaves(first)), dict(leaves(second))
    return {
        key: (first.get(key, ABSENT), second.get(key, ABSENT))
        for key in sorted(first.keys() | second.keys())
        if first.get(key, ABSENT) != second.get(key, ABSENT)
    }


def crowds(cell: Cell) -> dict[str, tuple[Any, Any]]:
    """COCO's evaluation ignores a detection with half of its area in a crowd; the zoo trains it as background."""
    different = {}
    for part in ASSIGNERS[cell.detector]:
        different[f"train_cfg.{part}.assigner.type"] = ("CrowdAwareAssigner", "MaxIoUAssigner")
        different[f"train_cfg.{part}.assigner.ignore_iof_thr"] = (0.5, -1)
    return different


# One cell of each model; image size and optimizer are no part of it.
DISTINCT = list(
    {(cell.detector, cell.backbone, cell.neck): name for name, cell in STUDY.cells.items()}.values()
)


@pytest.mark.parametrize("name", STUDY.cells)
def test_the_model_is_the_zoos(name):
    cell = STUDY.cells[name]
    assert differences(model_of(name), reference(cell)) == ALLOWED.get(cell.backbone, {}) | crowds(
        cell
    )


@pytest.mark.parametrize("name", DISTINCT)
def test_names_and_shapes_are_the_zoos(name):
    cell = STUDY.cells[name]
    theirs = reference(cell)
    if cell.backbone == "mobilenet_v2":  # not YOLOv3's levels
        theirs["backbone"]["out_indices"] = (1, 2, 4, 6)
        theirs["neck"]["in_channels"] = [24, 32, 96, 320]
    assert shapes(on_meta(model_of(name))) == shapes(on_meta(theirs))


def test_swin_t_is_the_zoos_mask_rcnn_without_the_masks():
    model, theirs = model_of("faster_rcnn-swin_t-fpn-sgd-512"), zoo(OTHERS["swin_t"])
    theirs["roi_head"]["bbox_head"]["num_classes"] = len(CLASSES)
    names = shapes(on_meta(theirs))
    for part in ("mask_roi_extractor", "mask_head"):
        theirs["roi_head"].pop(part)
    assert differences(model, theirs) == crowds(STUDY.cells["faster_rcnn-swin_t-fpn-sgd-512"]) | {
        "type": ("FasterRCNN", "MaskRCNN"),
        "data_preprocessor.pad_mask": (ABSENT, True),
        "train_cfg.rcnn.mask_size": (ABSENT, 28),
        "test_cfg.rcnn.mask_thr_binary": (ABSENT, 0.5),
        # As in the zoo's Faster R-CNN: a box that no proposal meets at IoU 0.5 takes none.
        "train_cfg.rcnn.assigner.match_low_quality": (False, True),
    }
    assert shapes(on_meta(model)) == {
        name: shape for name, shape in names.items() if "mask_head" not in name
    }


def test_swin_l_is_the_zoos_in_atss_but_for_the_levels():
    """DyHead's ATSS is the zoo's detector with Swin-L and FPN; it leaves out the finest level."""
    theirs = zoo("dyhead/atss_swin-l-p4-w12_fpn_dyhead_ms-2x_coco.py")["backbone"]
    assert differences(model_of("faster_rcnn-swin_l-fpn-sgd-512")["backbone"], theirs) == {
        "out_indices": ((0, 1, 2, 3), (1, 2, 3))
    }


@pytest.mark.parametrize(
    "name", ["faster_rcnn-swin_l-fpn-sgd-512", "cascade_rcnn-r50-fpn-sgd-1024"]
)
def test_anchors(name):
    def anchors(model: dict) -> list[torch.Tensor]:
        generator = TASK_UTILS.build(model["rpn_head"]["anchor_generator"])
        return generator.grid_priors(
            [(128 >> level, 96 >> level) for level in range(5)], device="cpu"
        )

    found, wanted = anchors(model_of(name)), anchors(reference(STUDY.cells[name]))
    assert len(found) == len(wanted) == 5 and all(torch.equal(*pair) for pair in zip(found, wanted))
    # Three shapes of 8 strides' area at each place of the level with stride 4.
    assert found[0].shape == (128 * 96 * 3, 4)
    sides = found[0][:3, 2:] - found[0][:3, :2]
    assert sides.prod(1).tolist() == pytest.approx([32 * 32] * 3, rel=1e-4)
    assert (sides[:, 1] / sides[:, 0]).tolist() == pytest.approx([0.5, 1, 2], rel=1e-4)


def test_the_preprocessor_makes_rgb_of_imagenets_statistics():
    model = MODELS.build(model_of("faster_rcnn-r50-fpn-sgd-512")["data_preprocessor"])
    bgr = torch.tensor([10, 100, 200], dtype=torch.uint8)[:, None, None].expand(3, 40, 70)
    sample = DetDataSample(metainfo={"img_shape": (40, 70), "ori_shape": (40, 70)})
    found = model({"inputs": [bgr], "data_samples": [sample]})["inputs"]
    assert found.shape == (1, 3, 64, 96)
    wanted = [(200 - 123.675) / 58.395, (100 - 116.28) / 57.12, (10 - 103.53) / 57.375]
    assert found[0, :, 0, 0].tolist() == pytest.approx(wanted, rel=1e-5)
    assert not found[0, :, 50, 80].any()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("faster_rcnn-r50-fpn-sgd-512", DETECTORS["faster_rcnn"].format("r50")),
        ("cascade_rcnn-x101-fpn-sgd-1024", DETECTORS["cascade_rcnn"].format("x101-32x4d")),
        ("faster_rcnn-swin_l-fpn-adamw-512", OTHERS["swin_t"]),
    ],
)
def test_the_optimizer_is_the_zoos(name, path):
    """At the zoo's 16 images a step and its precision; on the built optimizer, parameter by parameter."""
    training = dataclasses.replace(STUDY.training, batch_size=16, device_batch=0, amp="none")
    study = dataclasses.replace(STUDY, scales={"full": training})
    wrapper = compose(name, study, CLASSES, "images").optim_wrapper
    theirs = config(path).optim_wrapper
    assert wrapper.to_dict() == theirs.to_dict()
    model = on_meta(model_of(name))
    found = settings(model, wrapper)
    assert found == settings(model, theirs) and found.keys() == {
        name for name, _ in model.named_parameters()
    }
    if name.endswith("adamw-512"):
        # Norms and position tables do not decay. Biases do: neither the zoo nor torch exempts them.
        free = {name for name, (_, decay) in found.items() if decay == 0}
        assert free == {
            name
            for name in found
            if "norm" in name or name.endswith("relative_position_bias_table")
        }
        assert "backbone.stages.0.blocks.0.attn.w_msa.relative_position_bias_table" in free
        assert found["backbone.stages.0.blocks.0.attn.w_msa.qkv.bias"] == (0.0001, 0.05)


def settings(model: torch.nn.Module, wrapper: ConfigDict) -> dict[str, tuple[float, float]]:
    """Learning rate and weight decay of each parameter."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in build_optim_wrapper(model, wrapper).optimizer.param_groups
        for parameter in group["params"]
    }


@pytest.mark.parametrize("name", ["faster_rcnn-r50-fpn-sgd-512", "cascade_rcnn-r50-fpn-sgd-1024"])
def test_the_pipelines_are_the_zoos_but_for_the_size(name):
    side = STUDY.cells[name].image_size
    found, theirs = ours(name), config(DETECTORS["faster_rcnn"].format("r50"))
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        steps = []
        for step in theirs[loader].dataset.pipeline:
            steps.append({key: value for key, value in step.items() if key != "backend_args"})
            if step.type == "Resize":
                steps[-1]["scale"] = (side, side)
        assert found[loader].dataset.to_dict()["pipeline"] == steps
        for key in ("sampler", "batch_sampler"):
            assert found[loader].get(key) == theirs[loader].get(key)
        assert found[loader].dataset.get("filter_cfg") == theirs[loader].dataset.get("filter_cfg")


@pytest.mark.parametrize("backbone", STUDY.backbones)
def test_the_weights_are_those_of_the_config(backbone):
    """models/<cell>/config.py, trained by MMDetection itself, starts from what params.yaml names."""
    name = next(name for name, cell in STUDY.cells.items() if cell.backbone == backbone)
    scheme, _, model = model_of(name)["backbone"]["init_cfg"]["checkpoint"].partition("://")
    address = {
        "torchvision": checkpoint.get_torchvision_models,
        "open-mmlab": checkpoint.get_external_models,
        "mmcls": checkpoint.get_mmcls_models,
    }.get(scheme, lambda: {model: f"{scheme}://{model}"})()[model]
    assert address == STUDY.backbones[backbone].weights.source


# Those that the quick tests run; every other full-size step is over 5 s, or like one of these.
QUICK = {
    "faster_rcnn-r50-fpn-sgd-512",
    "faster_rcnn-swin_t-fpn-sgd-512",
    "faster_rcnn-mobilenet_v2-fpn-sgd-512",
    "cascade_rcnn-r50-fpn-sgd-1024",
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in DISTINCT],
)
def test_a_full_model_takes_a_step(name):
    loss, model = one_step(model_of(name), images=1)
    assert torch.isfinite(loss)
    parameters = dict(model.backbone.named_parameters())
    trained = {key: value.grad for key, value in parameters.items() if value.requires_grad}
    if "layer1" in dict(model.backbone.named_children()):
        assert {key.split(".")[0] for key in trained}.isdisjoint(("conv1", "bn1", "layer1"))
    gradients = list(trained.values())
    assert gradients[0].abs().sum() > 0
    assert all(torch.isfinite(grad).all() for grad in gradients if grad is not None)
