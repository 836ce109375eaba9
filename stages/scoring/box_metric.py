"""The project's scores as an MMEngine metric: in full, where MMDetection's CocoMetric rounds to
three digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS

from stages.scoring import engine
from stages.scoring.results import to_results
from stages.scoring.tables import read_detections, read_truth
from stages.study import metrics


@METRICS.register_module()
class BoxMetric(BaseMetric):
    """Collects detections of a split and reports METRICS of stages/study/metrics.py."""

    def __init__(self, ann_file: str) -> None:
        super().__init__(prefix="coco")
        self.truth = read_truth(ann_file)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            self.results.append(to_results(sample))

    def compute_metrics(self, results: list) -> dict[str, float | None]:
        entries = []
        for image in results:
            entries += image
        detections = read_detections(entries, self.truth)
        statistics = engine.evaluate(self.truth, detections).statistics
        return {name: statistics[name] for name in metrics.METRICS}
