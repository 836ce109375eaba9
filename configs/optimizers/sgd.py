"""SGD with MMDetection's momentum and decay; params.yaml gives the learning rate."""

optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="SGD", momentum=0.9, weight_decay=0.0001)
)
