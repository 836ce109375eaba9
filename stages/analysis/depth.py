"""All that a split's annotations and a cell's detections say of the cell: one call, one plain
dict."""

from __future__ import annotations

from typing import Any

from stages.analysis import confusion, curves, images, suspects, tide
from stages.analysis.tide import Inspection

# The threshold where none has a best F1, because no detection is right.
SCORE = 0.5
WORST = 20


def describe(inspected: Inspection, score: float | None = None) -> dict[str, Any]:
    """A plain dict for json.dumps, with None wherever the split has nothing to measure.

    score: the threshold for the confusion matrix, the images and the suspects; by default that with
    the best F1.

    images, boxes, crowds, detections: counts; max_detections: how many detections of a class in an
    image count; score: that threshold; metrics: engine.statistics() by name; classes: how many the
    means run over; worst: image ids, the worst first. The rest is named after its function: sizes:
    curves.size_scores(); errors: tide.effects(); per_image: images.per_image().
    """
    truth = inspected.truth
    overall = curves.best_f1(inspected)
    if score is None:
        score = overall["threshold"]
    if score is None:
        score = SCORE
    sizes = curves.size_scores(inspected)
    by_image = images.per_image(inspected, score)
    return {
        "images": len(truth.image_ids),
        "boxes": int((~truth.crowd).sum()),
        "crowds": int(truth.crowd.sum()),
        "detections": len(inspected.detections.score),
        "max_detections": truth.max_detections,
        "score": float(score),
        "metrics": inspected.evaluated.statistics,
        "classes": sizes["all"]["classes"],
        "sizes": sizes,
        "per_class": curves.class_scores(inspected),
        "best_f1": overall,
        "curves": curves.precision_recall(inspected),
        "confusion": confusion.confusion(inspected, score),
        "errors": tide.effects(inspected),
        "calibration": confusion.calibration(inspected),
        "per_image": by_image,
        "worst": [image["image_id"] for image in images.worst(by_image, WORST)],
        "suspects": suspects.suspects(inspected, score),
        "unlabelled": suspects.unlabelled(inspected, score),
    }
