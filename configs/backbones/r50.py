"""ResNet-50."""

model = dict(
    backbone=dict(
        type="ResNet",
        depth=50,
        init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet50"),
    ),
    neck=dict(in_channels=[256, 512, 1024, 2048]),
)

# `weights: none`: with nothing pretrained there is nothing to freeze, and batch statistics must be learnt.
from_scratch = dict(backbone=dict(frozen_stages=-1, norm_eval=False, init_cfg=None))

# A quarter of the width; the depth stays.
miniature = dict(backbone=dict(base_channels=16), neck=dict(in_channels=[64, 128, 256, 512]))
