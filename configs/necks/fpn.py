"""Feature Pyramid Network (Lin et al., arXiv:1612.03144): top-down."""

model = dict(neck=dict(type="FPN", num_outs=5))
