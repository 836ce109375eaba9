"""The names under which scores are written, drawn and logged: the study's, which are
MMDetection's."""

from __future__ import annotations

# In the order of pycocotools' COCOeval.stats: AP over IoU .50:.95, at .50, at .75, then by COCO's
# box sizes.
METRICS = ("bbox_mAP", "bbox_mAP_50", "bbox_mAP_75", "bbox_mAP_s", "bbox_mAP_m", "bbox_mAP_l")
# COCO's sizes of boxes, and the areas in square pixels from which they are medium and large.
SIZES = ("small", "medium", "large")
SIZE_LIMITS = (32**2, 96**2)
# Detections of a class in an image that COCO counts, the best ones: data.max_detections where
# params.yaml says nothing.
MAX_DETECTIONS = 100
