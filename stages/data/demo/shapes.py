"""The ten kinds of litter of the demo set, one drawing function each.

Every function takes (rng, width, height) in pixels, height >= width, and returns an upright Sprite
that nearly fills its canvas; turning, scaling and placing it is the scene's business. Each class
keeps a silhouette, a colour family and a texture to itself, because the miniature study has to tell
them apart at 12 px, from random weights, within a few hundred iterations. Numbers are shares of the
canvas and HSV colours.
"""

import numpy as np

from stages.data.demo.sprite import (
    Sprite,
    belt,
    cushion,
    ellipse,
    filling,
    mirrored,
    noise,
    points,
    rounded,
    sheen,
    tint,
)


def general_trash(rng, width, height):
    sprite = Sprite(width, height, tint(rng, rng.uniform(0.05, 0.09), 0.55, 0.36))
    angles = np.sort(np.linspace(0, 2 * np.pi, 15)[:-1] + rng.uniform(-0.15, 0.15, 14))
    radii = rng.uniform(0.31, 0.5, 14)
    sprite.outline(
        filling(rounded(np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1), 1))
    )
    scraps = [
        (0.1, 0.75, 0.75),
        (0.04, 0.8, 0.62),
        (0.27, 0.5, 0.38),
        (0.12, 0.25, 0.85),
        (0.06, 0.5, 0.18),
    ]
    for _ in range(9):
        x, y = rng.uniform(0.12, 0.88, 2)
        corners = ellipse(x, y, *rng.uniform(0.06, 0.15, 2), steps=6) + rng.uniform(
            -0.04, 0.04, (6, 2)
        )
        sprite.polygon(corners, tint(rng, *scraps[rng.integers(len(scraps))]))
    sprite.shade(0.95 + 0.17 * noise(rng, width, height, 7, 7) - 0.25 * (sprite.down() - 0.4))
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
    fold = np.tanh((sprite.across() - position) * 25 + (sprite.down() - 0.5) * slant)
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
    sprite.shade(
        np.where(sprite.down() > 0.3, np.where(sprite.across() > 0.7, 0.55, 1.0), 1.0)
        + 0.04 * noise(rng, width, height, 4, 4)
    )
    return sprite


def metal(rng, width, height):
    sprite = Sprite(width, height, tint(rng, 0.58, 0.04, 0.66, 0.7))
    rim = 0.12
    sprite.outline(
        np.concatenate(
            [ellipse(0.5, rim, 0.49, rim - 0.01)[12:], ellipse(0.5, 1 - rim, 0.49, rim - 0.01)[:13]]
        )
    )
    label = tint(rng, rng.choice([0.0, 0.6]), 0.65, 0.42)
    if rng.random() < 0.4:
        sprite.polygon(belt(0.5, 0.72, rim), label)
    for y in (0.3, 0.42, 0.54, 0.66, 0.78):
        sprite.polygon(belt(y, y + 0.03, rim), np.full(3, 118))
    sprite.shade(sheen(sprite.across(), low=0.45, strength=1.0))
    sprite.disc(0.5, rim, 0.49, rim - 0.01, np.full(3, 120))
    sprite.disc(0.5, rim, 0.42, rim - 0.03, np.full(3, 222))
    sprite.disc(0.5, rim, 0.13, 0.045, np.full(3, 100))
    sprite.shade(1 + 0.04 * noise(rng, width, height, 3, 3))
    return sprite


def glass(rng, width, height):
    green = tint(rng, rng.uniform(0.33, 0.41), 0.8, 0.46)
    sprite = Sprite(width, height, green, rng.uniform(0.8, 0.92))
    sprite.outline(mirrored(points("34,1 34,7 37,8 36,30 26,39 5,47 2,52 2,95 10,99")))
    sprite.shade(sheen(sprite.across(), low=0.6, strength=0.55))
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
    sprite.shade(sheen(sprite.across(), low=0.8, strength=0.4))
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
    sprite.shade(0.98 + 0.05 * beads - 0.1 * (sprite.down() - 0.5))
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
    sprite.outline(
        mirrored(
            [(0.32, 0.01), (0.32, 0.08), (0.06, 0.09), (0.02, 0.11), (0.02, 0.96), (0.08, 0.99)]
        )
    )
    gold = tint(rng, rng.uniform(0.06, 0.09), 0.9, 0.9)
    sprite.band(0, 0.1, 1, 0.4, gold)
    sprite.band(0.44, 0.5, 0.56, 0.72, np.full(3, 235))
    sprite.band(0.3, 0.58, 0.7, 0.64, np.full(3, 235))
    sprite.band(0, 0.93, 1, 1, np.full(3, 205))
    sprite.band(0, 0, 1, 0.1, np.full(3, 215))
    sprite.shade(sheen(sprite.across(), low=0.7, strength=0.8))
    return sprite


def clothing(rng, width, height):
    red = tint(rng, rng.uniform(0.93, 1.0), rng.uniform(0.68, 0.88), 0.85)
    sprite = Sprite(width, height, red)
    sleeve = rng.uniform(0.34, 0.44)
    sprite.outline(
        mirrored(
            [
                (0.36, 0.01),
                (0.24, 0.05),
                (0.01, sleeve - 0.08),
                (0.13, sleeve + 0.03),
                (0.23, 0.33),
                (0.22, 0.99),
            ]
        )
    )
    decoration = rng.integers(3)
    if decoration == 1:
        for y in np.arange(0.4, 0.95, 0.16):
            sprite.band(0.22, y, 0.78, y + 0.07, red * 0.35 + 160)
    elif decoration == 2:
        sprite.disc(0.5, 0.5, 0.15, 0.13, red * 0.35 + 160)
    sprite.disc(0.5, 0.0, 0.15, 0.1, red * 0.45)
    sprite.shade(0.92 + 0.13 * noise(rng, width, height, 6, 3) - 0.12 * (sprite.down() - 0.5))
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
