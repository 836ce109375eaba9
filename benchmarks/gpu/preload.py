"""Imported once by the server that processes are forked from; nothing here may open CUDA or compute
on threads."""

import importlib

# The first stands in for mmcv's compiled ops before MMDetection asks for them.
for _module in (
    "stages.training.runner",
    "mmdet.datasets",
    "mmdet.engine",
    "mmdet.evaluation",
    "mmdet.models",
    "mmdet.visualization",
    "benchmarks.gpu.machine",
    "benchmarks.gpu.trainings",
    "stages.training.start",
    "stages.training.history",
    "stages.training.image_cache",
    "stages.training.order",
    "stages.safety.keeper",
    "stages.safety.guard",
):
    importlib.import_module(_module)
