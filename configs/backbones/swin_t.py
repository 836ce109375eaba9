"""Swin-T: windows of 7, depths 2-2-6-2."""

model = dict(
    backbone=dict(
        _delete_=True,
        type="SwinTransformer",
        embed_dims=96,
        depths=[2, 2, 6, 2],
        num_heads=[3, 6, 12, 24],
        window_size=7,
        mlp_ratio=4,
        qkv_bias=True,
        qk_scale=None,
        drop_rate=0.0,
        attn_drop_rate=0.0,
        drop_path_rate=0.2,
        patch_norm=True,
        out_indices=(0, 1, 2, 3),
        with_cp=False,
        convert_weights=True,
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://github.com/SwinTransformer/storage/releases/download/v1.0.0/"
            "swin_tiny_patch4_window7_224.pth",
        ),
    ),
    neck=dict(in_channels=[96, 192, 384, 768]),
)

from_scratch = dict(backbone=dict(convert_weights=False, init_cfg=None))

# A quarter of the width, heads of 24 channels, windows that divide the small feature maps; a model that sees a few
# hundred steps needs no stochastic depth.
miniature = dict(
    backbone=dict(embed_dims=24, num_heads=[1, 2, 4, 8], window_size=4, drop_path_rate=0.0),
    neck=dict(in_channels=[24, 48, 96, 192]),
)
