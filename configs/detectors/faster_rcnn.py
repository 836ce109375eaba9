"""Faster R-CNN as MMDetection's zoo defines it; backbones and necks are merged over its ResNet-50 FPN."""

_base_ = "mmdet::_base_/models/faster-rcnn_r50_fpn.py"

# Merged last at `scale: miniature`: one pyramid width for neck, RPN and head, and fewer RoIs, which
# cost most on a CPU. finest_scale sends large RoIs to coarser levels, as large ones go at full
# size. Anchors of 8 strides are 32 pixels wide at least: those of 4 strides are for the small
# boxes, which are 12 to 15 pixels wide at 96. sampling_ratio: a point in each bin of a RoI instead
# of some four; roi_align was a quarter of a step.
miniature = dict(
    neck=dict(out_channels=64),
    rpn_head=dict(in_channels=64, feat_channels=64, anchor_generator=dict(scales=[4, 8])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, finest_scale=28, roi_layer=dict(sampling_ratio=1)),
        bbox_head=dict(in_channels=64, fc_out_channels=256),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=128)),
        rpn_proposal=dict(nms_pre=400, max_per_img=200),
        rcnn=dict(sampler=dict(num=64)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=100)),
)
