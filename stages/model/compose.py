"""Makes one MMDetection config of one cell: detector, backbone, neck, optimizer, runtime, data and
schedule."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from stages.model import schedule
from stages.study import paths
from stages.study.metrics import MAX_DETECTIONS
from stages.study.params import ROOT, Cell, Study
from stages.training.prepared import MIN_SIDE

# COCO's evaluation takes a detection for one of a crowd from this share of its area on.
CROWD_SHARE = 0.5
# Modules of ours that MMEngine imports for a config: the ops stand-in, and the hooks of _hooks().
IMPORTS = ("stages.model.ops", "stages.training.start")


def compose(
    name: str,
    study: Study,
    classes: list[str],
    image_root: str,
    root: Path = ROOT,
    train_images: int | None = None,
    train_indices: list[int] | None = None,
) -> Config:
    """The config of cell `name`, whole: MMDetection and IMPORTS are all that it needs.

    classes: the category names in the order of their ids; image_root: the folder that file_name
    starts from; train_images: how many images an epoch has, which may shorten the warm-up;
    train_indices: which of those that CocoDataset keeps, None for all.
    """
    cell = study.cell(name)
    cfg = _read(root / "configs" / "runtime.py")
    cfg.merge_from_dict(dict(model=_model(cell, study, len(classes), root)))
    cfg.merge_from_dict(_schedule(name, study, root, train_images))
    cfg.merge_from_dict(_data(cell, study, classes, image_root))
    cfg.merge_from_dict(
        dict(
            randomness=dict(seed=study.seed_of(cell)),
            env_cfg=dict(cudnn_benchmark=study.training.cudnn_benchmark),
            custom_imports=dict(imports=list(IMPORTS)),
            work_dir=f"work_dirs/{name}",
            resume=False,
        )
    )
    if train_indices is not None:
        cfg.train_dataloader.dataset.indices = train_indices
    # How often something is logged decides nothing; MMEngine has values of its own.
    for key in ("log_level", "log_processor"):
        cfg.pop(key)
    cfg.default_hooks.pop("logger")
    return cfg


def backbone_config(backbone: str, study: Study, root: Path = ROOT) -> dict:
    """The backbone's part of the models at this scale."""
    fragment = _read(root / "configs" / "backbones" / f"{backbone}.py")
    layers = _layers(fragment, backbone, study)
    model = Config(dict(model=fragment.model.to_dict()))
    for layer in layers:
        model.merge_from_dict(dict(model=layer.to_dict()))
    config = model.model.backbone.to_dict()
    config.pop("_delete_", None)
    return config


def _read(path: Path) -> Config:
    """A fragment with what it is based on; a copy of its own for each caller, who merges into it."""
    return copy.deepcopy(_parsed(path, path.stat().st_mtime_ns))


@functools.cache
def _parsed(path: Path, modified: int) -> Config:
    # MMEngine looks each `mmdet::` base up in the index of all of MMDetection's models, which takes
    # half a second; rows share their fragments.
    return Config.fromfile(path)


def _model(cell: Cell, study: Study, num_classes: int, root: Path) -> dict:
    detector = _read(root / "configs" / "detectors" / f"{cell.detector}.py")
    backbone = _read(root / "configs" / "backbones" / f"{cell.backbone}.py")
    neck = _read(root / "configs" / "necks" / f"{cell.neck}.py")
    layers = [backbone.model, neck.model]
    layers += _layers(backbone, cell.backbone, study, detector.get("miniature"))
    for layer in layers:
        detector.merge_from_dict(dict(model=layer.to_dict()))
    if cell.activation_checkpointing:
        detector.model.backbone.with_cp = True
    model = detector.model.to_dict()
    # MMDetection takes the number of classes of each head on trust.
    for part in _dicts(model):
        if "num_classes" in part:
            part["num_classes"] = num_classes
    # What lies in a crowd box is no background; MMDetection's assigners take it for that.
    for part in _dicts(model.get("train_cfg")):
        if part.get("type") == "MaxIoUAssigner":
            part.update(type="CrowdAwareAssigner", ignore_iof_thr=CROWD_SHARE)
    _keep_detections(model["test_cfg"], study.data.max_detections)
    # Left by the `mmdet::` base; runtime.py's default_scope says the same.
    model.pop("_scope_", None)
    return model


def _layers(
    backbone: Config, name: str, study: Study, detector: ConfigDict | None = None
) -> list[ConfigDict]:
    """What is merged over a model where it starts from random weights, and where the scale reduces
    models."""
    layers = []
    if study.pretrained(name) is None:
        layers.append(backbone.get("from_scratch"))
        # Whatever the fragment says: MMEngine would fetch it.
        layers.append(ConfigDict(backbone=dict(init_cfg=None)))
    if study.reduced:
        layers += [detector, backbone.get("miniature")]
    return [layer for layer in layers if layer]


def _dicts(part: Any) -> Iterator[dict[str, Any]]:
    """A part of a model and all within it: Cascade R-CNN has a list of three heads."""
    if isinstance(part, dict):
        yield part
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            yield from _dicts(item)


def _keep_detections(test_cfg: dict, count: int) -> None:
    """Detections of an image: as many as the evaluation counts, out of no fewer proposals."""
    if count == MAX_DETECTIONS:
        return
    # Detectors of one stage have no part for proposals, and the detections' settings at the top.
    proposals = test_cfg.get("rpn", {})
    test_cfg.get("rcnn", test_cfg)["max_per_img"] = count
    for key in ("nms_pre", "max_per_img"):
        if key in proposals:
            proposals[key] = max(proposals[key], count)
    if not proposals and "nms_pre" in test_cfg:
        test_cfg["nms_pre"] = max(test_cfg["nms_pre"], count)


def _schedule(name: str, study: Study, root: Path, train_images: int | None) -> dict:
    cell, training = study.cell(name), study.training
    passes, last = schedule.passes(cell, study), schedule.epochs(cell, study)
    optimizer = _read(root / "configs" / "optimizers" / f"{cell.optimizer}.py")
    wrapper = optimizer.optim_wrapper.to_dict()
    wrapper["optimizer"]["lr"] = schedule.learning_rate(cell, study)
    if training.clip_grad:
        wrapper["clip_grad"] = dict(max_norm=training.clip_grad)
    if passes > 1:
        wrapper["accumulative_counts"] = passes
    if training.amp != "none":
        # fp16 needs its losses scaled to keep small gradients; bf16 has the range of fp32.
        dtype, scale = dict(bf16=("bfloat16", 1.0), fp16=("float16", "dynamic"))[training.amp]
        wrapper.update(type="AmpOptimWrapper", dtype=dtype, loss_scale=scale)
    loop: dict[str, Any] = dict(type="EpochBasedTrainLoop", max_epochs=last, val_interval=1)
    # MMEngine's own value is 1.
    if schedule.first_validation(cell, study) > 1:
        loop["val_begin"] = schedule.first_validation(cell, study)
    steps = dict(type="MultiStepLR", by_epoch=True, begin=0, end=last, gamma=0.1)
    schedulers = [{**steps, "milestones": training.milestones}]
    # MMEngine counts passes, params.yaml optimizer steps.
    rising = schedule.warmup(cell, study, train_images) * passes
    # Over a single iteration MMEngine's LinearLR never leaves its first factor.
    if rising > 1:
        linear = dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=rising)
        schedulers.insert(0, linear)
    return dict(
        optim_wrapper=wrapper,
        # The rate above is scaled already; MMDetection's own switch stays off.
        auto_scale_lr=dict(enable=False, base_batch_size=schedule.REFERENCE_BATCH),
        train_cfg=loop,
        param_scheduler=schedulers,
        custom_hooks=_hooks(name, study),
    )


def _hooks(name: str, study: Study) -> list[dict]:
    """Ours are in stages/training/start.py."""
    if study.pretrained(study.cell(name).backbone):
        hooks = [dict(type="PretrainedHook", file=paths.weights(name).as_posix())]
    else:
        hooks = [dict(type="ZeroInitResidualHook")]
    precision = {key: getattr(study.training, key) for key in ("tf32", "channels_last", "compile")}
    if any(precision.values()):
        hooks.append(dict(type="PrecisionHook", **precision))
    if study.training.ema:
        # LOW: what is validated and saved is the average, so it must still be in place when the
        # checkpoint is written.
        average = dict(ema_type="ExpMomentumEMA", momentum=study.training.ema)
        hooks.append(dict(type="EMAHook", **average, priority="LOW"))
    if study.training.early_stopping:
        rule = dict(monitor="coco/bbox_mAP_50", rule="greater", min_delta=0.001)
        patience = study.training.early_stopping
        hooks.append(dict(type="EarlyStoppingHook", **rule, patience=patience))
    return hooks


def _data(cell: Cell, study: Study, classes: list[str], image_root: str) -> dict:
    side = schedule.pixels(cell, study)
    load, boxes = dict(type="LoadImageFromFile"), dict(type="LoadAnnotations", with_bbox=True)
    resize = dict(type="Resize", scale=(side, side), keep_ratio=True)
    if study.reduced:
        # Shrinking to a quarter and less needs area sampling: bilinear would skip most pixels.
        resize["interpolation"] = "area"
    flip, pack = dict(type="RandomFlip", prob=0.5), dict(type="PackDetInputs")
    # What a detection needs to be drawn back to its image.
    meta_keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
    pipelines = {"train": [load, boxes, resize, flip, pack]}
    pipelines["val"] = pipelines["test"] = [load, resize, boxes, dict(pack, meta_keys=meta_keys)]
    # Images without a box teach nothing.
    kept = dict(filter_cfg=dict(filter_empty_gt=True, min_size=MIN_SIDE))
    loaders, evaluators = {}, {}
    for split in paths.SPLITS:
        file = paths.annotations(split, study.fold_of(cell)).as_posix()
        training = split == "train"
        loader: dict[str, Any] = dict(batch_size=schedule.device_batch(cell, study))
        loader["sampler"] = dict(type="DefaultSampler", shuffle=training)
        if training:
            loader["batch_sampler"] = dict(type="AspectRatioBatchSampler")
        else:
            evaluators[f"{split}_evaluator"] = dict(type="CocoMetric", ann_file=file, metric="bbox")
        loader["dataset"] = dict(
            type="CocoDataset",
            ann_file=file,
            data_prefix=dict(img=image_root),
            metainfo=dict(classes=tuple(classes)),
            pipeline=pipelines[split],
            **(kept if training else dict(test_mode=True)),
        )
        loaders[f"{split}_dataloader"] = loader
    return {**loaders, **evaluators}
