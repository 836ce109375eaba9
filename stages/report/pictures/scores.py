"""Precision against recall, scores against what they promise, and a table of thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from stages.report.drawing import Curve, CurvePoint, Frame, path
from stages.report.shown_cells import Shown, ShownCells
from stages.study.group_metrics import MIN_BOXES

SCORE_FRAME = Frame(440, 340, 48, 430, 10, 300)
SCORE_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
# Faint lines of classes behind the first cell's mean.
_MOST_CLASSES = 20


@dataclass(frozen=True)
class ScoreCurves:
    """first: the cells drawn at once, at most two; others: those to be picked beside them; table:
    cell, its best_f1 and ECE as its details have them, and whether its scores are too high.
    Without curves the sentence says why; absent: a sentence on cells whose details lack this
    part, or ""."""

    split: str
    sentences: list[str]
    absent: str
    recalls: Sequence[Curve] = ()
    reliability: Sequence[Curve] = ()
    table: Sequence[tuple[Shown, Mapping[str, float | None], float | None, str]] = ()
    first: Sequence[Shown] = ()
    others: Sequence[Shown] = ()


def score_curves(study: ShownCells) -> ScoreCurves:
    """Curves at IoU 0.5 as quality.precision_recall() and calibration() give them."""
    split = study.split
    cells, absent = study.having("curves", "best_f1", "calibration")
    recalls, reliability, table, drawn = [], [], [], []
    for cell in cells:
        details = cell.splits[split]
        calibration = details["calibration"]
        if details["curves"]["mean"]["AP50"] is None:
            continue
        recalls.append(_recall(cell, details, with_classes=not drawn))
        table.append((cell, details["best_f1"], calibration["ECE"], _lean(_excess(calibration))))
        drawn.append(cell)
        if calibration["detections"]:
            reliability.append(_reliability(cell, calibration))
    nothing = ""
    if not cells:
        nothing = "No cell has curves of its scores."
    elif not drawn:
        nothing = f"The {split} split has no box: no score can be right or wrong."
    elif not reliability:
        nothing = f"No cell detects anything on the {split} split: there is no score to draw."
    if nothing:
        return ScoreCurves(split, [nothing], absent)
    sentences = _sentences(drawn[0], drawn[0].splits[split])
    return ScoreCurves(split, sentences, absent, recalls, reliability, table, drawn[:2], drawn[2:])


def _recall(cell: Shown, details: Mapping[str, Any], with_classes: bool) -> Curve:
    curves, best = details["curves"], details["best_f1"]
    points = []
    if best["threshold"] is not None:
        title = (
            f"{cell.name}\nbest F1 {best['f1']:.3f} at scores from {best['threshold']:.3f}: "
            f"precision {best['precision']:.3f}, recall {best['recall']:.3f}, all boxes together\n"
            f"run {cell.run}"
        )
        points.append(
            CurvePoint(SCORE_FRAME.x(best["recall"]), SCORE_FRAME.y(best["precision"]), title)
        )
    behind = _class_lines(details) if with_classes else []
    mean = curves["mean"]["AP50"]
    title = f"{cell.name}\nmean over classes, mAP50 {fmean(mean):.3f}\nrun {cell.run}"
    return Curve(cell, _path(curves["recall"], mean), title, points, behind)


def _class_lines(details: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Path and title, of the classes with most boxes."""
    boxes = {entry["class"]: entry["boxes"] for entry in details.get("per_class", [])}
    curves = details["curves"]
    classes = [entry for entry in curves["per_class"] if entry["AP50"] is not None]
    classes.sort(key=lambda entry: -boxes.get(entry["class"], 0))
    lines = []
    for entry in classes[:_MOST_CLASSES]:
        number = boxes.get(entry["class"], 0)
        title = f"{entry['class']}, {number:,} boxes: AP50 {fmean(entry['AP50']):.3f}"
        lines.append((_path(curves["recall"], entry["AP50"]), title))
    return lines


def _reliability(cell: Shown, calibration: Mapping[str, Any]) -> Curve:
    points = []
    for part in calibration["bins"]:
        number = part["detections"]
        if number:
            title = (
                f"{cell.name}\nscores {part['low']:.2f} to {part['high']:.2f}: {number:,} "
                f"detections, mean score {part['confidence']:.3f}, {part['precision']:.3f} of them "
                f"right\nrun {cell.run}"
            )
            x, y = SCORE_FRAME.x(part["confidence"]), SCORE_FRAME.y(part["precision"])
            points.append(CurvePoint(x, y, title, number < MIN_BOXES))
    line = path((point.x, point.y) for point in points)
    title = f"{cell.name}\nECE {calibration['ECE']:.3f}\nrun {cell.run}"
    return Curve(cell, line, title, points, [])


def _excess(calibration: Mapping[str, Any]) -> float | None:
    """Mean score less precision, over all detections; None without any."""
    if not calibration["detections"]:
        return None
    excess = 0
    for part in calibration["bins"]:
        if part["detections"]:
            excess += part["detections"] * (part["confidence"] - part["precision"])
    return excess / calibration["detections"]


def _lean(excess: float | None) -> str:
    """Whether scores promise more than they hold."""
    if excess is None:
        return "n/a"
    if excess:
        return "too high" if excess > 0 else "too low"
    return "as they are"


def _sentences(cell: Shown, details: Mapping[str, Any]) -> list[str]:
    best, calibration = details["best_f1"], details["calibration"]
    first = f"{cell.short} finds no box with any score: it has no threshold to recommend."
    if best["threshold"] is not None:
        first = (
            f"{cell.short} does best with scores from {best['threshold']:.3f} up "
            f"(F1 {best['f1']:.3f}): {100 * best['precision']:.0f} % of what it then shows is "
            f"right, and it finds {100 * best['recall']:.0f} % of the boxes."
        )
    excess = _excess(calibration)
    if excess is None:
        return [first]
    lean = "right on average"
    if excess:
        lean = f"on average {abs(excess):.3f} {_lean(excess)}"
    second = f"Its scores are {lean}; bin by bin they are off by {calibration['ECE']:.3f} (ECE)."
    return [first, second]


def _path(recall: Sequence[float], precision: Sequence[float]) -> str:
    """A line of the points where it bends."""
    points = list(zip(map(SCORE_FRAME.x, recall), map(SCORE_FRAME.y, precision), strict=True))
    last = len(points) - 1
    kept = []
    for place, point in enumerate(points):
        level = 0 < place < last and points[place - 1][1] == point[1] == points[place + 1][1]
        if not level:
            kept.append(point)
    return path(kept)
