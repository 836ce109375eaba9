"""All that a split's annotations and a cell's detections say of the cell: one call, one plain
dict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.analysis import calibration, confusion, curves, images, suspects, tide
from stages.analysis.tide import Errors
from stages.scoring import engine
from stages.scoring.engine import Evaluated
from stages.scoring.tables import Detections, Pairs, Truth, overlaps, read_detections, read_truth

# The threshold where none has a best F1, because no detection is right.
SCORE = 0.5
WORST = 20


@dataclass(frozen=True)
class Inspection:
    """The arrays behind describe(), for galleries: which detection is which error on which box."""

    truth: Truth
    detections: Detections
    evaluated: Evaluated
    pairs: Pairs
    errors: Errors


def inspect(annotations: str | Path, results: Sequence[Mapping[str, Any]]) -> Inspection:
    """annotations: COCO file of a split as stage prepare writes it; results: COCO's results format,
    may be [].

    Raises InputError where either cannot be read (see tables.py).
    """
    truth = read_truth(annotations)
    detections = read_detections(results, truth)
    evaluated = engine.evaluate(truth, detections)
    pairs = overlaps(truth, detections)
    errors = tide.decompose(truth, detections, pairs, evaluated)
    return Inspection(truth, detections, evaluated, pairs, errors)


def describe(inspected: Inspection, score: float | None = None) -> dict[str, Any]:
    """A plain dict for json.dumps, with None wherever the split has nothing to measure.

    score: the threshold for the confusion matrix, the images and the suspects; by default that with
    the best F1.

    images, boxes, crowds, detections: counts; max_detections: how many detections of a class in an
    image count; score: that threshold; metrics: engine.statistics() by name; classes: how many the
    means run over; sizes: curves.per_size(); per_class: curves.per_class(); best_f1: of all classes
    together; curves: curves.precision_recall(); confusion, errors, calibration: see their modules;
    per_image: images.per_image(); worst: image ids, the worst first; suspects: suspects.suspects();
    unlabelled: suspects.unlabelled().
    """
    truth, detections = inspected.truth, inspected.detections
    evaluated, pairs, errors = inspected.evaluated, inspected.pairs, inspected.errors
    overall = curves.best_f1(truth, detections, evaluated)
    if score is None:
        score = overall["threshold"]
    if score is None:
        score = SCORE
    sizes = curves.per_size(truth, evaluated)
    by_image = images.per_image(truth, detections, evaluated, errors, score)
    return {
        "images": len(truth.image_ids),
        "boxes": int((~truth.crowd).sum()),
        "crowds": int(truth.crowd.sum()),
        "detections": len(detections.score),
        "max_detections": truth.max_detections,
        "score": float(score),
        "metrics": evaluated.statistics,
        "classes": sizes["all"]["classes"],
        "sizes": sizes,
        "per_class": curves.per_class(truth, detections, evaluated),
        "best_f1": overall,
        "curves": curves.precision_recall(truth, evaluated),
        "confusion": confusion.confusion(truth, detections, pairs, evaluated, score),
        "errors": tide.effects(truth, detections, evaluated, errors),
        "calibration": calibration.calibration(truth, detections, evaluated),
        "per_image": by_image,
        "worst": [image["image_id"] for image in images.worst(by_image, WORST)],
        "suspects": suspects.suspects(truth, detections, pairs, evaluated, score),
        "unlabelled": suspects.unlabelled(truth, detections, pairs, evaluated, score),
    }
