"""What else the four numbers of a box may mean: told by all boxes of a file together, by how they fit
their images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# Pixels over the edge that are rounding.
_EDGE = 1.0
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


def are_corners(numbers: np.ndarray, box: np.ndarray, size: np.ndarray) -> bool:
    """Whether boxes leave their images unless they are x1, y1, x2, y2.

    numbers: (n, 4) as in the file, in pixels; box: (n, 4) x, y, w, h of them as the format has it;
    size: (n, 2) of the images.
    """
    low, high = numbers[:, :2], numbers[:, 2:]
    outside = (box[:, :2] + box[:, 2:] > size + _EDGE).any(axis=1)
    return _are_many(outside, _LEAST_FOR_CORNERS) and _fit(low, high, size)


def other_reading(numbers: np.ndarray, box: np.ndarray, size: np.ndarray, centred: bool) -> str:
    """The one other reading under which all boxes lie in their images, "" for none or several, and
    where they do as they are. As `are_corners`; centred: the format gives the middle of a box."""
    outside = outside_of(box, size)
    if not _are_many(outside, _LEAST):
        return ""
    fitting = []
    for name, low, high in _readings(numbers, size, centred):
        if _fit(low, high, size):
            fitting.append(name)
    if fitting:
        return fitting[0] if len(fitting) == 1 else ""
    if outside.mean() >= _THOUSANDTHS_OUTSIDE and _are_thousandths(numbers):
        return "thousandths of the image"
    return ""


def outside_of(box: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(n,) which boxes are over an edge by more than rounding."""
    over = np.maximum(-box[:, :2], box[:, :2] + box[:, 2:] - size)
    return over.max(axis=1) > _EDGE


def are_near_origin(box: np.ndarray, size: np.ndarray) -> bool:
    """Whether none of many boxes reaches into the right or the lower half of its image."""
    return len(box) >= _MANY and bool((box[:, :2] + box[:, 2:] <= _HALF * size).all())


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
