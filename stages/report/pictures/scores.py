"""Precision against recall, scores against what they promise, and a table of thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.report.drawing import Frame, Point, path
from stages.report.pictures.shown_cells import Shown, ShownCells
from stages.study.group_metrics import MIN_BOXES

FRAME = Frame(440, 340, 48, 430, 10, 300)
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
# Faint lines of classes behind the first cell's mean.
_MOST_CLASSES = 20


@dataclass(frozen=True)
class Line:
    path: str
    title: str


@dataclass(frozen=True)
class Curve:
    """One cell's line, `points` upon it, and fainter lines behind it."""

    cell: Shown
    line: Line
    points: tuple[Point, ...]
    behind: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Threshold:
    """A row of the table. best: best_f1 of the details; lean: whether the scores are too high."""

    cell: Shown
    best: Mapping[str, float | None]
    ECE: float | None
    lean: str


@dataclass(frozen=True)
class Scores:
    """first: the cells drawn at once, at most two; others: those to be picked beside them.
    Without curves the sentence says why; absent: a sentence on cells whose details lack this
    part, or ""."""

    recalls: tuple[Curve, ...]
    reliability: tuple[Curve, ...]
    table: tuple[Threshold, ...]
    first: tuple[Shown, ...]
    others: tuple[Shown, ...]
    split: str
    sentences: tuple[str, ...]
    absent: str


def scores(study: ShownCells) -> Scores:
    """Curves at IoU 0.5 as curves.precision_recall() and calibration.calibration() give them."""
    split = study.split
    cells, absent = study.having("curves", "best_f1", "calibration")
    drawn, calibrated = [], []
    for cell in cells:
        if cell.splits[split]["curves"]["mean"]["AP50"] is not None:
            drawn.append(cell)
            if cell.splits[split]["calibration"]["detections"]:
                calibrated.append(cell)
    nothing = ""
    if not cells:
        nothing = "No cell has curves of its scores."
    elif not drawn:
        nothing = f"The {split} split has no box: no score can be right or wrong."
    elif not calibrated:
        nothing = f"No cell detects anything on the {split} split: there is no score to draw."
    if nothing:
        return Scores((), (), (), (), (), split, (nothing,), absent)
    first = drawn[0]
    return Scores(
        recalls=tuple(_recall(cell, cell.splits[split], cell is first) for cell in drawn),
        reliability=tuple(
            _reliability(cell, cell.splits[split]["calibration"]) for cell in calibrated
        ),
        table=tuple(_threshold(cell, cell.splits[split]) for cell in drawn),
        first=tuple(drawn[:2]),
        others=tuple(drawn[2:]),
        split=split,
        sentences=tuple(_sentences(first, first.splits[split])),
        absent=absent,
    )


def _recall(cell: Shown, details: dict[str, Any], with_classes: bool) -> Curve:
    curves, best = details["curves"], details["best_f1"]
    points = []
    if best["threshold"] is not None:
        title = (
            f"{cell.name}\nbest F1 {best['f1']:.3f} at scores from {best['threshold']:.3f}: "
            f"precision {best['precision']:.3f}, recall {best['recall']:.3f}, all boxes together\n"
            f"run {cell.run}"
        )
        points.append(Point(FRAME.x(best["recall"]), FRAME.y(best["precision"]), title))
    behind = []
    if with_classes:
        behind = _class_lines(details)
    mean = curves["mean"]["AP50"]
    title = f"{cell.name}\nmean over classes, mAP50 {_mean(mean)}\nrun {cell.run}"
    line = Line(_path(curves["recall"], mean), title)
    return Curve(cell, line, tuple(points), tuple(behind))


def _class_lines(details: dict[str, Any]) -> list[Line]:
    """Of the classes with most boxes."""
    boxes = {entry["class"]: entry["boxes"] for entry in details.get("per_class", [])}
    curves = details["curves"]
    classes = [entry for entry in curves["per_class"] if entry["AP50"] is not None]
    classes.sort(key=lambda entry: -boxes.get(entry["class"], 0))
    lines = []
    for entry in classes[:_MOST_CLASSES]:
        number = boxes.get(entry["class"], 0)
        title = f"{entry['class']}, {number:,} boxes: AP50 {_mean(entry['AP50'])}"
        lines.append(Line(_path(curves["recall"], entry["AP50"]), title))
    return lines


def _reliability(cell: Shown, calibration: dict[str, Any]) -> Curve:
    points = []
    for part in calibration["bins"]:
        number = part["detections"]
        if number:
            title = (
                f"{cell.name}\nscores {part['low']:.2f} to {part['high']:.2f}: {number:,} "
                f"detections, mean score {part['confidence']:.3f}, {part['precision']:.3f} of them "
                f"right\nrun {cell.run}"
            )
            x, y = FRAME.x(part["confidence"]), FRAME.y(part["precision"])
            points.append(Point(x, y, title, number < MIN_BOXES))
    line = path((point.x, point.y) for point in points)
    title = f"{cell.name}\nECE {calibration['ECE']:.3f}\nrun {cell.run}"
    return Curve(cell, Line(line, title), tuple(points))


def _threshold(cell: Shown, details: dict[str, Any]) -> Threshold:
    calibration = details["calibration"]
    return Threshold(cell, details["best_f1"], calibration["ECE"], _lean(calibration))


def _lean(calibration: dict[str, Any]) -> str:
    """Whether scores promise more than they hold, over all detections."""
    excess = _promised(calibration)
    if excess is None:
        return "n/a"
    if excess > 0:
        return "too high"
    if excess < 0:
        return "too low"
    return "as they are"


def _promised(calibration: dict[str, Any]) -> float | None:
    """Mean score less precision."""
    if not calibration["detections"]:
        return None
    excess = 0
    for part in calibration["bins"]:
        if part["detections"]:
            excess += part["detections"] * (part["confidence"] - part["precision"])
    return excess / calibration["detections"]


def _sentences(cell: Shown, details: dict[str, Any]) -> list[str]:
    best, calibration = details["best_f1"], details["calibration"]
    if best["threshold"] is None:
        first = f"{cell.short} finds no box with any score: it has no threshold to recommend."
    else:
        first = (
            f"{cell.short} does best with scores from {best['threshold']:.3f} up "
            f"(F1 {best['f1']:.3f}): {100 * best['precision']:.0f} % of what it then shows is "
            f"right, and it finds {100 * best['recall']:.0f} % of the boxes."
        )
    excess = _promised(calibration)
    if excess is None:
        return [first]
    lean = "right on average"
    if excess:
        lean = f"on average {abs(excess):.3f} {_lean(calibration)}"
    second = f"Its scores are {lean}; bin by bin they are off by {calibration['ECE']:.3f} (ECE)."
    return [first, second]


def _path(recall: Sequence[float], precision: Sequence[float]) -> str:
    """A line of the points where it bends."""
    points = list(zip(map(FRAME.x, recall), map(FRAME.y, precision), strict=True))
    last = len(points) - 1
    kept = []
    for place, point in enumerate(points):
        level = 0 < place < last and points[place - 1][1] == point[1] == points[place + 1][1]
        if not level:
            kept.append(point)
    return path(kept)


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.3f}"
