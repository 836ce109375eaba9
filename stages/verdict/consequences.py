"""What each setting is to a comparison, as a table: the topic that it belongs to, what it follows
from by construction, and why it matters. stages/verdict/fairness.py applies it; a key that no other
rule knows counts as a confounder.

Keys are run.json's (batch_size) and, after "config.", the resolved MMDetection config's, as
settings.flatten has them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

# Results of a training, not settings; `fingerprint` covers all settings and would only repeat them.
_RESULTS = """
    cell run_id training_id tracking fingerprint train_loss train_minutes peak_memory_mib parameters
    highest_lr best started finished params lost_steps
"""
RESULT_KEYS = frozenset(_RESULTS.split())
# Key of the config -> the run.json key that says the same in steps and images instead of passes.
# Told once, as the latter.
TWINS = {
    "config.optim_wrapper.optimizer.lr": "lr",
    "config.train_cfg.max_epochs": "epochs",
    "config.randomness.seed": "seed",
    "config.param_scheduler[LinearLR].end": "warmup_iterations",
    "config.param_scheduler[MultiStepLR].end": "epochs",
    "config.param_scheduler[MultiStepLR].milestones": "milestones",
    "config.train_dataloader.batch_size": "device_batch",
    "config.optim_wrapper.accumulative_counts": "device_batch",
    "config.optim_wrapper.clip_grad.max_norm": "clip_grad",
    "config.optim_wrapper.type": "amp",
    "config.optim_wrapper.dtype": "amp",
    "config.optim_wrapper.loss_scale": "amp",
    "config.custom_hooks[EMAHook].type": "ema",
    "config.custom_hooks[EMAHook].momentum": "ema",
    "config.custom_hooks[EarlyStoppingHook].patience": "early_stopping",
}
# A line with topic, reason and, in brackets, what else is said of the keys in the lines below it:
# - follows: the factors and settings of which a difference is a consequence; "if one" where it is
#   that only if one cell alone has the key (both having it makes it a choice), "if both" if both
#   must have it;
# - harmless: it cannot change what is learnt or scored but by rounding; "if same" where that other
#   setting is recorded for both and equal.
# In a key `*` stands for any characters. The first rule that fits decides. Above all: what follows
# from a factor by construction is no confounder, what a person could have held equal is one, also
# where it is customary to change both.
_TABLE = """
# The factors themselves; fairness.py takes out the declared ones.
{key}: another part of the model or its training was changed as well
    detector backbone neck optimizer
image size: more pixels alone raise mAP, most of all of small boxes
    image_size
scale: reduced models learn something else than whole ones
    scale

# Initial weights come with the backbone only if both are pretrained, wherever their file lies.
bookkeeping: where the weights lie [harmless]
    pretrained config.custom_hooks[PretrainedHook].file
initial weights: what it was pretrained on comes with each backbone's own file \
[follows backbone if both]
    config.model.backbone.init_cfg.checkpoint
initial weights: pretrained weights against random ones outweigh most backbones
    weights config.load_from config.model.backbone.init_cfg*
    config.custom_hooks[PretrainedHook].* config.custom_hooks[ZeroInitResidualHook].*

# How long and how fast it learns.
batch size: another number of steps and another noise of the gradient
    batch_size
learning rate per image: the linear rule holds lr / batch equal (arXiv:1706.02677)
    lr_per_sample
learning rate per image: another rate finds another minimum [follows batch_size]
    lr
length of training: one cell has seen every image more often
    epochs
length of training: another number of steps [follows batch_size epochs train_share]
    iterations
data: one cell has learnt from more images, or has stopped early [follows fold train_share]
    images_an_epoch
data: one cell has learnt from more images
    train_share
learning rate schedule: the rate falls after another epoch [follows epochs]
    milestones
learning rate schedule: fewer steps cut the warm-up [follows train_share]
    warmup_iterations
learning rate schedule: the rate takes another course
    config.param_scheduler*
learning rate per image: MMEngine would scale the rate of one cell
    config.auto_scale_lr.*
gradient clipping: any optimizer can be clipped, and clipping decides whether some diverge
    clip_grad config.optim_wrapper.clip_grad*
weight averaging: an average of weights scores higher by itself
    ema config.custom_hooks[EMAHook]*
precision: half precision loses small gradients
    amp config.optim_wrapper.type config.optim_wrapper.dtype config.optim_wrapper.loss_scale
length of training: one cell may stop earlier
    early_stopping config.custom_hooks[EarlyStoppingHook]*

# Optimizers are compared each with its own decay, momentum and groups; the rate is judged as
# lr_per_sample.
learning rate per image: another rate finds another minimum [follows batch_size optimizer]
    config.optim_wrapper.optimizer.lr
optimizer settings: decay, momentum and parameter groups change what it finds [follows optimizer]
    config.optim_wrapper.optimizer.* config.optim_wrapper.paramwise_cfg.*

# What it learns from.
seed: another seed moves mAP by chance
    seed
data: another part of the images was learnt and another scored
    fold
data: other images or boxes were learnt or scored
    data
data: other images or boxes were learnt or scored [follows fold]
    data_digest
data: another number of images was learnt [follows fold train_share]
    train_images
data: another number of images was scored [follows fold]
    val_images
data: other images were learnt [follows train_share]
    config.train_dataloader.dataset.indices
validation images in training: a score on images that were learnt is no validation
    train_val_overlap
data: another file, or another path without an equal data_digest, may be other data \
[follows fold, harmless if same data_digest]
    config.*_dataloader.ann_file config.*_dataloader.dataset.ann_file
    config.*_dataloader.data_* config.*_dataloader.dataset.data_* config.*_evaluator.ann_file
data: other classes, or other images left out
    config.*_dataloader.dataset.metainfo* config.*_dataloader.dataset.filter_cfg*
image size: more pixels alone raise mAP, most of all of small boxes [follows image_size]
    config.*_dataloader.dataset.*pipeline*.scale config.*_dataloader.dataset.*pipeline*.scales
    config.*_dataloader.dataset.*pipeline*.img_scale
augmentation: another augmentation teaches and regularises differently
    config.train_dataloader.dataset.*pipeline* config.model.data_preprocessor.batch_augments*
validation input: images are scored differently
    config.val_dataloader.dataset.*pipeline* config.test_dataloader.dataset.*pipeline*

# Which code trains and scores.
code: the code may have changed what is trained [harmless if same code_digest]
    git_commit
code: the code has changed
    code_digest
code: another version may train or score differently
    versions.numpy versions.torch versions.torchvision versions.mmdet versions.mmengine
    versions.mmcv versions.mmcv-lite versions.opencv-python versions.opencv-python-headless
    versions.hotcoco versions.pycocotools
code: it neither trains nor scores [harmless]
    versions.*

# The model.
memory: the same gradients, computed twice [harmless]
    config.model.backbone.with_cp
what the backbone learns: freezing and dropping could have been held equal where both backbones \
know it [follows backbone if one]
    config.model.backbone.frozen_stages config.model.backbone.norm_eval
    config.model.backbone.drop* config.model.backbone.attn_drop*
backbone settings: a backbone of another shape is another backbone [follows backbone]
    config.model.backbone.*
backbone settings: the channels that a backbone gives [follows backbone]
    config.model.neck.in_channels
pyramid width: width and levels are chosen beside the neck
    config.model.neck.out_channels config.model.neck.num_outs
neck settings: a neck of another shape is another neck [follows neck]
    config.model.neck.*
normalisation: pretrained weights expect their own [follows backbone]
    config.model.data_preprocessor.mean config.model.data_preprocessor.std
    config.model.data_preprocessor.bgr_to_rgb config.model.data_preprocessor.rgb_to_bgr
    config.model.data_preprocessor.pad_size_divisor
data: another number of classes is another task
    config.num_classes
selection of detections: more detections an image raise mAP by themselves
    max_detections
selection of detections: more detections an image, or weaker ones, raise mAP by themselves \
[follows detector if one]
    config.model.test_cfg.score_thr config.model.test_cfg.rcnn.score_thr
    config.model.test_cfg.max_per_img config.model.test_cfg.rcnn.max_per_img
    config.model.test_cfg.nms.* config.model.test_cfg.rcnn.nms.*
detector settings: other heads, losses or samplers are another detector [follows detector]
    config.model.*

# What changes speed, memory or what is printed.
bookkeeping: only where or what is written [harmless]
    config.work_dir config.vis* config.log* config.custom_imports* config.default_scope*
bookkeeping: only what is written [harmless]
    config.default_hooks.timer.* config.default_hooks.logger.* config.default_hooks.visualization.*
machine: rounding and the draws of flips at most, as between seeds; minutes and latency cannot be \
compared [harmless]
    config.*_dataloader.num_workers config.*_dataloader.persistent_workers
    config.*_dataloader.pin_memory config.*_dataloader.prefetch_factor threads threads_used workers
    image_cache channels_last compile cudnn_benchmark tf32 device config.env_cfg.*
    config.custom_hooks[PrecisionHook].*
batch normalisation: batch norm is trained, or may be, and its statistics are of one pass \
[follows batch_size]
    device_batch processes config.train_dataloader.batch_size
    config.optim_wrapper.accumulative_counts
machine: images are scored one by one but for padding [harmless]
    config.val_dataloader.batch_size config.test_dataloader.batch_size
evaluation: the numbers may be of another kind
    config.val_evaluator.* config.val_dataloader.* config.val_cfg.*
    config.test_evaluator.* config.test_dataloader.* config.test_cfg.*
choice of the checkpoint: the best of more candidates scores higher
    config.default_hooks.checkpoint.* config.train_cfg.*
other settings: not known to be harmless
    *
"""


@dataclass(frozen=True)
class Rule:
    """A rule of the table. keys: of one match whole keys; follows, harmless: as there, with `only`
    "one" or "both" and `same` what must be equal, "" without a condition."""

    keys: re.Pattern[str]
    topic: str
    reason: str
    follows: tuple[str, ...]
    only: str
    harmless: bool
    same: str


_RULE = re.compile(
    r"""
    ^(?P<topic>[^#\s].*?):\ (?P<reason>.+?)
    (\ \[
        (follows\ (?P<follows>[a-z_ ]+?)(\ if\ (?P<only>one|both))?)?
        (,\ )?
        (?P<harmless>harmless(\ if\ same\ (?P<same>\w+))?)?
    \])?\n
    (?P<keys>(\ .*\n)+)
    """,
    re.MULTILINE | re.VERBOSE,
)


def _rule(parts: Mapping[str, str]) -> Rule:
    keys = "|".join(re.escape(key).replace(r"\*", ".*") for key in parts["keys"].split())
    return Rule(
        # DOTALL: a key of a config may hold anything.
        keys=re.compile(keys, re.DOTALL),
        topic=parts["topic"],
        reason=parts["reason"],
        follows=tuple(parts["follows"].split()),
        only=parts["only"],
        harmless=parts["harmless"] == "harmless",
        same=parts["same"],
    )


RULES = tuple(_rule(match.groupdict(default="")) for match in _RULE.finditer(_TABLE))


@cache
def rule_of(key: str) -> Rule:
    """The first rule that fits the whole key; the last one fits every key."""
    return next(rule for rule in RULES if rule.keys.fullmatch(key))
