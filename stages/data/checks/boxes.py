"""Checks boxes against their images, and areas against their boxes, by whole columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stages.data.checks import readings
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


def check_boxes(labels: Labels, tiny: float, findings: Findings) -> None:
    """labels: one annotation file's. tiny: pixels of a box's shorter side."""
    check = _Checker(labels, findings)
    # NaN is in no comparison true.
    is_finite = (np.abs(check.xywh) < _ABSURD).all(axis=1)
    check.apply("box_not_finite", ~is_finite, unusable=True)
    _check_encoding(check)
    box = check.xywh
    # Drawn from the other corner.
    turned = np.concatenate([box[:, :2] + np.minimum(box[:, 2:], 0), np.abs(box[:, 2:])], axis=1)
    negative = (box[:, 2:] < 0).any(axis=1)
    check.apply("box_negative_size", negative, turned, unusable=True)
    check.apply("box_zero_size", (check.xywh[:, 2:] == 0).any(axis=1), unusable=True)
    is_outside = (check.clipped()[:, 2:] <= 0).any(axis=1)
    check.apply("box_wholly_outside", is_outside, unusable=True)
    for code, least, most in (("box_outside", _EDGE, np.inf), ("box_edge", _ROUNDING, _EDGE)):
        box = check.xywh
        over = np.maximum(-box[:, :2], box[:, :2] + box[:, 2:] - check.size()).max(axis=1)
        check.apply(code, (over > least) & (over <= most), check.clipped(), worst=over)
    shorter = check.xywh[:, 2:].min(axis=1)
    check.apply("box_tiny", shorter < tiny, worst=-shorter)
    check.apply("box_covers_image", (check.xywh[:, 2:] >= _FULL * check.size()).all(axis=1))
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
            self.labels.keep_boxes(~mask)
        elif action == "repair" and mended is not None:
            self._repair(mask, mended)

    def _repair(self, mask: np.ndarray, mended: np.ndarray) -> None:
        """An area that was the box's stays the box's; a smaller one is cut to fit."""
        boxes, old = self.labels.boxes, self.xywh
        area, new = boxes["area"].to_numpy(copy=True), mended[:, 2] * mended[:, 3]
        was_box = np.isclose(area, np.abs(old[:, 2] * old[:, 3]), rtol=0.01)
        area = np.where(mask, np.where(was_box, new, np.minimum(area, new)), area)
        boxes[list("xywh")] = np.where(mask[:, None], mended, old)
        boxes["area"] = area


def _check_encoding(check: _Checker) -> None:
    """Files whose boxes all mean something else: shares of the image, two corners, or yet another
    order of their numbers."""
    box, size = check.xywh, check.size().astype(np.float64)
    if not len(box):
        return
    every = np.ones(len(box), dtype=bool)
    share = ((box >= 0) & (box <= 1)).all(axis=1).mean()
    if share >= _SHARES and size.min() > 1 and (box % 1).any():
        check.apply("box_normalised", every, box * np.tile(size, 2))
        box = check.xywh
    # The first two numbers in the file are the middle of a box where x, y, w, h were made of it.
    numbers = box.copy()
    if check.labels.centred:
        numbers[:, :2] += box[:, 2:] / 2
    if readings.are_corners(numbers, box, size):
        corners = np.concatenate([numbers[:, :2], numbers[:, 2:] - numbers[:, :2]], axis=1)
        check.apply("box_corner_encoded", every, corners)
        return
    other = readings.other_reading(numbers, box, size, check.labels.centred)
    if other:
        outside = np.flatnonzero(readings.outside_of(box, size))
        note = f"{len(outside)} of {len(box)} boxes leave their image; read as {other} all fit"
        check.findings.report("box_read_otherwise", check.place(outside[0]), note=note)
    elif readings.are_near_origin(box, size):
        furthest = box[:, :2] + box[:, 2:]
        across, down = furthest.max(axis=0)
        before = (
            f"x to {across:.0f}, y to {down:.0f}, in images of {size[0, 0]:.0f} x {size[0, 1]:.0f}"
        )
        source = {"split": check.labels.split, "source": check.labels.boxes["source"].iat[0]}
        check.findings.report("boxes_near_origin", source, before=before)


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
