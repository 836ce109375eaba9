"""Imported once by the server that processes are forked from; nothing here may open CUDA or compute
on threads."""

import importlib

# The first stands in for mmcv's compiled ops before MMDetection asks for them.
for _module in (
    "stages.model.session",
    "mmdet.datasets",
    "mmdet.engine",
    "mmdet.evaluation",
    "mmdet.models",
    "mmdet.visualization",
    "benchmarks.gpu.machine",
    "benchmarks.gpu.trainings",
    "stages.model.checkpoints",
    "stages.model.from_scratch",
    "stages.model.history",
    "stages.model.image_cache",
    "stages.model.order",
    "stages.model.pretrained",
    "stages.model.resume",
    "stages.model.speed",
):
    importlib.import_module(_module)
