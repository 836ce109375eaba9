"""AdamW as MMDetection trains Swin: no decay for norms and position tables; params.yaml gives the learning rate."""

optim_wrapper = dict(
    type="OptimWrapper",
    paramwise_cfg=dict(
        custom_keys=dict(
            absolute_pos_embed=dict(decay_mult=0.0),
            relative_position_bias_table=dict(decay_mult=0.0),
            norm=dict(decay_mult=0.0),
        )
    ),
    optimizer=dict(type="AdamW", betas=(0.9, 0.999), weight_decay=0.05),
)
