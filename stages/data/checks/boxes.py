"""Checks boxes against their images, and areas against their boxes, by whole columns; what else the
four numbers of a box may mean is told by all boxes of a file together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from stages.data.findings import Findings
from stages.data.labels import Labels, entry_name

# Labelling programs round; a box that is over the edge by this many pixels is not a mistake.
_EDGE = 1.0
_ROUNDING = 1e-6
_FULL = 0.995
# Of a file's boxes, as many must lie in 0..1 to be shares of the image. In pixels hardly any does.
_SHARES = 0.95
# Pixels; no image has as many, and their products still are exact.
_ABSURD = 1e9
# Areas of polygons are rounded; a box of one pixel may have an area of 1.01.
_AREA_SLACK = 1.02
# Of a file's boxes, as many must leave their image as the format has it, and all but so many must
# lie in it under another reading.
_OUTSIDE, _MISFIT = 0.05, 0.01
_LEAST_FOR_CORNERS, _LEAST = 3, 5
# Boxes of a healthy file that lie nearer to an edge than half their size, if they lie anywhere:
# fewer could all be elsewhere by chance.
_NEAR_EDGE, _NEAR_EDGE_SHARE = 8.0, 0.03
# Of thousandths. Boxes of a whole set reach nearly across some image.
_FAR = 900.0
_THOUSANDTHS_OUTSIDE = 0.25
# Of an image's side, and of boxes: what reaches no further is hardly in pixels of it.
_HALF, _MANY = 0.5, 50


def check_boxes(labels: Labels, tiny: float, findings: Findings) -> None:
    """labels: one annotation file's. tiny: pixels of a box's shorter side."""
    check = _Checker(labels, findings)
    # NaN is in no comparison true.
    is_finite = (np.abs(labels.xywh) < _ABSURD).all(axis=1)
    check.apply("box_not_finite", ~is_finite, unusable=True)
    _check_encoding(check)
    box = labels.xywh
    # Drawn from the other corner.
    turned = np.concatenate([box[:, :2] + np.minimum(box[:, 2:], 0), np.abs(box[:, 2:])], axis=1)
    check.apply("box_negative_size", (box[:, 2:] < 0).any(axis=1), turned, unusable=True)
    check.apply("box_zero_size", (labels.xywh[:, 2:] == 0).any(axis=1), unusable=True)
    check.apply("box_wholly_outside", (check.clipped()[:, 2:] <= 0).any(axis=1), unusable=True)
    for code, least, most in (("box_outside", _EDGE, np.inf), ("box_edge", _ROUNDING, _EDGE)):
        over = _over_edge(labels.xywh, labels.image_sizes())
        check.apply(code, (over > least) & (over <= most), check.clipped(), worst=over)
    shorter = labels.xywh[:, 2:].min(axis=1)
    check.apply("box_tiny", shorter < tiny, worst=-shorter)
    check.apply(
        "box_covers_image", (labels.xywh[:, 2:] >= _FULL * labels.image_sizes()).all(axis=1)
    )
    _check_areas(check)
    check.apply("box_crowd", labels.boxes["iscrowd"].to_numpy() == 1)


def check_images(labels: Labels, max_detections: int, findings: Findings) -> None:
    """Images without boxes and with too many."""
    count = np.bincount(labels.boxes["image"].to_numpy(), minlength=len(labels.images))
    many = np.flatnonzero(count > max_detections)
    findings.rows(
        "image_over_max_detections",
        many[np.argsort(-count[many], kind="stable")],
        lambda row: {**labels.place(row), "before": f"{count[row]} boxes"},
    )
    if not count.any():
        # A test set without labels: nobody knows what is on its images.
        return
    findings.rows("image_without_boxes", np.flatnonzero(count == 0), labels.place)
    if findings.action("image_without_boxes") == "drop":
        labels.keep_images(count > 0)


class _Checker:
    """The boxes of one file and what is done with those that a check finds."""

    def __init__(self, labels: Labels, findings: Findings) -> None:
        self.labels, self.findings = labels, findings

    def clipped(self) -> np.ndarray:
        """(boxes, 4) the part of each box that lies in its image, of no extent where none does."""
        box, size = self.labels.xywh, self.labels.image_sizes()
        low = np.clip(box[:, :2], 0, size)
        high = np.clip(box[:, :2] + box[:, 2:], 0, size)
        return np.concatenate([low, high - low], axis=1)

    def place(self, row: int) -> dict[str, Any]:
        box, images = self.labels.boxes, self.labels.images
        return {
            "split": self.labels.split,
            "source": box["source"].iat[row],
            "file": images["file_name"].iat[box["image"].iat[row]],
            "entry": entry_name(box["entry"].iat[row]),
            "label": self.labels.classes[box["label"].iat[row]],
            "box": [float(box[side].iat[row]) for side in "xywh"],
        }

    def apply(
        self,
        code: str,
        mask: np.ndarray,
        mended: np.ndarray | None = None,
        worst: np.ndarray | None = None,
        unusable: bool = False,
    ) -> None:
        """Reports the boxes where `mask` (boxes,) is True, and does with them what the policy says.

        mended: (boxes, 4) what a repair makes of them. worst: the largest are shown first.
        unusable: what comes after cannot do with them, so that they go where the policy is to stop,
        too.
        """
        if not mask.any():
            return
        rows = np.flatnonzero(mask)
        if worst is not None:
            rows = rows[np.argsort(-worst[rows], kind="stable")]
        action = self.findings.action(code)
        if unusable and action == "fatal":
            action = "drop"

        def place(row: int) -> dict[str, Any]:
            place = self.place(row)
            if action != "keep":
                place["before"] = place["box"]
            if action in ("repair", "fatal") and mended is not None:
                place["after"] = mended[row].tolist()
            return place

        self.findings.rows(code, rows, place)
        if action == "drop":
            self.labels.boxes = self.labels.boxes[~mask].reset_index(drop=True)
        elif action == "repair" and mended is not None:
            self._repair(mask, mended)

    def _repair(self, mask: np.ndarray, mended: np.ndarray) -> None:
        """An area that was the box's stays the box's; a smaller one is cut to fit."""
        boxes, old = self.labels.boxes, self.labels.xywh
        area, new = boxes["area"].to_numpy(copy=True), mended[:, 2] * mended[:, 3]
        was_box = np.isclose(area, np.abs(old[:, 2] * old[:, 3]), rtol=0.01)
        area = np.where(mask, np.where(was_box, new, np.minimum(area, new)), area)
        boxes[list("xywh")] = np.where(mask[:, None], mended, old)
        boxes["area"] = area


def _check_encoding(check: _Checker) -> None:
    """Files whose boxes all mean something else: shares of the image, two corners, or yet another
    order of their numbers."""
    box, size = check.labels.xywh, check.labels.image_sizes().astype(np.float64)
    if not len(box):
        return
    every = np.ones(len(box), dtype=bool)
    share = ((box >= 0) & (box <= 1)).all(axis=1).mean()
    if share >= _SHARES and size.min() > 1 and (box % 1).any():
        check.apply("box_normalised", every, box * np.tile(size, 2))
        box = check.labels.xywh
    # The first two numbers in the file are the middle of a box where x, y, w, h were made of it.
    numbers = box.copy()
    if check.labels.centred:
        numbers[:, :2] += box[:, 2:] / 2
    if _are_corners(numbers, box, size):
        corners = np.concatenate([numbers[:, :2], numbers[:, 2:] - numbers[:, :2]], axis=1)
        check.apply("box_corner_encoded", every, corners)
        return
    other = _other_reading(numbers, box, size, check.labels.centred)
    if other:
        outside = np.flatnonzero(_over_edge(box, size) > _EDGE)
        note = f"{len(outside)} of {len(box)} boxes leave their image; read as {other} all fit"
        check.findings.report("box_read_otherwise", check.place(outside[0]), note=note)
        return
    furthest = box[:, :2] + box[:, 2:]
    # None of many boxes reaches into the right or the lower half of its image.
    if len(box) >= _MANY and (furthest <= _HALF * size).all():
        across, down = furthest.max(axis=0)
        width, height = size[0]
        before = f"x to {across:.0f}, y to {down:.0f}, in images of {width:.0f} x {height:.0f}"
        source = {"split": check.labels.split, "source": check.labels.boxes["source"].iat[0]}
        check.findings.report("boxes_near_origin", source, before=before)


def _are_corners(numbers: np.ndarray, box: np.ndarray, size: np.ndarray) -> bool:
    """Whether boxes leave their images unless they are x1, y1, x2, y2.

    numbers: (n, 4) as in the file, in pixels; box: (n, 4) x, y, w, h of them as the format has it;
    size: (n, 2) of the images.
    """
    outside = (box[:, :2] + box[:, 2:] > size + _EDGE).any(axis=1)
    return _are_many(outside, _LEAST_FOR_CORNERS) and _fit(numbers[:, :2], numbers[:, 2:], size)


def _other_reading(numbers: np.ndarray, box: np.ndarray, size: np.ndarray, centred: bool) -> str:
    """The one other reading under which all boxes lie in their images, "" for none or several, and
    where they do as they are. As `_are_corners`; centred: the format gives the middle of a box."""
    outside = _over_edge(box, size) > _EDGE
    if not _are_many(outside, _LEAST):
        return ""
    fitting = []
    for name, low, high in _readings(numbers, size, centred):
        if _fit(low, high, size):
            fitting.append(name)
    if len(fitting) == 1:
        return fitting[0]
    if not fitting and outside.mean() >= _THOUSANDTHS_OUTSIDE and _are_thousandths(numbers):
        return "thousandths of the image"
    return ""


def _over_edge(box: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(n,) pixels by which boxes reach over an edge, negative for those inside."""
    return np.maximum(-box[:, :2], box[:, :2] + box[:, 2:] - size).max(axis=1)


def _readings(
    numbers: np.ndarray, size: np.ndarray, centred: bool
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, and (n, 2) lower and upper corners."""
    first, second = numbers[:, :2], numbers[:, 2:]
    # Where a box can lie in its image by chance as often as not, that all do says nothing.
    near = (second / (2 * size)).sum(axis=1)
    if near.sum() >= _NEAR_EDGE and near.mean() >= _NEAR_EDGE_SHARE:
        if centred:
            yield "the corner x, y, then width, height", first, first + second
        else:
            yield "the middle x, y, then width, height", first - second / 2, first + second / 2
    # Shares of the image fit one way as well as the other.
    if not centred:
        turned, extent = first[:, ::-1], second[:, ::-1]
        yield "y, x, height, width", turned, turned + extent
        yield "y1, x1, y2, x2", turned, extent


def _are_thousandths(numbers: np.ndarray) -> bool:
    """Whether boxes reach nearly to 1000, and none further, both across and down."""
    first, second = numbers[:, :2], numbers[:, 2:]
    for high in (first + second, second):
        furthest = high.max(axis=0)
        if (furthest >= _FAR).all() and (furthest <= 1000 + _EDGE).all():
            return bool((first >= -_EDGE).all())
    return False


def _are_many(outside: np.ndarray, least: int) -> bool:
    return bool(outside.sum() >= least and outside.mean() >= _OUTSIDE)


def _fit(low: np.ndarray, high: np.ndarray, size: np.ndarray) -> bool:
    fits = (low >= -_EDGE) & (high > low) & (high <= size + _EDGE)
    return bool((~fits.all(axis=1)).mean() <= _MISFIT)


def _check_areas(check: _Checker) -> None:
    boxes = check.labels.boxes
    area = boxes["area"].to_numpy(copy=True)
    full = boxes["w"].to_numpy() * boxes["h"].to_numpy()
    missing = np.isnan(area)
    wrong = ~missing & (~np.isfinite(area) | (area <= 0) | (area > full * _AREA_SLACK + _EDGE))

    def place(row: int) -> dict[str, Any]:
        before, after = f"area {area[row]:g}", f"area {full[row]:g}"
        return {**check.place(row), "before": before, "after": after}

    check.findings.rows("area_wrong", np.flatnonzero(wrong), place)
    boxes["area"] = np.where(missing | wrong, full, area)


def check_doubles(labels: Labels, findings: Findings) -> None:
    """Boxes that are there twice. labels: the whole split; its files may have images in common."""
    check, boxes = _Checker(labels, findings), labels.boxes
    if not _may_repeat(boxes):
        return
    corners = ["image", "x", "y", "w", "h"]
    twice = boxes.duplicated([*corners, "label"]).to_numpy()
    check.apply("box_duplicate", twice)
    boxes = check.labels.boxes
    # Exact duplicates that were kept are not a second class.
    several = boxes.drop_duplicates([*corners, "label"]).duplicated(corners)
    mask = np.zeros(len(boxes), dtype=bool)
    mask[several.index[several]] = True
    check.apply("box_two_classes", mask)


def _may_repeat(boxes: pd.DataFrame) -> bool:
    """False only where no two rows have the same image and sides: a tenth of pandas' work."""
    mixed = boxes["image"].to_numpy().astype(np.uint64)
    for side in "xywh":
        # 0.0 and -0.0 are equal, and so must their bits be.
        bits = (boxes[side].to_numpy() + 0.0).view(np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15) + bits
    mixed.sort()
    return bool((mixed[1:] == mixed[:-1]).any())
