"""One recycling scene of the demo set: the ground, the light, and the objects dropped on it."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from stages.data.demo.drawings import DRAWERS, noise

# An object with more than this share under later ones is not labelled: a person would not see it.
HIDDEN = 0.75
# Cover, of 255, from which a pixel counts as the object's: half covered.
SOLID = 128


@dataclass(frozen=True)
class Item:
    """What is to be drawn: class index, centre (x, y), side = sqrt(box area), log_aspect =
    ln(width/height).

    centre and side are relative to the image side; elongation is ln(length / breadth) of the
    drawing.
    """

    label: int
    centre: tuple
    side: float
    log_aspect: float
    elongation: float


def draw_scene(rng, items, image_size):
    """Draws the items in order, later ones on top.

    Returns the picture (image_size, image_size, 3) uint8 RGB, and one entry per item: its whole
    extent inside the image as a box (x, y, width, height) in whole pixels, or None where the box is
    less than 2 px wide or high or more than HIDDEN of the object is covered.
    """
    grain = rng.standard_normal((image_size, image_size), dtype=np.float32)
    canvas = ground(rng, grain, image_size)
    fall = rng.uniform(-1, 1, 2) * 0.012 * image_size + 0.006 * image_size
    owner = np.full((image_size, image_size), -1, np.int16)
    boxes, areas = [None] * len(items), [0] * len(items)
    for index, item in enumerate(items):
        colour, cover, opacity, corner = _turned(rng, item, image_size)
        _shadow(canvas, cover, corner, fall)
        patch, view = _overlap(cover.shape, corner, image_size)
        if view is None:
            continue
        cover, solid = cover[patch], cover[patch] >= SOLID
        alpha = cover.astype(np.float32) * (opacity / 255)
        canvas[view] += cv2.merge([alpha] * 3) * (colour[patch] - canvas[view])
        owner[view][solid] = index
        areas[index] = int(solid.sum())
        boxes[index] = _extent(solid, view[1].start, view[0].start)
    visible = np.bincount(owner.ravel() + 1, minlength=len(items) + 1)[1:]
    for index, area in enumerate(areas):
        if visible[index] < (1 - HIDDEN) * area:
            boxes[index] = None
    # The ground's noise serves again, mirrored: another would take a fifth of the picture's time.
    return _lit(rng, canvas, grain[::-1, ::-1]), boxes


def ground(rng, grain, image_size):
    """A plausible floor: belt, tiles, concrete or turf, with smudges; (image_size, image_size, 3)
    float32.

    grain is white noise of variance 1, (image_size, image_size) float32.
    """
    # Python floats from here on: NumPy's float64 would make every plane float64, in twice the time.
    angle = float(rng.choice([0, np.pi / 2]) + rng.normal(0, 0.12))
    axis = (np.arange(image_size, dtype=np.float32) + 0.5) / image_size
    along = axis[None] * math.cos(angle) + axis[:, None] * math.sin(angle)
    across = axis[:, None] * math.cos(angle) - axis[None] * math.sin(angle)
    kind = rng.integers(4)
    if kind == 0:
        base = (84, 88, 94)
        ribs, seam = _lines(along, float(rng.uniform(7, 12)), 0.1), _lines(across, 1.3, 0.02)
        pattern = 12 * ribs - 5 * seam + 2.5 * grain
    elif kind == 1:
        base, count = (168, 162, 152), float(rng.uniform(3, 6))
        tone = np.sin(np.floor(along * count) * 12.9 + np.floor(across * count) * 78.2)
        joints = np.maximum(_lines(along, count, 0.025), _lines(across, count, 0.025))
        pattern = 5 * tone - 32 * joints + 2 * grain
    elif kind == 2:
        fine = noise(rng, image_size, image_size, image_size / 5, image_size / 5)
        base, pattern = (136, 134, 130), 5 * fine + 4 * grain
    else:
        blades = noise(rng, image_size, image_size, image_size / 3, image_size / 14)
        base, pattern = (104, 114, 84), 11 * blades + 3 * grain
    pattern += 4 * noise(rng, image_size, image_size, 5, 5) + float(rng.uniform(-9, 9))
    stain = 1 + _smudges(rng, image_size)
    pattern *= stain
    return cv2.merge([tone * stain + pattern for tone in base])


def _smudges(rng, image_size):
    coarse = 64
    stain = np.zeros((coarse, coarse), np.float32)
    for _ in range(rng.integers(2, 6)):
        centre, axes = rng.uniform(0, coarse, 2), rng.uniform(0.04, 0.24, 2) * coarse
        box = (tuple(map(float, centre)), tuple(map(float, axes)), float(rng.uniform(0, 180)))
        cv2.ellipse(stain, box, float(rng.uniform(-0.2, 0.1)), -1)
    return cv2.resize(cv2.GaussianBlur(stain, (0, 0), 1.3), (image_size, image_size))


def _lines(coordinate, per_unit, width):
    """1 on lines `width` of a period wide, else 0."""
    phase = coordinate * per_unit
    return (phase - np.floor(phase) < width).astype(np.float32)


def _turned(rng, item, image_size):
    """Draws the item upright, turns it so that its box has the wanted aspect, and scales the box to
    its size.

    Returns colour (h, w, 3), cover (h, w), opacity, and the (x, y) of the upper left corner in the
    image.
    """
    ratio, aspect = np.exp(item.elongation), np.exp(item.log_aspect)
    # From the aspect of a turned rectangle 1 x ratio: (cos + ratio sin) / (sin + ratio cos).
    angle = np.arctan2(ratio * aspect - 1, ratio - aspect)
    cos, sin = np.cos(angle), np.sin(angle)
    breadth = item.side * image_size / np.sqrt((cos + ratio * sin) * (sin + ratio * cos))
    # Small drawings need subpixels, or their details alias; from 60 px antialiasing is enough.
    fine = int(np.clip(np.ceil(60 / breadth), 1, 6))
    width = max(8, round(breadth * fine))
    sprite = DRAWERS[item.label](rng, width, max(width, round(breadth * ratio * fine)))
    if rng.random() >= 0.5:
        angle = -angle
    if rng.random() < 0.25:
        angle += np.pi
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    solid = (sprite.cover >= SOLID).astype(np.uint8)
    outline, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.concatenate(outline)[:, 0] @ turn.T
    extent = np.ptp(points, axis=0) + 1
    # A turned silhouette is smaller than its turned canvas: what was drawn decides on the scale.
    turn = turn * (item.side * image_size * fine / np.sqrt(extent.prod()))
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * [sprite.width, sprite.height] @ turn.T
    patch = np.ceil((np.ptp(corners, axis=0) / fine) + 2).astype(int)
    shift = (patch * fine - corners.min(0) - corners.max(0)) / 2
    matrix = np.concatenate([turn, shift[:, None]], 1)
    size = tuple(int(side) for side in patch * fine)
    final = tuple(int(side) for side in patch)
    # Outside the drawing its edge colours (not its cover) go on, lest blending darken the rim.
    colour = cv2.warpAffine(sprite.colour, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpAffine(sprite.cover, matrix, size)
    x, y = np.round(np.array(item.centre) * image_size - patch / 2).astype(int)
    if fine > 1:
        colour = cv2.resize(colour, final, interpolation=cv2.INTER_AREA)
        cover = cv2.resize(cover, final, interpolation=cv2.INTER_AREA)
    return colour, cover, sprite.opacity, (int(x), int(y))


def _overlap(shape, corner, image_size):
    """Where a patch with its upper left corner at (x, y) lies in the image: slices of both."""
    height, width = shape
    x, y = corner
    x0, x1 = max(x, 0), min(x + width, image_size)
    y0, y1 = max(y, 0), min(y + height, image_size)
    if x0 >= x1 or y0 >= y1:
        return None, None
    return np.s_[y0 - y : y1 - y, x0 - x : x1 - x], np.s_[y0:y1, x0:x1]


def _shadow(canvas, cover, corner, fall):
    reach = int(np.abs(fall).max()) + 3
    padded = cv2.copyMakeBorder(cover, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
    soft = cv2.blur(padded, (2 * reach - 1, 2 * reach - 1))
    corner = (corner[0] - reach + round(fall[0]), corner[1] - reach + round(fall[1]))
    patch, view = _overlap(soft.shape, corner, canvas.shape[0])
    if view is not None:
        dim = 1 - soft[patch].astype(np.float32) * (0.4 / 255)
        canvas[view] *= cv2.merge([dim] * 3)


def _extent(solid, x, y):
    """The box of the pixels `solid` of a view at (x, y); None where it is less than 2 px."""
    columns, rows = np.flatnonzero(solid.any(0)), np.flatnonzero(solid.any(1))
    if not columns.size:
        return None
    width, height = int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1
    if min(width, height) < 2:
        return None
    return x + int(columns[0]), y + int(rows[0]), width, height


def _lit(rng, canvas, grain):
    """Exposure, colour temperature, a lamp on one side, and the camera's noise; uint8."""
    axis = np.linspace(-0.5, 0.5, canvas.shape[0], dtype=np.float32)
    across, down, level = rng.uniform([-0.22, -0.22, 0.86], [0.22, 0.22, 1.12]).tolist()
    lamp = (level + across * axis)[None] + (down * axis)[:, None] + 0.012 * grain
    warmth = float(rng.normal(0, 0.03))
    light = cv2.merge([lamp * (1 + warmth), lamp, lamp * (1 - warmth)])
    return cv2.multiply(canvas, light, dtype=cv2.CV_8U)
