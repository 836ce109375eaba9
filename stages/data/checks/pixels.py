"""Checks what image files hold and whether they have the size that is declared of them, and brings
sizes and boxes into the frame MMDetection sees."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd

from stages.data.findings import Findings
from stages.data.labels import Labels, entry_name
from stages.data.probe import SWAPPED, Probe, Size

# Pixels over the edge that are rounding.
_EDGE = 1.0
# Of the boxes, as many must lie beside the one size and fit the other; and for each of those, so
# many may be over the edge of that as well, as boxes of a careless labeller are.
_OVER, _LEAST, _CARELESS = 0.05, 2, 0.25
# How unlikely it must be that so many boxes fit a smaller size by chance.
_MANY, _CHANCE = 10, 1e-6
# Of a side. Rounding of a small picture of a few pixels could be anything.
_MOST_SLACK = 0.05


def check_pixels(labels: Labels, probes: list[Probe], findings: Findings) -> None:
    """probes: one per image, which the images take over; relative boxes become pixels.

    OpenCV, and so MMDetection, shows a photograph as its EXIF orientation says; Pillow's width and
    height, which most labelling programs write down, are those before.
    """
    frames = _Frames(labels, findings)
    keep = np.ones(len(probes), dtype=bool)
    # A fault that stops prepare leaves nothing to compare with.
    size_codes = frames.size_codes(probes)
    for row, image in enumerate(probes):
        codes = [image.fault] if image.fault else _kinds(image)
        for code in codes:
            findings.report(code, labels.place(row), note=image.note or None)
            keep[row] &= findings.action(code) != "drop"
        if not image.fault and keep[row]:
            keep[row] = frames.check_size(row, image, size_codes[row])
    labels.images[["width", "height"]] = frames.sizes
    labels.boxes[list("xywh")] = frames.xywh
    labels.boxes["area"] = frames.area
    labels.images["probe"] = pd.Series(probes, dtype=object)
    labels.keep_images(keep)
    _scale_relative(labels)


def check_sizes_only(labels: Labels, findings: Findings) -> None:
    """Where no image file is opened: an image without a declared size cannot be used."""
    unknown = (labels.images[["width", "height"]] == 0).any(axis=1).to_numpy()
    note = "and data.pixels is none, so the file cannot be asked"
    rows = np.flatnonzero(unknown)
    findings.rows(
        "image_size_missing", rows, lambda row: {**labels.place(row), "note": note}, "drop"
    )
    labels.keep_images(~unknown)
    _scale_relative(labels)


def _kinds(image: Probe) -> list[str]:
    """Codes of what a training gets otherwise than it is stored."""
    kinds = {
        "image_cmyk": image.mode in ("CMYK", "YCCK"),
        "image_16bit": image.deep,
        "image_greyscale": image.mode in ("1", "L", "LA"),
        "image_alpha": image.mode in ("RGBA", "LA", "PA", "transparency"),
        "image_animated": image.animated,
        "image_black": image.black,
        "image_single_colour": image.single_colour,
    }
    return list(compress(kinds, kinds.values()))


class _Frames:
    """What a size may change, as arrays: a row of a DataFrame at a time is slow."""

    def __init__(self, labels: Labels, findings: Findings) -> None:
        self.labels, self.findings = labels, findings
        self.sizes = labels.images[["width", "height"]].to_numpy(copy=True)
        self.xywh = labels.xywh.copy()
        self.area = labels.boxes["area"].to_numpy(copy=True)

    @cached_property
    def boxes_of(self) -> dict[int, np.ndarray]:
        """Row of an image -> rows of its boxes, where it has any."""
        return self.labels.boxes.groupby("image").indices

    def size_codes(self, probes: Sequence[Probe]) -> list[str]:
        """What is wrong with each image's declared size, "" for nothing."""
        codes = []
        for image, (width, height) in zip(probes, self.sizes.tolist()):
            codes.append(_size_code(image, (width, height), self.labels.relative))
        for code in ("exif_conflict", "image_resized"):
            rows = [row for row, found in enumerate(codes) if found == code]
            if self._contradict_declared(rows, probes):
                for row in rows:
                    codes[row] = "image_size_wrong"
        return codes

    def _contradict_declared(self, rows: Sequence[int], probes: Sequence[Probe]) -> bool:
        """Whether the boxes of the images in `rows` do, and are in the sizes of the files."""
        image = self.labels.boxes["image"].to_numpy()
        usable = np.isin(image, rows) & np.isfinite(self.xywh).all(axis=1)
        if not usable.any():
            return False
        real = np.array([probe.displayed for probe in probes])
        at = image[usable]
        return _are_of_the_file(self.xywh[usable], self.sizes[at], real[at])

    def check_size(self, row: int, image: Probe, code: str) -> bool:
        """Sets the true size of one image; False where the policy drops it."""
        declared = tuple(self.sizes[row].tolist())
        stored, shown = (image.width, image.height), image.displayed
        self.sizes[row] = shown
        if not code:
            return True
        details = {}
        if code != "exif_orientation":
            details["before"] = f"{declared[0]} x {declared[1]}"
            details["after"] = f"{shown[0]} x {shown[1]}"
        if image.orientation != 1:
            details["note"] = f"EXIF orientation {image.orientation}"
        place = self.labels.place(row)
        self.findings.report(code, place, **details)
        action = self.findings.action(code)
        if action == "repair" and code in ("exif_conflict", "image_resized"):
            at = self.boxes_of.get(row, [])
            boxes = self.xywh[at]
            if code == "exif_conflict":
                boxes = _turned(boxes, stored, image.orientation)
            else:
                boxes = boxes * (np.tile(shown, 2) / np.tile(declared, 2))
            self._change_boxes(at, boxes, code, place)
        return action != "drop"

    def _change_boxes(
        self, at: Sequence[int], boxes: np.ndarray, code: str, place: dict[str, Any]
    ) -> None:
        """boxes: (n, 4) what the boxes in the rows `at` become."""
        former = self.xywh[at]
        self.xywh[at] = boxes
        former_area = np.maximum(former[:, 2] * former[:, 3], 1e-12)
        self.area[at] *= (boxes[:, 2] * boxes[:, 3]) / former_area
        entries = self.labels.boxes["entry"].to_numpy()[at]
        for entry, before, after in zip(entries, former.tolist(), boxes.tolist()):
            change = {"entry": entry_name(entry), "before": before, "after": after, "box": after}
            self.findings.change(code, {**place, **change})


def _turned(boxes: np.ndarray, stored: Size, orientation: int) -> np.ndarray:
    """Boxes (n, 4) x, y, w, h of a picture of the size `stored`, as EXIF shows them."""
    x, y, w, h = boxes.T
    width, height = stored
    if orientation in SWAPPED:
        x, y, w, h, width, height = y, x, h, w, height, width
    if orientation in (2, 3, 6, 7):
        x = width - x - w
    if orientation in (3, 4, 7, 8):
        y = height - y - h
    return np.stack([x, y, w, h], axis=1)


def _scale_relative(labels: Labels) -> None:
    if labels.relative:
        labels.boxes[list("xywh")] = labels.xywh * np.tile(labels.image_sizes(), 2)
        labels.relative = False


def _size_code(image: Probe, declared: Size, is_relative: bool) -> str:
    """The fault of a declared size, "" for none. is_relative: the format declares none."""
    if image.fault:
        return ""
    if 0 in declared and not is_relative:
        return "image_size_missing"
    if 0 in declared or declared == image.displayed:
        # YOLO files have no sizes to begin with, and VOC files need none.
        return "exif_orientation" if image.orientation != 1 else ""
    if declared == (image.width, image.height):
        return "exif_conflict"
    if _is_scaled(declared, image.displayed):
        return "image_resized"
    return "image_size_wrong"


def _are_of_the_file(box: np.ndarray, declared: np.ndarray, real: np.ndarray) -> bool:
    """Whether boxes (n, 4) x, y, w, h are surely in the `real` sizes (n, 2) of their images' files,
    and not in the `declared` ones."""
    box_ends = box[:, :2] + box[:, 2:]
    over_declared = (box_ends > declared + _EDGE).any(axis=1)
    over_real = (box_ends > real + _EDGE).any(axis=1) | (box[:, :2] < -_EDGE).any(axis=1)
    # Careless boxes are over the edge as well, but not with their middle.
    lie_beside = (box[:, :2] + box[:, 2:] / 2 > declared).any(axis=1)
    fit_real_alone = int((over_declared & lie_beside & ~over_real).sum())
    if fit_real_alone >= max(_LEAST, _OVER * len(box)):
        return bool(over_real.sum() <= _CARELESS * fit_real_alone)
    if over_real.any() or over_declared.any() or len(box) < _MANY:
        return False
    # All fit both. In the larger of two sizes some would reach further.
    chance = _chance(box, declared, real) - _chance(box, real, declared)
    return bool(chance < np.log(_CHANCE))


def _chance(box: np.ndarray, size: np.ndarray, other_size: np.ndarray) -> float:
    """Logarithm of the probability that boxes that lie anywhere in `size` fit `other_size`."""
    room = np.maximum(size - box[:, 2:], _EDGE)
    other_room = np.clip(other_size - box[:, 2:], _EDGE, room)
    return float(np.log(other_room / room).sum())


def _is_scaled(declared: Size, displayed: Size) -> bool:
    """One factor for both sides, up to rounding to whole pixels of the smaller picture."""
    across = displayed[0] / declared[0]
    down = displayed[1] / declared[1]
    slack = min(2.0 / min(*declared, *displayed), _MOST_SLACK)
    return abs(across / down - 1) <= slack and abs(across - 1) > slack
