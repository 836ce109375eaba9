"""COCO box statistics of detections against annotations, through pycocotools."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from stages.study.metrics import METRICS


@dataclass(frozen=True)
class Scores:
    """metrics: METRICS by name, None where the split has no such box. per_class: class, boxes, AP, AP50."""

    metrics: dict[str, float | None]
    per_class: list[dict[str, Any]]
    detections: int


def load(path: str) -> COCO:
    """The annotations of a split, without pycocotools' prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def score(truth: COCO, results: list[dict[str, Any]]) -> Scores:
    """results: COCO's results format (image_id, category_id, bbox [x, y, width, height] in pixels, score)."""
    boxes = {category: len(truth.getAnnIds(catIds=[category], iscrowd=False)) for category in truth.getCatIds()}
    # pycocotools cannot load an empty list; no detection at all scores 0 wherever there is something to find.
    if results:
        with contextlib.redirect_stdout(io.StringIO()):
            # loadRes writes ids and areas into what it is given.
            evaluation = COCOeval(truth, truth.loadRes([dict(entry) for entry in results]), "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        stats = dict(zip(METRICS, evaluation.stats.tolist()))
        # IoU x recall x class, over all sizes at the largest number of detections.
        precision = evaluation.eval["precision"][:, :, :, 0, -1]
    else:
        stats = {name: 0.0 if _boxes_of_size(truth, name) else -1.0 for name in METRICS}
        precision = np.zeros((10, 101, len(boxes)))
    per_class = []
    for index, category in enumerate(truth.getCatIds()):
        found = boxes[category] > 0
        per_class.append({
            "class": truth.loadCats(category)[0]["name"],
            "boxes": boxes[category],
            "AP": float(precision[:, :, index].mean()) if found else None,
            "AP50": float(precision[0, :, index].mean()) if found else None,
        })
    # COCO writes -1 for "nothing to measure"; None cannot be averaged or plotted by mistake.
    return Scores({name: None if value < 0 else value for name, value in stats.items()}, per_class, len(results))


def _boxes_of_size(truth: COCO, metric: str) -> int:
    size = {"s": "small", "m": "medium", "l": "large"}.get(metric.rsplit("_", 1)[-1], "all")
    params = COCOeval(iouType="bbox").params
    low, high = params.areaRng[params.areaRngLbl.index(size)]
    return len(truth.getAnnIds(areaRng=[low, high], iscrowd=False))
