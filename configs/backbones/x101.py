"""ResNeXt-101 32x4d: ResNet-101 with 32 groups of 4 channels in each 3x3 convolution."""

_base_ = "./r101.py"

model = dict(
    backbone=dict(
        type="ResNeXt",
        groups=32,
        base_width=4,
        init_cfg=dict(checkpoint="open-mmlab://resnext101_32x4d"),
    )
)

# A quarter of the width in fewer groups of the same 4 channels: grouped convolutions are slow on a CPU.
miniature = dict(backbone=dict(groups=8))
