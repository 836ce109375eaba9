"""A drawing of one object, and the outlines, colours and noise that the demo set's drawings are
made of.

Points are (n, 2) arrays of x, y in 0..1 from the upper left corner of the canvas.
"""

import colorsys

import cv2
import numpy as np

FRACTION_BITS = 4


class Sprite:
    """A picture of one object: colour (h, w, 3) uint8 RGB, cover (h, w) uint8 mask, opacity in
    0..1."""

    def __init__(self, width, height, base, opacity=1.0):
        self.width, self.height, self.opacity = width, height, opacity
        self.colour = np.full((height, width, 3), base, np.uint8)
        self.cover = np.zeros((height, width), np.uint8)

    def outline(self, points):
        """Adds a polygon, points (n, 2) in 0..1, to the silhouette."""
        cv2.fillPoly(self.cover, [self._pixels(points)], 255, cv2.LINE_AA, FRACTION_BITS)

    def polygon(self, points, colour):
        cv2.fillPoly(
            self.colour, [self._pixels(points)], _plain(colour), cv2.LINE_AA, FRACTION_BITS
        )

    def band(self, x0, y0, x1, y1, colour):
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)

    def disc(self, x, y, radius_x, radius_y, colour):
        self.polygon(ellipse(x, y, radius_x, radius_y), colour)

    def shade(self, factor):
        """Multiplies the colour by `factor`, (h, w) or broadcast to it."""
        factor = np.ascontiguousarray(np.broadcast_to(factor, self.cover.shape), np.float32)
        self.colour = cv2.multiply(self.colour, cv2.merge([factor] * 3), dtype=cv2.CV_8U)

    def across(self):
        return (np.arange(self.width, dtype=np.float32)[None] + 0.5) / self.width

    def down(self):
        return (np.arange(self.height, dtype=np.float32)[:, None] + 0.5) / self.height

    def _pixels(self, points):
        scale = np.array([self.width, self.height]) * (1 << FRACTION_BITS)
        return np.round(np.asarray(points, np.float64) * scale).astype(np.int32)


def noise(rng, width, height, columns, rows):
    """Smooth noise (height, width) float32 of about unit variance, with columns x rows independent
    cells."""
    grid = rng.standard_normal((max(2, int(rows)), max(2, int(columns))), dtype=np.float32)
    return cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)


def tint(rng, hue, saturation, value, spread=1.0):
    """An RGB triple 0..255 near the given HSV colour (each 0..1)."""
    deviation = rng.uniform(-1, 1, 3) * [0.02, 0.08, 0.08] * spread
    h, s, v = np.array([hue, saturation, value]) + deviation
    return np.array(colorsys.hsv_to_rgb(h % 1, np.clip(s, 0, 1), np.clip(v, 0, 1))) * 255


def _plain(colour):
    return tuple(float(channel) for channel in np.clip(colour, 0, 255))


def points(text):
    """An outline from "x,y x,y ..." in percent of the canvas."""
    return np.array([pair.split(",") for pair in text.split()], np.float64) / 100


def ellipse(x, y, radius_x, radius_y, steps=24):
    """From the right by way of the bottom."""
    angles = np.arange(steps) * (2 * np.pi / steps)
    return np.stack([x + radius_x * np.cos(angles), y + radius_y * np.sin(angles)], 1)


def belt(top, bottom, rim):
    """A band around an upright cylinder; it sags like the lid, whose vertical radius is `rim`."""
    sag = ellipse(0.5, 0, 0.5, rim)[:13]
    upper, lower = np.array([0, top - rim / 2]), np.array([0, bottom - rim / 2])
    return np.concatenate([sag + upper, sag[::-1] + lower])


def mirrored(half):
    """A closed outline from its left half, top to bottom."""
    half = np.asarray(half, np.float64)
    return np.concatenate([half, [1, 0] + half[::-1] * [-1, 1]])


def rounded(points, times):
    """Chaikin's corner cutting of a closed polygon: a pass cuts a quarter off each end of each
    side."""
    points = np.asarray(points, np.float64)
    for _ in range(times):
        following = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], 1)
        points = points.reshape(-1, 2)
    return points


def cushion(inset, stretch, radius):
    """A rectangle with round corners, inset and radius relative to the width; stretch = width /
    height."""
    corner = np.pi / 2 * (np.arange(6) / 5)
    arc = np.stack([np.cos(corner), np.sin(corner)], 1) * radius
    far = np.array([1, 1 / stretch]) - inset - radius
    near = inset + radius
    points = [
        far + arc @ np.array(((1, 0), (0, 1))),
        (near, far[1]) + arc @ np.array(((0, 1), (-1, 0))),
        (near, near) + arc @ np.array(((-1, 0), (0, -1))),
        (far[0], near) + arc @ np.array(((0, -1), (1, 0))),
    ]
    return np.concatenate(points) * [1, stretch]


def filling(points):
    """Stretches a polygon to the whole canvas, less the pixel that antialiasing needs."""
    low, high = points.min(0), points.max(0)
    return 0.01 + 0.98 * (points - low) / (high - low)


def sheen(across, low, strength):
    """Brightness of a shiny upright cylinder: a highlight left of the middle, a thin reflex, dark
    edges."""
    highlight = np.exp(-(((across - 0.33) / 0.13) ** 2))
    reflex = 0.4 * np.exp(-(((across - 0.84) / 0.05) ** 2))
    return low + strength * (highlight + reflex) + 0.4 * low * np.sin(np.pi * across)
