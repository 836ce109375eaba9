"""Path Aggregation Network (Liu et al., arXiv:1803.01534): FPN and a bottom-up path after it."""

model = dict(neck=dict(type="PAFPN", num_outs=5))
