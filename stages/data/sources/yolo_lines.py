"""Tells the lines of YOLO labels apart: a box, a polygon, or a box with keypoints, a confidence or
the number of a track after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

from stages.data.sources.annotations import are_finite, as_number

# Shares of the image: numbers are rounded, and people place a keypoint on the edge of its box.
_SLACK = 0.02
# Of a set's long lines; the others are slips of whoever labelled.
_NEARLY_ALL = 0.95
_VISIBILITIES = {0.0, 1.0, 2.0}
# Of lines with one number beside the box: as many, and no fewer than this, are no slips.
_SOME, _LEAST = 0.05, 3
# Of the boxes after a confidence, hardly any leaves its image; of a confidence and the first three
# numbers of a box many do.
_HARDLY_ANY, _OFTEN = 0.01, 0.2


class LineKinds:
    """Tells the lines of one set apart.

    Polygons, the corners of an oriented box and keypoints are written alike. Without kpt_shape the
    lines of the whole set decide: those of keypoints are equally long, and the box of their first
    four numbers holds the rest, while the second point of a polygon lies beside the others.

    fault: what the number beside a box is where it is neither a confidence nor a track at the end
    of the line, or "".
    """

    def __init__(self, texts: Iterable[str], shape: tuple[int, int] | None) -> None:
        """texts: the set's label files. shape: as `keypoint_shape` gives it."""
        self._keypoints: tuple[int, ...] = ()
        self._doubtful = 0
        self._tracks: tuple[int, ...] = ()
        self.fault = ""
        if shape is not None:
            length = 4 + shape[0] * shape[1]
            # Predictions have a confidence at the end.
            self._keypoints = (length, length + 1)
            return
        lengths: Counter[int] = Counter()
        boxes: Counter[int] = Counter()
        polygons: Counter[int] = Counter()
        corners = 0
        # Lines of a box and one number or two.
        longer_boxes: dict[int, list[list[float]]] = {5: [], 6: []}
        for line in chain.from_iterable(map(str.splitlines, texts)):
            numbers = list(map(as_number, line.split()[1:]))
            length = len(numbers)
            if length < 4 or not are_finite(numbers):
                continue
            lengths[length] += 1
            if length in longer_boxes:
                longer_boxes[length].append(numbers)
            if length >= 6:
                boxes[length] += _is_box_of_keypoints(numbers)
                polygons[length] += _is_polygon(numbers)
                corners += _is_parallelogram(numbers)
        self._tracks = tuple(length for length in (5, 6) if _are_tracks(longer_boxes[length]))
        if 6 in self._tracks:
            del lengths[6]
        if 5 not in self._tracks:
            self.fault = _fault(longer_boxes[5])
        # In a set of keypoints no line is a plain box.
        longer = lengths.total() - lengths[4] - lengths[5]
        if lengths[4] > longer or not longer:
            return
        length = max(boxes, key=lengths.__getitem__)
        least = _NEARLY_ALL * lengths[length]
        if lengths[length] < _NEARLY_ALL * longer or corners >= least:
            return
        is_boxes, is_polygons = boxes[length] >= least, polygons[length] >= least
        if is_boxes and not is_polygons:
            self._keypoints = (length,)
        elif is_boxes or (boxes[length] and not is_polygons):
            self._doubtful = length

    def kind(self, numbers: Sequence[float]) -> str:
        """numbers: the finite numbers after the class. "box", "confidence", "track", "keypoints",
        "polygon", "doubtful" where it cannot be told, or "" where it is none of them."""
        length = len(numbers)
        if length == 4:
            return "box"
        if length in self._tracks and numbers[-1].is_integer():
            return "track"
        if length == 5 and 0 <= numbers[4] <= 1:
            return "confidence"
        if length in self._keypoints:
            return "keypoints"
        if length >= 6 and (self._keypoints or length == self._doubtful):
            return "doubtful"
        if length >= 6 and length % 2 == 0:
            return "polygon"
        return ""


def _are_tracks(lines: Sequence[Sequence[float]]) -> bool:
    """x, y, w, h, with or without a confidence, and the number of a track at the end."""
    least = _NEARLY_ALL * len(lines)
    whole = 0
    for numbers in lines:
        is_confidence = len(numbers) == 5 or 0 <= numbers[4] <= 1
        whole += _is_inside(numbers[:4]) and is_confidence and numbers[-1].is_integer()
    # 0 and 1 alone may be confidences, or a polygon's points on the edge of the image.
    return whole >= least and any(numbers[-1] > 1 for numbers in lines)


def _fault(lines: Sequence[Sequence[float]]) -> str:
    """As LineKinds.fault, of lines with five numbers after the class."""
    last_outside = first_outside = no_confidence = 0
    for numbers in lines:
        last_outside += not _is_inside(numbers[:4])
        first_outside += not (_is_inside(numbers[1:]) and 0 <= numbers[0] <= 1)
        no_confidence += not 0 <= numbers[4] <= 1
    leaves_often = last_outside >= max(_LEAST, _OFTEN * len(lines))
    if leaves_often and first_outside <= _HARDLY_ANY * len(lines):
        return "the confidence comes before the box: it must stand at the end of the line"
    if no_confidence >= max(_LEAST, _SOME * len(lines)):
        return "the number after the box is no confidence from 0 to 1, but perhaps an angle"
    return ""


def _is_inside(box: Sequence[float]) -> bool:
    """x, y, w, h of a box inside the image."""
    x, y, w, h = box
    reach = max(abs(x - 0.5) + w / 2, abs(y - 0.5) + h / 2)
    return min(w, h) > 0 and reach <= 0.5 + _SLACK


def _is_box_of_keypoints(numbers: Sequence[float]) -> bool:
    """x, y, w, h of a box inside the image, and points in it, with or without visibility."""
    x, y, w, h, *rest = numbers
    if not _is_inside(numbers[:4]):
        return False
    if len(rest) % 3 == 0 and _VISIBILITIES.issuperset(rest[2::3]):
        points = [point for point in zip(rest[0::3], rest[1::3], rest[2::3]) if point[2]]
    elif len(rest) % 2 == 0:
        # A keypoint that is not labelled is written as 0 0.
        points = [point for point in zip(rest[0::2], rest[1::2]) if any(point)]
    else:
        return False
    return all(
        abs(point[0] - x) <= w / 2 + _SLACK and abs(point[1] - y) <= h / 2 + _SLACK
        for point in points
    )


def _is_parallelogram(numbers: Sequence[float]) -> bool:
    """The four corners of an oriented box, in order."""
    if len(numbers) != 8:
        return False
    (x1, y1, x2, y2, x3, y3, x4, y4) = numbers
    return abs(x1 + x3 - x2 - x4) <= _SLACK and abs(y1 + y3 - y2 - y4) <= _SLACK


def _is_polygon(numbers: Sequence[float]) -> bool:
    """The second point lies no further from the box around the others than that box is long."""
    if len(numbers) % 2:
        return False
    xs, ys = [numbers[0], *numbers[4::2]], [numbers[1], *numbers[5::2]]
    reach = max(max(xs) - min(xs), max(ys) - min(ys)) + _SLACK
    return (
        min(xs) - reach <= numbers[2] <= max(xs) + reach
        and min(ys) - reach <= numbers[3] <= max(ys) + reach
    )
