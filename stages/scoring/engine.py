"""COCO's matching and average precision of a cell on a split, by hotcoco. The one module that
imports it.

hotcoco 1.3.0 is a young port of pycocotools, equal to it in every number tested (tests/scoring)
in a few hundredths of the time. Only what has that oracle is taken from it: the twelve statistics,
the precision arrays and the matches at IoU .5. What it derives from them was tried and is computed
in stages/analysis, because
- tide_errors() agrees with the authors' tool but does not say which detection is which error, and
  gives 0 rather than nothing for a split without boxes, and for missed boxes where nothing is
  detected (tide.py);
- confusion_matrix() counts detections in crowd regions as false, and takes the best 100 of an image
  over all classes where COCO takes 100 of each (confusion.py);
- image_diagnostics() ignores its score threshold in the counts of an image, and clears a box of
  suspicion where its own class was detected with any score, be it .01 (images.py, suspects.py);
- calibration() closes bins on the left, Guo et al. on the right, and gives 0 for no detections
  (calibration.py);
- f_scores() maximises over the interpolated curve, names no score threshold, and -1 for no boxes
  (curves.py).
"""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass

import hotcoco
import numpy as np

from stages.scoring.tables import Detections, Truth
from stages.study.metrics import METRICS, SIZE_LIMITS

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
# By area in pixels, both ends within, as COCO has it: an area of exactly 32^2 is small and medium.
AREAS = {
    "all": (0.0, 1e10),
    "small": (0.0, SIZE_LIMITS[0]),
    "medium": SIZE_LIMITS,
    "large": (SIZE_LIMITS[1], 1e10),
}


def limits(max_detections: int) -> list[int]:
    """COCO's three limits of the detections of a class in an image; precision is taken at the
    last."""
    return [1, min(10, max_detections), max_detections]


def statistics(max_detections: int) -> tuple[str, ...]:
    """The names of COCO's twelve numbers in its order: average precision, then average recall (over
    IoU .50:.95) at each of limits(), then by size. A recall's name gives its limit."""
    recalls = [f"bbox_AR_{limit}" for limit in limits(max_detections)]
    return (*METRICS, *recalls, "bbox_AR_s", "bbox_AR_m", "bbox_AR_l")


@dataclass(frozen=True)
class Evaluated:
    """statistics: COCO's numbers by name, None where the split has no such box.

    precision: (10 IOUS, 101 RECALLS, K classes, 4 AREAS), at Truth.max_detections; scores:
    (101, K), those at IoU .5 and over all sizes; both NaN where the class has no box of the size.
    box: (D,) the box that each detection matches at IoU .5, -1 for none; counted: (D,) whether COCO
    counts it as right or wrong, which it does not beyond an image's best Truth.max_detections of a
    class and inside crowds.
    """

    statistics: dict[str, float | None]
    precision: np.ndarray
    scores: np.ndarray
    box: np.ndarray
    counted: np.ndarray


def evaluate(truth: Truth, detections: Detections) -> Evaluated:
    """COCO's evaluation of boxes with its own settings (Lin et al. 2014, arXiv:1405.0312;
    pycocotools' COCOeval)."""
    annotations = _annotations(truth)
    # hotcoco numbers the detections from 1 in this order.
    columns = (detections.image + 1, detections.boxes, detections.score, detections.category + 1)
    results = annotations.load_res(np.column_stack(columns).astype(float))
    evaluation = hotcoco.COCOeval(annotations, results, "bbox")
    evaluation.params.max_dets = limits(truth.max_detections)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        # The names of the recalls follow the limits; see statistics().
        warnings.filterwarnings("ignore", message="hotcoco: max_dets differ")
        evaluation.run()
    arrays = evaluation.eval
    precision, scores = arrays["precision"][..., -1], arrays["scores"][0, :, :, 0, -1]
    names = statistics(truth.max_detections)
    values: dict[str, float | None] = dict.fromkeys(names)
    for name, value in zip(names, evaluation.stats):
        # COCO writes -1 where there is no such box.
        if value >= 0:
            values[name] = float(value)
    box = np.full(len(detections.score), -1)
    counted = np.zeros(len(detections.score), dtype=bool)
    matches = evaluation.image_diagnostics(iou_thr=0.5, score_thr=1.0)
    status, pairs = matches["dt_status"], matches["dt_match"]
    counted[np.fromiter(status, np.int64, len(status)) - 1] = True
    box[np.fromiter(pairs, np.int64, len(pairs)) - 1] = (
        np.fromiter(pairs.values(), np.int64, len(pairs)) - 1
    )
    return Evaluated(
        values,
        np.where(precision < 0, np.nan, precision),
        np.where(precision[0, :, :, 0] < 0, np.nan, scores),
        box,
        counted,
    )


def _annotations(truth: Truth) -> hotcoco.COCO:
    """Images, classes and boxes numbered from 1 in the order of `truth`."""
    images = []
    for number in range(1, len(truth.image_ids) + 1):
        images.append({"id": number, "file_name": "", "width": 0, "height": 0})
    categories = []
    for number in range(1, len(truth.classes) + 1):
        categories.append({"id": number, "name": str(number)})
    return hotcoco.COCO.from_arrays(
        images,
        categories,
        truth.image + 1,
        truth.category + 1,
        truth.boxes,
        ids=np.arange(1, len(truth.ids) + 1),
        area=truth.area,
        iscrowd=truth.crowd.astype(np.int64),
    )


def average_precision(correct: np.ndarray, boxes: int) -> float:
    """COCO's 101-point AP at one IoU. correct: (n,) by falling score; boxes: how many there are to
    detect, above 0."""
    true = np.cumsum(correct)
    precision = true / np.arange(1, len(true) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(true / boxes, RECALLS, side="left")
    return float(envelope[at[at < len(true)]].sum() / len(RECALLS))
