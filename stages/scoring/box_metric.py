"""The project's scores as an MMEngine metric: full precision where MMDetection's CocoMetric rounds to three digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS

from stages.scoring import engine
from stages.scoring.tables import read_detections, read_truth
from stages.study import metrics


def to_results(sample: dict[str, Any]) -> list[dict[str, Any]]:
    """One image's predictions (MMDetection's xyxy boxes in pixels of the original image) in COCO's results format.

    A label is the class's index, a category id its id: prepare numbers them from 1 in the same order.
    """
    instances = sample["pred_instances"]
    boxes = instances["bboxes"].float().cpu()
    boxes[:, 2:] -= boxes[:, :2]
    triples = zip(instances["labels"].tolist(), boxes.tolist(), instances["scores"].float().tolist())
    return [{"image_id": sample["img_id"], "category_id": label + 1, "bbox": box, "score": score}
            for label, box, score in triples]


@METRICS.register_module()
class BoxMetric(BaseMetric):
    """Collects detections of a split and reports METRICS of stages/study/metrics.py."""

    def __init__(self, ann_file: str) -> None:
        super().__init__(prefix="coco")
        self.truth = read_truth(ann_file)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        self.results.extend(to_results(sample) for sample in data_samples)

    def compute_metrics(self, results: list) -> dict[str, float | None]:
        found = read_detections([detection for image in results for detection in image], self.truth)
        statistics = engine.evaluate(self.truth, found).statistics
        return {name: statistics[name] for name in metrics.METRICS}
