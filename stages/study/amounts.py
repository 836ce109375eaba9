"""Whether a prepared data set has enough boxes and images for the metrics that are to decide
something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.study import group_metrics
from stages.study.metrics import METRICS, SIZES
from stages.study.params import Study
from stages.study.thin import MIN_BOXES

# On 48 images the bounds of the demo's cells were .1 and .2 of mAP50 wide: more than most cells
# differ by.
MIN_IMAGES = 50
_SIZES = dict(zip(METRICS[3:], SIZES))


def warnings(study: Study, splits: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line for each metric of the study that rests on too little.

    splits: of data/prepared/report.json, split -> images, boxes, classes (class -> boxes) and
    sizes (size -> boxes).
    """
    lines = []
    for metric, key in group_metrics.asked(study).items():
        split = metric.partition("/")[0]
        if split not in splits or not splits[split].get("boxes"):
            continue
        boxes, images = _boxes(metric, splits[split]), splits[split]["images"]
        if boxes < MIN_BOXES:
            lines.append(
                f"{key}: {metric} rests on {boxes} boxes of {split}; under {MIN_BOXES} decide "
                "nothing, whatever is trained"
            )
        elif images < MIN_IMAGES and key == "verdicts.metric":
            lines.append(
                f"{key}: {metric} rests on {images} images of {split}; on under {MIN_IMAGES} few "
                "cells can be told apart"
            )
    return lines


def _boxes(metric: str, split: Mapping[str, Any]) -> int:
    group = group_metrics.read(metric)
    if group and group.category:
        return int(split["classes"].get(group.category, 0))
    size = _SIZES.get(metric.partition("/")[2])
    if group:
        size = group.size
    if not size:
        return int(split["boxes"])
    return int(split["sizes"][size])
