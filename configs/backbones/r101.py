"""ResNet-101: ResNet-50 with 23 blocks in its third stage."""

_base_ = "./r50.py"

model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint="torchvision://resnet101")))
