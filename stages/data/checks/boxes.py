"""Checks boxes against their images, and areas against their boxes. Everything here works on whole
columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stages.data.findings import Findings
from stages.data.labels import Labels, entry_name

# Labelling programs round; a box that is over the edge by this many pixels is not a mistake.
_EDGE = 1.0
_ROUNDING = 1e-6
# Of a file's boxes: this many must leave their image when read as x, y, w, h, and all but so many
# fit as corners.
_CORNER_LEAST, _CORNER_OUTSIDE, _CORNER_MISFIT = 3, 0.05, 0.01
_FULL = 0.995
# Of a file's boxes: this part must lie in 0..1 to be shares of the image. In pixels none does, a
# mistake aside.
_SHARES = 0.95
# Pixels; no image has as many, and their products still are exact.
_ABSURD = 1e9
# Areas of polygons are rounded; a box of one pixel may have an area of 1.01.
_AREA_SLACK = 1.02


def check_boxes(labels: Labels, tiny: float, findings: Findings) -> None:
    """labels: one annotation file's. tiny: pixels of a box's shorter side."""
    check = _Checker(labels, findings)
    box = check.xywh
    # NaN is in no comparison true.
    check.drop("box_not_finite", ~(np.abs(box) < _ABSURD).all(axis=1))
    check.encoding()
    box = check.xywh
    negative = (box[:, 2:] < 0).any(axis=1)
    if findings.action("box_negative_size") == "repair":
        # Drawn from the other corner.
        mended = np.concatenate(
            [box[:, :2] + np.minimum(box[:, 2:], 0), np.abs(box[:, 2:])], axis=1
        )
        check.repair("box_negative_size", negative, mended)
    else:
        check.drop("box_negative_size", negative)
    check.drop("box_zero_size", (check.xywh[:, 2:] == 0).any(axis=1))
    _check_edges(check)
    box = check.xywh
    shorter = box[:, 2:].min(axis=1)
    check.keep("box_tiny", shorter < tiny, worst=-shorter)
    box, size = check.xywh, check.size()
    check.keep("box_covers_image", (box[:, 2:] >= _FULL * size).all(axis=1))
    _check_areas(check)
    check.keep("box_crowd", labels.boxes["iscrowd"].to_numpy() == 1)


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

    @property
    def xywh(self) -> np.ndarray:
        return self.labels.boxes[list("xywh")].to_numpy()

    def size(self) -> np.ndarray:
        """(boxes, 2) width and height of each box's image."""
        sizes = self.labels.images[["width", "height"]].to_numpy()
        return sizes[self.labels.boxes["image"].to_numpy()]

    def clipped(self) -> np.ndarray:
        """(boxes, 4) the part of each box that lies in its image, of no extent where none does."""
        box, size = self.xywh, self.size()
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

    def keep(self, code: str, mask: np.ndarray, worst: np.ndarray | None = None) -> None:
        """A fault to report; dropped only where the policy says so. worst: the largest are shown
        first."""
        rows = _rows(mask, worst)
        if self.findings.action(code) == "drop":
            self.findings.rows(code, rows, self.dropped)
            self.labels.keep_boxes(~mask)
        else:
            self.findings.rows(code, rows, self.place)

    def dropped(self, row: int) -> dict[str, Any]:
        place = self.place(row)
        return {**place, "before": place["box"]}

    def drop(self, code: str, mask: np.ndarray) -> None:
        self.findings.rows(code, np.flatnonzero(mask), self.dropped)
        if mask.any():
            # Also where the policy is to stop: what comes after needs boxes that are boxes.
            self.labels.keep_boxes(~mask)

    def repair(
        self, code: str, mask: np.ndarray, mended: np.ndarray, worst: np.ndarray | None = None
    ) -> None:
        """mended: (boxes, 4). An area that was the box's stays the box's; a smaller one is cut to
        fit."""
        rows = _rows(mask, worst)
        self.findings.rows(
            code, rows, lambda row: {**self.dropped(row), "after": mended[row].tolist()}
        )
        if self.findings.action(code) != "repair" or not len(rows):
            return
        boxes, old = self.labels.boxes, self.xywh
        area, new = boxes["area"].to_numpy(copy=True), mended[:, 2] * mended[:, 3]
        was_box = np.isclose(area, np.abs(old[:, 2] * old[:, 3]), rtol=0.01)
        area = np.where(mask, np.where(was_box, new, np.minimum(area, new)), area)
        boxes[list("xywh")] = np.where(mask[:, None], mended, old)
        boxes["area"] = area

    def encoding(self) -> None:
        """Files whose boxes all mean something else: shares of the image, or two corners."""
        box, size = self.xywh, self.size().astype(np.float64)
        if not len(box):
            return
        share = ((box >= 0) & (box <= 1)).all(axis=1).mean()
        if share >= _SHARES and size.min() > 1 and (box % 1).any():
            self.repair("box_normalised", np.ones(len(box), dtype=bool), box * np.tile(size, 2))
            return
        outside = (box[:, :2] + box[:, 2:] > size + _EDGE).any(axis=1)
        fits = (box[:, 2:] > box[:, :2]).all(axis=1) & (box[:, 2:] <= size + _EDGE).all(axis=1)
        many = outside.sum() >= _CORNER_LEAST and outside.mean() >= _CORNER_OUTSIDE
        if many and (~fits).mean() <= _CORNER_MISFIT:
            corners = np.concatenate([box[:, :2], box[:, 2:] - box[:, :2]], axis=1)
            self.repair("box_corner_encoded", np.ones(len(box), dtype=bool), corners)


def _rows(mask: np.ndarray, worst: np.ndarray | None) -> np.ndarray:
    rows = np.flatnonzero(mask)
    if worst is None:
        return rows
    return rows[np.argsort(-worst[rows], kind="stable")]


def _check_edges(check: _Checker) -> None:
    check.drop("box_wholly_outside", (check.clipped()[:, 2:] <= 0).any(axis=1))
    for code, least, most in (("box_outside", _EDGE, np.inf), ("box_edge", _ROUNDING, _EDGE)):
        box, size = check.xywh, check.size()
        over = np.maximum(-box[:, :2], box[:, :2] + box[:, 2:] - size).max(axis=1)
        mask = (over > least) & (over <= most)
        if check.findings.action(code) in ("repair", "fatal"):
            check.repair(code, mask, check.clipped(), worst=over)
        else:
            check.keep(code, mask, worst=over)


def _check_areas(check: _Checker) -> None:
    boxes = check.labels.boxes
    area = boxes["area"].to_numpy(copy=True)
    full = boxes["w"].to_numpy() * boxes["h"].to_numpy()
    missing = np.isnan(area)
    wrong = ~missing & (~np.isfinite(area) | (area <= 0) | (area > full * _AREA_SLACK + _EDGE))
    check.findings.rows(
        "area_wrong",
        np.flatnonzero(wrong),
        lambda row: {
            **check.place(row),
            "before": f"area {area[row]:g}",
            "after": f"area {full[row]:g}",
        },
    )
    boxes["area"] = np.where(missing | wrong, full, area)


def check_doubles(labels: Labels, findings: Findings) -> None:
    """Boxes that are there twice. labels: the whole split, whose files may have had an image in
    common."""
    check, boxes = _Checker(labels, findings), labels.boxes
    if not _may_repeat(boxes):
        return
    corners = ["image", "x", "y", "w", "h"]
    twice = boxes.duplicated([*corners, "label"]).to_numpy()
    check.keep("box_duplicate", twice)
    boxes = check.labels.boxes
    # Exact duplicates that were kept are not a second class.
    several = boxes.drop_duplicates([*corners, "label"]).duplicated(corners)
    mask = np.zeros(len(boxes), dtype=bool)
    mask[several.index[several]] = True
    check.keep("box_two_classes", mask)


def _may_repeat(boxes: pd.DataFrame) -> bool:
    """False only where no two rows have the same image and sides. Sorting one number a row is a
    tenth of the work."""
    mixed = boxes["image"].to_numpy().astype(np.uint64)
    for side in "xywh":
        # 0.0 and -0.0 are equal, and so must their bits be.
        bits = (boxes[side].to_numpy() + 0.0).view(np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15) + bits
    mixed.sort()
    return bool((mixed[1:] == mixed[:-1]).any())
