"""Checks image files by what they hold, and brings widths, heights and boxes into the frame that
MMDetection sees."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.data.findings import Findings
from stages.data.labels import Labels, entry_name
from stages.data.probe import SWAPPED, Probe


def check_pixels(
    labels: Labels, probes: list[Probe], split: str, findings: Findings
) -> list[Probe]:
    """probes: one per image. Returns those of the images that stay; relative boxes become pixels.

    OpenCV, and so MMDetection, shows a photograph as its EXIF orientation says; Pillow's width and
    height, which most labelling programs write down, are those before.
    """
    frames = _Frames(labels)
    names, sources = labels.images["file_name"].tolist(), labels.images["source"].tolist()
    keep = np.ones(len(names), dtype=bool)
    for row, found in enumerate(probes):
        place = {"split": split, "source": sources[row], "file": names[row]}
        codes = [found.fault] if found.fault else _kinds(found)
        for code in codes:
            findings.add(code, [{**place, "note": found.note or None}])
            keep[row] &= findings.action(code) != "drop"
        # A fault that stops prepare leaves nothing to compare with.
        if not found.fault and keep[row]:
            keep[row] = _check_size(frames, row, found, place, findings)
    frames.put_back()
    labels.keep_images(keep)
    _scale_relative(labels)
    return [found for found, kept in zip(probes, keep) if kept]


def check_sizes_only(labels: Labels, split: str, findings: Findings) -> None:
    """Where no image file is opened: an image without a declared size cannot be used."""
    unknown = (labels.images[["width", "height"]] == 0).any(axis=1).to_numpy()
    findings.rows(
        "image_size_missing",
        np.flatnonzero(unknown),
        lambda row: {
            "split": split,
            "source": labels.images["source"].iat[row],
            "file": labels.images["file_name"].iat[row],
            "note": "and data.pixels is none, so the file cannot be asked",
        },
        "drop",
    )
    labels.keep_images(~unknown)
    _scale_relative(labels)


def _kinds(found: Probe) -> list[str]:
    kinds = {
        "image_cmyk": found.mode in ("CMYK", "YCCK"),
        "image_16bit": found.deep,
        "image_greyscale": found.mode in ("1", "L", "LA"),
        "image_alpha": found.mode in ("RGBA", "LA", "PA", "transparency"),
        "image_animated": found.animated,
        "image_black": found.black,
        "image_single_colour": found.single_colour,
    }
    return [code for code, holds in kinds.items() if holds]


class _Frames:
    """The numbers of the tables that a size may change, as arrays: a row of a DataFrame at a time
    is slow."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.sizes = labels.images[["width", "height"]].to_numpy(copy=True)
        self.xywh = labels.boxes[list("xywh")].to_numpy(copy=True)
        self.area = labels.boxes["area"].to_numpy(copy=True)
        image = labels.boxes["image"].to_numpy()
        self._order = np.argsort(image, kind="stable")
        self._first = np.searchsorted(image[self._order], np.arange(len(self.sizes) + 1))

    def boxes_of(self, row: int) -> np.ndarray:
        return self._order[self._first[row] : self._first[row + 1]]

    def put_back(self) -> None:
        self.labels.images[["width", "height"]] = self.sizes
        self.labels.boxes[list("xywh")] = self.xywh
        self.labels.boxes["area"] = self.area


def _check_size(
    frames: _Frames, row: int, found: Probe, place: dict[str, Any], findings: Findings
) -> bool:
    """Sets the true size of one image; False where the policy drops it."""
    declared = tuple(frames.sizes[row].tolist())
    stored = (found.width, found.height)
    shown = stored[::-1] if found.orientation in SWAPPED else stored
    code, change = "", None
    if 0 in declared:
        # YOLO files have no sizes to begin with, and VOC files need none.
        code = "" if frames.labels.relative else "image_size_missing"
        if not code and found.orientation != 1:
            code = "exif_orientation"
    elif declared == shown:
        code = "exif_orientation" if found.orientation != 1 else ""
    elif declared == stored:
        code, change = "exif_conflict", lambda boxes: _turned(boxes, stored, found.orientation)
    elif _is_scaled(declared, shown):
        code, change = (
            "image_resized",
            lambda boxes: boxes * (np.tile(shown, 2) / np.tile(declared, 2)),
        )
    else:
        code = "image_size_wrong"
    frames.sizes[row] = shown
    if not code:
        return True
    sizes = (
        {}
        if code == "exif_orientation"
        else {"before": f"{declared[0]} x {declared[1]}", "after": f"{shown[0]} x {shown[1]}"}
    )
    note = f"EXIF orientation {found.orientation}" if found.orientation != 1 else None
    findings.add(code, [{**place, **sizes, "note": note}])
    if change is not None and findings.action(code) == "repair":
        _change_boxes(frames, row, change, code, place, findings)
    return findings.action(code) != "drop"


def _change_boxes(
    frames: _Frames, row: int, change: Any, code: str, place: dict[str, Any], findings: Findings
) -> None:
    at = frames.boxes_of(row)
    before = frames.xywh[at]
    frames.xywh[at] = after = change(before)
    frames.area[at] *= (after[:, 2] * after[:, 3]) / np.maximum(before[:, 2] * before[:, 3], 1e-12)
    entries = frames.labels.boxes["entry"].to_numpy()
    for index, old, new in zip(at, before.tolist(), after.tolist()):
        findings.change(
            code,
            {**place, "entry": entry_name(entries[index]), "before": old, "after": new, "box": new},
        )


def _is_scaled(declared: tuple[int, int], shown: tuple[int, int]) -> bool:
    """One factor for both sides, up to rounding to whole pixels of the smaller picture."""
    factors = [real / said for real, said in zip(shown, declared)]
    slack = 1.0 / min(*declared, *shown)
    return abs(factors[0] / factors[1] - 1) <= 2 * slack and abs(factors[0] - 1) > 2 * slack


def _turned(boxes: np.ndarray, stored: tuple[int, int], orientation: int) -> np.ndarray:
    """Boxes (n, 4) x, y, w, h of the stored picture of `stored` (width, height), in the picture as
    EXIF shows it."""
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
    if not labels.relative:
        return
    size = labels.images[["width", "height"]].to_numpy(dtype=np.float64)[
        labels.boxes["image"].to_numpy()
    ]
    labels.boxes[list("xywh")] = labels.boxes[list("xywh")].to_numpy() * np.tile(size, 2)
    labels.relative = False
