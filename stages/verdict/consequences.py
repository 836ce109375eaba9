"""What each setting is to a comparison, as a table: the topic that it belongs to, what it follows
from by construction, and why it matters. stages/verdict/fairness.py applies it; a key that no rule
knows counts as a confounder.

Keys are run.json's (batch_size) and, after "config.", the resolved MMDetection config's, as
settings.flatten has them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

# Results of a training, not settings; `fingerprint` covers all settings and would only repeat them.
OUTCOMES = frozenset(
    (
        "cell",
        "run_id",
        "training_id",
        "tracking",
        "fingerprint",
        "train_loss",
        "train_minutes",
        "peak_memory_mib",
        "parameters",
        "highest_lr",
        "best",
        "started",
        "finished",
        "params",
        "lost_steps",
    )
)
# config key -> the run.json key that says the same in steps and images instead of passes. Told
# once, as the latter.
TWINS = {
    r"optim_wrapper\.optimizer\.lr": "lr",
    r"train_cfg\.max_epochs": "epochs",
    r"randomness\.seed": "seed",
    r"param_scheduler\[LinearLR\]\.end": "warmup_iterations",
    r"param_scheduler\[MultiStepLR\]\.end": "epochs",
    r"param_scheduler\[MultiStepLR\]\.milestones": "milestones",
    r"train_dataloader\.batch_size": "device_batch",
    r"optim_wrapper\.accumulative_counts": "device_batch",
    r"optim_wrapper\.clip_grad\.max_norm": "clip_grad",
    r"optim_wrapper\.(type|dtype|loss_scale)": "amp",
    r"custom_hooks\[EMAHook\]\.(type|momentum)": "ema",
    r"custom_hooks\[EarlyStoppingHook\]\.patience": "early_stopping",
}


@dataclass(frozen=True)
class Rule:
    """keys: a regular expression over whole keys. follows: the factors and settings of which a
    difference is a consequence. only: "one" where it is a consequence only if one cell alone has
    the key (both having it makes it a choice), "both" if both must have it. harmless: it cannot
    change what is learnt or scored but by rounding. same: harmless where this other setting is
    recorded for both and equal."""

    keys: str
    topic: str
    reason: str
    follows: tuple[str, ...] = ()
    only: Literal["", "one", "both"] = ""
    harmless: bool = False
    same: str = ""


_IMAGES = r"config\.(train|val|test)_(dataloader|evaluator)\.(dataset\.)?"
# The first rule that fits decides. Above all: what follows from a factor by construction is no
# confounder, what a person could have held equal is one, also where it is customary to change both.
RULES = (
    # The factors themselves; fairness.py takes out the declared ones.
    Rule(
        "detector|backbone|neck|optimizer",
        "{key}",
        "another part of the model or its training was changed as well",
    ),
    Rule("image_size", "image size", "more pixels alone raise mAP, most of all of small boxes"),
    Rule("scale", "scale", "reduced models learn something else than whole ones"),
    # Where a cell's own weights lie; what they are comes with the backbone.
    Rule(
        r"pretrained|config\.custom_hooks\[PretrainedHook\]\.file",
        "bookkeeping",
        "where the weights lie",
        harmless=True,
    ),
    Rule(
        r"config\.custom_hooks\[(PretrainedHook|ZeroInitResidualHook)\]\..*",
        "initial weights",
        "pretrained weights against random ones outweigh most backbones",
    ),
    # How long and how fast it learns.
    Rule("batch_size", "batch size", "another number of steps and another noise of the gradient"),
    Rule(
        "lr_per_sample",
        "learning rate per image",
        "the linear rule holds lr / batch equal (arXiv:1706.02677)",
    ),
    Rule("lr", "learning rate per image", "another rate finds another minimum", ("batch_size",)),
    Rule("epochs", "length of training", "one cell has seen every image more often"),
    Rule(
        "iterations",
        "length of training",
        "another number of steps",
        ("batch_size", "epochs", "train_share"),
    ),
    Rule(
        "images_an_epoch",
        "data",
        "one cell has learnt from more images, or has stopped early",
        ("fold", "train_share"),
    ),
    Rule("train_share", "data", "one cell has learnt from more images"),
    Rule("milestones", "learning rate schedule", "the rate falls after another epoch", ("epochs",)),
    Rule(
        "warmup_iterations",
        "learning rate schedule",
        "fewer steps cut the warm-up",
        ("train_share",),
    ),
    Rule(r"config\.param_scheduler.*", "learning rate schedule", "the rate takes another course"),
    Rule(
        r"config\.auto_scale_lr\..*",
        "learning rate per image",
        "MMEngine would scale the rate of one cell",
    ),
    Rule(
        "clip_grad|config\\.optim_wrapper\\.clip_grad.*",
        "gradient clipping",
        "any optimizer can be clipped, and clipping decides whether some diverge",
    ),
    Rule(
        r"ema|config\.custom_hooks\[EMAHook\].*",
        "weight averaging",
        "an average of weights scores higher by itself",
    ),
    Rule(
        r"amp|config\.optim_wrapper\.(type|dtype|loss_scale)",
        "precision",
        "half precision loses small gradients",
    ),
    Rule(
        r"early_stopping|config\.custom_hooks\[EarlyStoppingHook\].*",
        "length of training",
        "one cell may stop earlier",
    ),
    # Optimizers are compared each with its own decay, momentum and groups; the rate is judged as
    # lr_per_sample.
    Rule(
        r"config\.optim_wrapper\.optimizer\.lr",
        "learning rate per image",
        "another rate finds another minimum",
        ("batch_size", "optimizer"),
    ),
    Rule(
        r"config\.optim_wrapper\.(optimizer|paramwise_cfg)\..*",
        "optimizer settings",
        "decay, momentum and parameter groups change what it finds",
        ("optimizer",),
    ),
    # What it learns from.
    Rule("seed", "seed", "another seed moves mAP by chance"),
    Rule(
        "weights",
        "initial weights",
        "pretrained weights against random ones outweigh most backbones",
    ),
    Rule("fold", "data", "another part of the images was learnt and another scored"),
    Rule("data", "data", "other images or boxes were learnt or scored"),
    Rule("data_digest", "data", "other images or boxes were learnt or scored", ("fold",)),
    Rule("train_images", "data", "another number of images was learnt", ("fold", "train_share")),
    Rule("val_images", "data", "another number of images was scored", ("fold",)),
    Rule(
        r"config\.train_dataloader\.dataset\.indices",
        "data",
        "other images were learnt",
        ("train_share",),
    ),
    Rule(
        "train_val_overlap",
        "validation images in training",
        "a score on images that were learnt is no validation",
    ),
    Rule(
        _IMAGES + r"(ann_file|data_prefix|data_root)(\..*)?",
        "data",
        "another file, or another path without an equal data_digest, may be other data",
        ("fold",),
        same="data_digest",
    ),
    Rule(
        r"config\.(train|val|test)_dataloader\.dataset\.(metainfo|filter_cfg).*",
        "data",
        "other classes, or other images left out",
    ),
    Rule(
        r"config\.\w+_dataloader\.dataset\.(.*\.)?pipeline\S*\.(scale|scales|img_scale)",
        "image size",
        "more pixels alone raise mAP, most of all of small boxes",
        ("image_size",),
    ),
    Rule(
        r"config\.train_dataloader\.dataset\.(.*\.)?pipeline.*|config\.model\.data_preprocessor\.batch_augments.*",
        "augmentation",
        "another augmentation teaches and regularises differently",
    ),
    Rule(
        r"config\.(val|test)_dataloader\.dataset\..*pipeline.*",
        "validation input",
        "images are scored differently",
    ),
    # Who reads the numbers, and with which code.
    Rule("git_commit", "code", "the code may have changed what is trained", same="code_digest"),
    Rule("code_digest", "code", "the code has changed"),
    Rule(
        r"versions\.(numpy|torch|torchvision|mmdet|mmengine|mmcv|mmcv-lite|opencv-python(-headless)?|hotcoco|pycocotools)",
        "code",
        "another version may train or score differently",
    ),
    Rule(r"versions\..*", "code", "it neither trains nor scores", harmless=True),
    # The model. Initial weights come with the backbone only if both are pretrained.
    Rule(
        r"config\.model\.backbone\.init_cfg\.checkpoint",
        "initial weights",
        "what it was pretrained on comes with each backbone's own file",
        ("backbone",),
        only="both",
    ),
    Rule(
        r"config\.model\.backbone\.init_cfg.*|config\.load_from",
        "initial weights",
        "pretrained weights against random ones outweigh most backbones",
    ),
    Rule(
        r"config\.model\.backbone\.with_cp",
        "memory",
        "the same gradients, computed twice",
        harmless=True,
    ),
    Rule(
        r"config\.model\.backbone\.(frozen_stages|norm_eval|drop\w*|attn_drop\w*)",
        "what the backbone learns",
        "freezing and dropping could have been held equal where both backbones know it",
        ("backbone",),
        only="one",
    ),
    Rule(
        r"config\.model\.backbone\..*",
        "backbone settings",
        "a backbone of another shape is another backbone",
        ("backbone",),
    ),
    Rule(
        r"config\.model\.neck\.in_channels",
        "backbone settings",
        "the channels that a backbone gives",
        ("backbone",),
    ),
    Rule(
        r"config\.model\.neck\.(out_channels|num_outs)",
        "pyramid width",
        "width and levels are chosen beside the neck",
    ),
    Rule(
        r"config\.model\.neck\..*",
        "neck settings",
        "a neck of another shape is another neck",
        ("neck",),
    ),
    Rule(
        r"config\.model\.data_preprocessor\.(mean|std|bgr_to_rgb|rgb_to_bgr|pad_size_divisor)",
        "normalisation",
        "pretrained weights expect their own",
        ("backbone",),
    ),
    Rule("config.num_classes", "data", "another number of classes is another task"),
    Rule(
        "max_detections",
        "selection of detections",
        "more detections an image raise mAP by themselves",
    ),
    Rule(
        r"config\.model\.test_cfg\.(rcnn\.)?(score_thr|max_per_img|nms\..*)",
        "selection of detections",
        "more detections an image, or weaker ones, raise mAP by themselves",
        ("detector",),
        only="one",
    ),
    Rule(
        r"config\.model\..*",
        "detector settings",
        "other heads, losses or samplers are another detector",
        ("detector",),
    ),
    # What changes speed, memory or what is printed.
    Rule(
        r"config\.work_dir|config\.(vis|log|visualizer|custom_imports|default_scope).*",
        "bookkeeping",
        "only where or what is written",
        harmless=True,
    ),
    Rule(
        r"config\.default_hooks\.(timer|logger|visualization)\..*",
        "bookkeeping",
        "only what is written",
        harmless=True,
    ),
    Rule(
        r"config\.\w+_dataloader\.(num_workers|persistent_workers|pin_memory|prefetch_factor)|threads|workers|"
        r"image_cache|channels_last|threads_used|"
        r"config\.custom_hooks\[PrecisionHook\]\..*|compile|cudnn_benchmark|tf32|config\.env_cfg\..*|"
        r"device",
        "machine",
        "rounding and the draws of flips at most, as between seeds; minutes and latency cannot be compared",
        harmless=True,
    ),
    Rule(
        r"device_batch|processes|config\.train_dataloader\.batch_size|config\.optim_wrapper\.accumulative_counts",
        "batch normalisation",
        "batch norm is trained, or may be, and its statistics are of one pass",
        ("batch_size",),
    ),
    Rule(
        r"config\.(val|test)_dataloader\.batch_size",
        "machine",
        "images are scored one by one but for padding",
        harmless=True,
    ),
    Rule(
        r"config\.(val|test)_(evaluator|dataloader)\..*|config\.(val|test)_cfg\..*",
        "evaluation",
        "the numbers may be of another kind",
    ),
    Rule(
        r"config\.default_hooks\.checkpoint\..*|config\.train_cfg\..*",
        "choice of the checkpoint",
        "the best of more candidates scores higher",
    ),
    Rule(".*", "other settings", "not known to be harmless"),
)
# DOTALL: a key of a config may hold anything.
_COMPILED = tuple((re.compile(rule.keys, re.DOTALL), rule) for rule in RULES)
_TWINS = tuple((re.compile("config\\." + key), twin) for key, twin in TWINS.items())


@cache
def rule_of(key: str) -> Rule:
    """The first rule that fits the whole key; the last one fits every key."""
    return next(rule for keys, rule in _COMPILED if keys.fullmatch(key))


@cache
def twin_of(key: str) -> str | None:
    """The run.json key that says the same as this key of the config, if there is one."""
    return next((twin for pattern, twin in _TWINS if pattern.fullmatch(key)), None)
