"""Cascade R-CNN as MMDetection's zoo defines it: three heads at IoU 0.5, 0.6 and 0.7."""

_base_ = "mmdet::_base_/models/cascade-rcnn_r50_fpn.py"

# The same reductions as in faster_rcnn.py; a text key addresses one element of a list.
miniature = dict(
    neck=dict(out_channels=64),
    rpn_head=dict(in_channels=64, feat_channels=64, anchor_generator=dict(scales=[4, 8])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, finest_scale=28, roi_layer=dict(sampling_ratio=1)),
        bbox_head={stage: dict(in_channels=64, fc_out_channels=256) for stage in ("0", "1", "2")},
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=128)),
        rpn_proposal=dict(nms_pre=400, max_per_img=200),
        rcnn={stage: dict(sampler=dict(num=64)) for stage in ("0", "1", "2")},
    ),
    test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=100)),
)
