"""Imported once by the server that processes are forked from; nothing here may open CUDA or compute on threads."""

import stages.model.session  # isort: skip  stands in for mmcv's ops before MMDetection asks for them

import mmdet.datasets
import mmdet.engine
import mmdet.evaluation
import mmdet.models
import mmdet.visualization  # noqa: F401

import stages.train  # noqa: F401
from stages.model import checkpoints, from_scratch, history, image_cache, order, pretrained, resume, speed  # noqa: F401
