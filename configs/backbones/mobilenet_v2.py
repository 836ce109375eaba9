"""MobileNetV2 (Sandler et al., arXiv:1801.04381): inverted residuals, an eighth of ResNet-50's parameters."""

model = dict(
    backbone=dict(
        _delete_=True,
        type="MobileNetV2",
        # The last feature map of each stride, as MMDetection's FPN wants them.
        out_indices=(1, 2, 4, 6),
        # As MMDetection treats its pretrained ResNets.
        frozen_stages=1,
        norm_eval=True,
        init_cfg=dict(type="Pretrained", checkpoint="mmcls://mobilenet_v2"),
    ),
    neck=dict(in_channels=[24, 32, 96, 320]),
)

from_scratch = dict(backbone=dict(norm_eval=False, frozen_stages=-1, init_cfg=None))

# Half of the width: at a quarter some layers would have 4 channels.
miniature = dict(backbone=dict(widen_factor=0.5), neck=dict(in_channels=[16, 16, 48, 160]))
