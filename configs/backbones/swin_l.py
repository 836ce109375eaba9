"""Swin-L: windows of 12, depths 2-2-18-2, pretrained at 384 pixels on ImageNet-22k."""

_base_ = "./swin_t.py"

model = dict(
    backbone=dict(
        pretrain_img_size=384,
        embed_dims=192,
        depths=[2, 2, 18, 2],
        num_heads=[6, 12, 24, 48],
        window_size=12,
        init_cfg=dict(
            checkpoint="https://github.com/SwinTransformer/storage/releases/download/v1.0.0/"
            "swin_large_patch4_window12_384_22k.pth"
        ),
    ),
    neck=dict(in_channels=[192, 384, 768, 1536]),
)

# A sixth of the width: at a quarter, a step took five times as long as ResNet-50's.
miniature = dict(
    backbone=dict(embed_dims=32, num_heads=[1, 2, 4, 8]), neck=dict(in_channels=[32, 64, 128, 256])
)
