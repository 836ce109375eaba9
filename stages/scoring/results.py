"""A model's predictions in COCO's results format, which everything after the model reads."""

from __future__ import annotations

from typing import Any


def to_results(sample: dict[str, Any]) -> list[dict[str, Any]]:
    """One image's predictions (MMDetection's xyxy boxes in pixels of the original image) in COCO's
    results format.

    A label is the class's index, a category id its id: prepare numbers them from 1 in the same
    order.
    """
    instances = sample["pred_instances"]
    boxes = instances["bboxes"].float().cpu()
    boxes[:, 2:] -= boxes[:, :2]
    labels = instances["labels"].tolist()
    scores = instances["scores"].float().tolist()
    results = []
    for label, box, score in zip(labels, boxes.tolist(), scores):
        results.append(
            {"image_id": sample["img_id"], "category_id": label + 1, "bbox": box, "score": score}
        )
    return results
