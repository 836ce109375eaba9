"""Precision against recall, and scores against what they promise: two plots and a table of
thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stages.report.pictures.shown_cells import Shown, ShownCells
from stages.study.thin import MIN_BOXES

WIDTH, HEIGHT = 440, 340
LEFT, RIGHT, TOP, BOTTOM = 48, 430, 10, 300
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
# Faint lines of classes behind the first cell's mean.
_MOST_CLASSES = 20


@dataclass(frozen=True)
class Point:
    """x, y in SVG units; thin: few detections, which say little."""

    x: float
    y: float
    title: str
    thin: bool = False


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
    """A row of the table, all as text."""

    cell: Shown
    threshold: str
    f1: str
    precision: str
    recall: str
    ECE: str
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


def x(value: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * value, 1)


def y(value: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * value, 1)


def scores(shown: ShownCells) -> Scores:
    """Curves at IoU 0.5 as curves.precision_recall() and calibration.calibration() give them."""
    split = shown.split
    cells, absent = shown.having("curves", "best_f1", "calibration")
    drawn = [cell for cell in cells if cell.splits[split]["curves"]["mean"]["AP50"] is not None]
    nothing = ""
    if not drawn:
        nothing = (
            f"The {split} split has no box: no score can be right or wrong."
            if cells
            else "No cell has curves of its scores."
        )
    elif not any(cell.splits[split]["calibration"]["detections"] for cell in drawn):
        nothing = f"No cell detects anything on the {split} split: there is no score to draw."
    if nothing:
        return Scores((), (), (), (), (), split, (nothing,), absent)
    calibrated = [cell for cell in drawn if cell.splits[split]["calibration"]["detections"]]
    return Scores(
        tuple(_recall(cell, cell.splits[split], cell is drawn[0]) for cell in drawn),
        tuple(_reliability(cell, cell.splits[split]["calibration"]) for cell in calibrated),
        tuple(_threshold(cell, cell.splits[split]) for cell in drawn),
        tuple(drawn[:2]),
        tuple(drawn[2:]),
        split,
        tuple(_sentences(drawn[0], drawn[0].splits[split])),
        absent,
    )


def _recall(cell: Shown, details: dict[str, Any], with_classes: bool) -> Curve:
    curves, best = details["curves"], details["best_f1"]
    points = ()
    if best["threshold"] is not None:
        points = (
            Point(
                x(best["recall"]),
                y(best["precision"]),
                f"{cell.name}\nbest F1 {best['f1']:.3f} at scores from {best['threshold']:.3f}: precision "
                f"{best['precision']:.3f}, recall {best['recall']:.3f}, all boxes together\nrun {cell.run}",
            ),
        )
    behind: tuple[Line, ...] = ()
    if with_classes:
        boxes = {entry["class"]: entry["boxes"] for entry in details.get("per_class", [])}
        classes = [entry for entry in curves["per_class"] if entry["AP50"] is not None]
        classes = sorted(classes, key=lambda entry: -boxes.get(entry["class"], 0))[:_MOST_CLASSES]
        behind = tuple(
            Line(
                _path(curves["recall"], entry["AP50"]),
                f"{entry['class']}, {boxes.get(entry['class'], 0):,} boxes: AP50 {_mean(entry['AP50'])}",
            )
            for entry in classes
        )
    mean = curves["mean"]["AP50"]
    return Curve(
        cell,
        Line(
            _path(curves["recall"], mean),
            f"{cell.name}\nmean over classes, mAP50 {_mean(mean)}\nrun {cell.run}",
        ),
        points,
        behind,
    )


def _reliability(cell: Shown, calibration: dict[str, Any]) -> Curve:
    bins = [one for one in calibration["bins"] if one["detections"]]
    points = tuple(
        Point(
            x(one["confidence"]),
            y(one["precision"]),
            f"{cell.name}\nscores {one['low']:.2f} to {one['high']:.2f}: {one['detections']:,} "
            f"detections, mean score {one['confidence']:.3f}, {one['precision']:.3f} of them right\n"
            f"run {cell.run}",
            one["detections"] < MIN_BOXES,
        )
        for one in bins
    )
    path = "M" + "L".join(f"{point.x:g} {point.y:g}" for point in points) if len(points) > 1 else ""
    return Curve(
        cell, Line(path, f"{cell.name}\nECE {calibration['ECE']:.3f}\nrun {cell.run}"), points
    )


def _threshold(cell: Shown, details: dict[str, Any]) -> Threshold:
    best, calibration = details["best_f1"], details["calibration"]

    def text(value: float | None) -> str:
        return "n/a" if value is None else f"{value:.3f}"

    return Threshold(
        cell,
        text(best["threshold"]),
        text(best["f1"]),
        text(best["precision"]),
        text(best["recall"]),
        text(calibration["ECE"]),
        _lean(calibration),
    )


def _lean(calibration: dict[str, Any]) -> str:
    """Whether scores promise more than they hold, over all detections."""
    by = _promised(calibration)
    return "n/a" if by is None else "too high" if by > 0 else "too low" if by < 0 else "as they are"


def _promised(calibration: dict[str, Any]) -> float | None:
    """Mean score less precision."""
    total = calibration["detections"]
    if not total:
        return None
    return (
        sum(
            one["detections"] * (one["confidence"] - one["precision"])
            for one in calibration["bins"]
            if one["detections"]
        )
        / total
    )


def _sentences(cell: Shown, details: dict[str, Any]) -> list[str]:
    best, calibration = details["best_f1"], details["calibration"]
    told = []
    if best["threshold"] is None:
        told.append(f"{cell.short} finds no box with any score: it has no threshold to recommend.")
    else:
        told.append(
            f"{cell.short} does best with scores from {best['threshold']:.3f} up (F1 {best['f1']:.3f}): "
            f"{100 * best['precision']:.0f} % of what it then shows is right, and it finds "
            f"{100 * best['recall']:.0f} % of the boxes."
        )
    by = _promised(calibration)
    if by is not None:
        lean = (
            f"on average {abs(by):.3f} too {'high' if by > 0 else 'low'}"
            if by
            else "right on average"
        )
        told.append(
            f"Its scores are {lean}; bin by bin they are off by {calibration['ECE']:.3f} (ECE)."
        )
    return told


def _path(recall: Sequence[float], precision: Sequence[float]) -> str:
    """A line of the points where it bends."""
    points = [(x(a), y(b)) for a, b in zip(recall, precision, strict=True)]
    kept = [
        point
        for at, point in enumerate(points)
        if at in (0, len(points) - 1) or not points[at - 1][1] == point[1] == points[at + 1][1]
    ]
    return "M" + "L".join(f"{a:g} {b:g}" for a, b in kept)


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.3f}"
