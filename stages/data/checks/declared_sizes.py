"""Whether the size that a label file declares of an image is that of the image file, and if not, in
which of the two its boxes are."""

from __future__ import annotations

import numpy as np

from stages.data.probe import SWAPPED, Probe

# Width and height of an image.
Size = tuple[int, int]

# Pixels over the edge that are rounding.
_EDGE = 1.0
# Of the boxes, as many must lie beside the one size and fit the other; and for each of those, so
# many may be over the edge of that as well, as boxes of a careless labeller are.
_OVER, _LEAST, _CARELESS = 0.05, 2, 0.25
# How unlikely it must be that so many boxes fit a smaller size by chance.
_MANY, _CHANCE = 10, 1e-6
# Of a side. Rounding of a small picture of a few pixels could be anything.
_MOST_SLACK = 0.05


def size_code(image: Probe, declared: Size, is_relative: bool) -> str:
    """The fault of a declared size, "" for none. is_relative: the format declares none."""
    if 0 in declared and not is_relative:
        return "image_size_missing"
    if 0 in declared or declared == displayed(image):
        # YOLO files have no sizes to begin with, and VOC files need none.
        return "exif_orientation" if image.orientation != 1 else ""
    if declared == (image.width, image.height):
        return "exif_conflict"
    if _is_scaled(declared, displayed(image)):
        return "image_resized"
    return "image_size_wrong"


def displayed(image: Probe) -> Size:
    """As EXIF shows the image."""
    if image.orientation in SWAPPED:
        return image.height, image.width
    return image.width, image.height


def are_of_the_file(box: np.ndarray, declared: np.ndarray, real: np.ndarray) -> bool:
    """Whether boxes (n, 4) x, y, w, h are surely in the `real` sizes (n, 2) of their images' files, and
    not in the `declared` ones."""
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
