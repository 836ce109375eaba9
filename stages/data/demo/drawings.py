"""The ten kinds of litter of the demo set, one drawing function each, and what they draw with.

Every function of DRAWERS takes (rng, width, height) in pixels, height >= width, and returns an
upright Sprite that nearly fills its canvas; turning, scaling and placing it is the scene's
business. Each class keeps a silhouette, a colour family and a texture to itself, because the
miniature study has to tell them apart at 12 px, from random weights, within a few hundred
iterations. Points are (n, 2) arrays of x, y, shares of the canvas from its upper left corner;
colours are HSV, each 0..1.
"""

import colorsys

import cv2
import numpy as np

FRACTION_BITS = 4


class Sprite:
    """A picture of one object: colour (h, w, 3) uint8 RGB, cover (h, w) uint8 mask, opacity 0..1.

    across (1, w) and down (h, 1) are the pixels' x and y, 0..1.
    """

    def __init__(self, width, height, base, opacity=1.0):
        self.width, self.height, self.opacity = width, height, opacity
        self.colour = np.full((height, width, 3), base, np.uint8)
        self.cover = np.zeros((height, width), np.uint8)
        self.across = (np.arange(width, dtype=np.float32)[None] + 0.5) / width
        self.down = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height

    def outline(self, points):
        """Adds a polygon to the silhouette."""
        self._fill(self.cover, points, 255)

    def polygon(self, points, colour):
        self._fill(self.colour, points, np.clip(colour, 0, 255).tolist())

    def band(self, x0, y0, x1, y1, colour):
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)

    def disc(self, x, y, radius_x, radius_y, colour):
        self.polygon(ellipse(x, y, radius_x, radius_y), colour)

    def shade(self, factor):
        """Multiplies the colour by `factor`, (h, w) or broadcast to it."""
        factor = np.ascontiguousarray(np.broadcast_to(factor, self.cover.shape), np.float32)
        self.colour = cv2.multiply(self.colour, cv2.merge([factor] * 3), dtype=cv2.CV_8U)

    def _fill(self, canvas, points, colour):
        scale = np.array([self.width, self.height]) * (1 << FRACTION_BITS)
        pixels = np.round(np.asarray(points, np.float64) * scale).astype(np.int32)
        cv2.fillPoly(canvas, [pixels], colour, cv2.LINE_AA, FRACTION_BITS)


def noise(rng, width, height, columns, rows):
    """Smooth float32 noise (height, width), variance about 1, of columns x rows free cells."""
    grid = rng.standard_normal((max(2, int(rows)), max(2, int(columns))), dtype=np.float32)
    return cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)


def tint(rng, hue, saturation, value, spread=1.0):
    """An RGB triple 0..255 near the given HSV colour (each 0..1)."""
    deviation = rng.uniform(-1, 1, 3) * [0.02, 0.08, 0.08] * spread
    h, s, v = np.array([hue, saturation, value]) + deviation
    return np.array(colorsys.hsv_to_rgb(h % 1, np.clip(s, 0, 1), np.clip(v, 0, 1))) * 255


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
    """Chaikin's corner cutting of a closed polygon: a quarter off each end of each side."""
    points = np.asarray(points, np.float64)
    for _ in range(times):
        following = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], 1)
        points = points.reshape(-1, 2)
    return points


def cushion(inset, stretch, radius):
    """A rectangle with round corners; inset, radius: of the width; stretch = width / height."""
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
    """Brightness of a shiny upright cylinder: a highlight on the left, a reflex, dark edges."""
    highlight = np.exp(-(((across - 0.33) / 0.13) ** 2))
    reflex = 0.4 * np.exp(-(((across - 0.84) / 0.05) ** 2))
    return low + strength * (highlight + reflex) + 0.4 * low * np.sin(np.pi * across)


def general_trash(rng, width, height):
    sprite = Sprite(width, height, tint(rng, rng.uniform(0.05, 0.09), 0.55, 0.36))
    angles = np.sort(np.linspace(0, 2 * np.pi, 15)[:-1] + rng.uniform(-0.15, 0.15, 14))
    radii = rng.uniform(0.31, 0.5, 14)
    lump = np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)
    sprite.outline(filling(rounded(lump, 1)))
    scraps = np.array([[10, 75, 75], [4, 80, 62], [27, 50, 38], [12, 25, 85], [6, 50, 18]]) / 100
    for _ in range(9):
        x, y = rng.uniform(0.12, 0.88, 2)
        corners = ellipse(x, y, *rng.uniform(0.06, 0.15, 2), steps=6)
        corners += rng.uniform(-0.04, 0.04, (6, 2))
        sprite.polygon(corners, tint(rng, *scraps[rng.integers(len(scraps))]))
    sprite.shade(0.95 + 0.17 * noise(rng, width, height, 7, 7) - 0.25 * (sprite.down - 0.4))
    return sprite


def paper(rng, width, height):
    sprite = Sprite(width, height, tint(rng, 0.12, 0.1, 0.94, 0.7))
    torn = [(x, 0.93 + rng.uniform(-0.05, 0.05)) for x in np.linspace(0.95, 0.05, 8)]
    corner = rng.uniform(0.01, 0.08, 4)
    sprite.outline([(corner[0], corner[1]), (1 - corner[2], corner[3]), *torn])
    ink = tint(rng, 0.6, 0.08, 0.36)
    sprite.band(0.13, 0.1, rng.uniform(0.5, 0.87), 0.17, ink)
    picture = rng.random() < 0.5
    if picture:
        sprite.band(0.13, 0.25, 0.48, 0.47, tint(rng, rng.random(), 0.2, 0.6))
    for index, y in enumerate(np.arange(0.26, 0.88, 0.085)):
        start = 0.13
        if picture and index < 3:
            start = 0.55
        sprite.band(start, y, rng.uniform(0.74, 0.88), y + 0.035, ink)
    position, slant = rng.uniform(0.3, 0.7), rng.uniform(-12, 12)
    fold = np.tanh((sprite.across - position) * 25 + (sprite.down - 0.5) * slant)
    sprite.shade(0.95 + 0.06 * fold + 0.03 * noise(rng, width, height, 4, 5))
    return sprite


def paper_pack(rng, width, height):
    hue = rng.uniform(0.1, 0.145)
    body, light = tint(rng, hue, 0.9, 0.95, 0.6), tint(rng, hue, 0.12, 0.97, 0.5)
    sprite = Sprite(width, height, body)
    sprite.outline(points("12,1 86,1 86,10 99,30 99,93 70,99 1,99 1,30 12,10"))
    sprite.band(0, 0.3, 1, 0.44, light)
    sprite.disc(0.36, 0.68, 0.21, 0.15, tint(rng, rng.choice([0.02, 0.33, 0.95]), 0.85, 0.75))
    sprite.disc(0.3, 0.64, 0.07, 0.05, light)
    sprite.polygon([(0, 0.3), (0.12, 0.1), (0.86, 0.1), (0.7, 0.3)], light * 0.93)
    sprite.polygon([(0.7, 0.3), (0.86, 0.1), (1, 0.3)], body * 0.45)
    sprite.band(0.1, 0, 0.88, 0.1, body * 0.8)
    side = (sprite.down > 0.3) & (sprite.across > 0.7)
    sprite.shade(np.where(side, 0.55, 1.0) + 0.04 * noise(rng, width, height, 4, 4))
    return sprite


def metal(rng, width, height):
    sprite = Sprite(width, height, tint(rng, 0.58, 0.04, 0.66, 0.7))
    rim = 0.12
    lid, bottom = ellipse(0.5, rim, 0.49, rim - 0.01), ellipse(0.5, 1 - rim, 0.49, rim - 0.01)
    sprite.outline(np.concatenate([lid[12:], bottom[:13]]))
    label = tint(rng, rng.choice([0.0, 0.6]), 0.65, 0.42)
    if rng.random() < 0.4:
        sprite.polygon(belt(0.5, 0.72, rim), label)
    for y in (0.3, 0.42, 0.54, 0.66, 0.78):
        sprite.polygon(belt(y, y + 0.03, rim), np.full(3, 118))
    sprite.shade(sheen(sprite.across, low=0.45, strength=1.0))
    sprite.disc(0.5, rim, 0.49, rim - 0.01, np.full(3, 120))
    sprite.disc(0.5, rim, 0.42, rim - 0.03, np.full(3, 222))
    sprite.disc(0.5, rim, 0.13, 0.045, np.full(3, 100))
    sprite.shade(1 + 0.04 * noise(rng, width, height, 3, 3))
    return sprite


def glass(rng, width, height):
    green = tint(rng, rng.uniform(0.33, 0.41), 0.8, 0.46)
    sprite = Sprite(width, height, green, rng.uniform(0.8, 0.92))
    sprite.outline(mirrored(points("34,1 34,7 37,8 36,30 26,39 5,47 2,52 2,95 10,99")))
    sprite.shade(sheen(sprite.across, low=0.6, strength=0.55))
    sprite.band(0, 0.6, 1, 0.82, tint(rng, 0.13, 0.18, 0.88))
    sprite.band(0.2, 0.66, 0.8, 0.7, green * 0.8)
    sprite.band(0.3, 0, 0.7, 0.07, green * 0.55)
    sprite.polygon([(0.16, 0.53), (0.26, 0.5), (0.26, 0.93), (0.16, 0.93)], green * 0.4 + 150)
    sprite.polygon([(0.42, 0.1), (0.48, 0.1), (0.48, 0.36), (0.4, 0.4)], green * 0.4 + 150)
    return sprite


def plastic(rng, width, height):
    blue = tint(rng, rng.uniform(0.52, 0.57), 0.45, 0.93, 0.8)
    sprite = Sprite(width, height, blue, rng.uniform(0.78, 0.9))
    sprite.outline(mirrored(points("33,1 33,10 38,11 38,15 10,26 2,34 7,50 2,62 2,94 12,99")))
    for y in (0.3, 0.68, 0.75, 0.82, 0.89):
        sprite.band(0, y, 1, y + 0.018, blue * 0.68)
    sprite.shade(sheen(sprite.across, low=0.8, strength=0.4))
    sprite.band(0, 0.4, 1, 0.6, tint(rng, rng.uniform(0.58, 0.62), 0.85, 0.8))
    sprite.band(0.25, 0, 0.75, 0.1, tint(rng, rng.choice([0.0, 0.6]), 0.9, 0.75))
    sprite.shade(1 + 0.06 * noise(rng, width, height, 5, 8))
    return sprite


def styrofoam(rng, width, height):
    white = tint(rng, 0.58, 0.03, 0.97, 0.35)
    sprite = Sprite(width, height, white)
    stretch = width / height
    sprite.outline(cushion(0.01, stretch, 0.13))
    wall = rng.uniform(0.13, 0.18)
    sprite.polygon(cushion(wall, stretch, 0.08), white * 0.6)
    sprite.polygon(cushion(wall + 0.05, stretch, 0.06), white * 0.8)
    columns = min(45, width / 3)
    beads = noise(rng, width, height, columns, columns / stretch)
    sprite.shade(0.98 + 0.05 * beads - 0.1 * (sprite.down - 0.5))
    return sprite


def plastic_bag(rng, width, height):
    violet = tint(rng, rng.uniform(0.72, 0.79), rng.uniform(0.3, 0.55), rng.uniform(0.68, 0.92))
    sprite = Sprite(width, height, violet, rng.uniform(0.7, 0.88))
    body = points("22,30 40,36 60,36 78,30 97,50 100,85 80,100 50,97 20,100 0,85 3,50")
    body = filling(rounded(body + rng.uniform(-0.04, 0.04, body.shape), 2))
    body[:, 1] = 0.26 + 0.73 * body[:, 1]
    sprite.outline(body)
    for x in (0.3, 0.7):
        lean = rng.uniform(-0.05, 0.05)
        outer = ellipse(x + lean, 0.22, 0.17, 0.21)
        inner = ellipse(x + lean, 0.24, 0.075, 0.13)
        sprite.outline(np.concatenate([outer, outer[:1], inner[:1], inner[::-1]]))
    creases = np.abs(noise(rng, width, height, 6, 4))
    sprite.shade(0.7 + 0.42 * np.minimum(creases * 1.6, 1) + 0.1 * noise(rng, width, height, 3, 3))
    glints = np.abs(noise(rng, width, height, 9, 5))
    sprite.shade(1 + 0.5 * np.clip(1 - glints / 0.16, 0, 1))
    return sprite


def battery(rng, width, height):
    sprite = Sprite(width, height, tint(rng, 0.6, 0.1, 0.14))
    sprite.outline(mirrored(points("32,1 32,8 6,9 2,11 2,96 8,99")))
    gold = tint(rng, rng.uniform(0.06, 0.09), 0.9, 0.9)
    sprite.band(0, 0.1, 1, 0.4, gold)
    sprite.band(0.44, 0.5, 0.56, 0.72, np.full(3, 235))
    sprite.band(0.3, 0.58, 0.7, 0.64, np.full(3, 235))
    sprite.band(0, 0.93, 1, 1, np.full(3, 205))
    sprite.band(0, 0, 1, 0.1, np.full(3, 215))
    sprite.shade(sheen(sprite.across, low=0.7, strength=0.8))
    return sprite


def clothing(rng, width, height):
    red = tint(rng, rng.uniform(0.93, 1.0), rng.uniform(0.68, 0.88), 0.85)
    sprite = Sprite(width, height, red)
    sleeve = rng.uniform(0.34, 0.44)
    arm = [(0.01, sleeve - 0.08), (0.13, sleeve + 0.03)]
    sprite.outline(mirrored([(0.36, 0.01), (0.24, 0.05), *arm, (0.23, 0.33), (0.22, 0.99)]))
    decoration = rng.integers(3)
    if decoration == 1:
        for y in np.arange(0.4, 0.95, 0.16):
            sprite.band(0.22, y, 0.78, y + 0.07, red * 0.35 + 160)
    elif decoration == 2:
        sprite.disc(0.5, 0.5, 0.15, 0.13, red * 0.35 + 160)
    sprite.disc(0.5, 0.0, 0.15, 0.1, red * 0.45)
    sprite.shade(0.92 + 0.13 * noise(rng, width, height, 6, 3) - 0.12 * (sprite.down - 0.5))
    return sprite


DRAWERS = (
    general_trash,
    paper,
    paper_pack,
    metal,
    glass,
    plastic,
    styrofoam,
    plastic_bag,
    battery,
    clothing,
)
