"""What every cell shares: loops, hooks and the import that stands in for mmcv's compiled ops."""

_base_ = "mmdet::_base_/default_runtime.py"

custom_imports = dict(imports=["stages.model.ops"], allow_failed_imports=False)

default_hooks = dict(
    checkpoint=dict(
        type="CheckpointHook",
        interval=1,
        max_keep_ckpts=1,
        save_best="coco/bbox_mAP_50",
        rule="greater",
    )
)

val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
