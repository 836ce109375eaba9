"""The embedded demo set: drawn recycling scenes whose labels have the statistics of the study's.

The study's photographs are not available, so the miniature scale trains on pictures that the
project renders itself: no download, the same bytes for the same seed.

All statistics were derived once from the study's fold files val_{0..4}.json (4,883 images of 1024 x
1024, 23,144 boxes), which the project does not read: boxes per class and per image are counted, and
ln(sqrt(box area) / image side) = a class mean + CROWDING * ln(boxes on the image) + a class
deviation is a least-squares fit. Five things differ on purpose: the shares of the classes are drawn
in (EVENNESS), and so are sizes and aspects (NARROWING), a share of the boxes is small whatever its
class (SMALL_SHARE), the boxes per image are drawn in too (IMAGES_WITH), and which classes share an
image is not modelled beyond MATES.
"""

import dataclasses
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from stages import machine
from stages.data.demo.scene import Item, draw_scene
from stages.study.counts import count

log = logging.getLogger(__name__)

JPEG_QUALITY = 92


@dataclass(frozen=True)
class DemoClass:
    """A class: boxes in the study; mean and deviation of ln(relative size) and of ln(width /
    height).

    least and most, which are ours, bound ln(length / breadth) of the drawing: a bottle is never
    square, a T-shirt never a rod.
    """

    name: str
    boxes: int
    size: float
    size_sd: float
    aspect: float
    aspect_sd: float
    least: float
    most: float


DEMO_CLASSES = (
    DemoClass("General trash", 3966, -1.21, 0.76, 0.08, 0.74, 0.05, 1.1),
    DemoClass("Paper", 6352, -0.78, 0.75, 0.10, 0.66, 0.10, 1.1),
    DemoClass("Paper pack", 897, -1.09, 0.59, 0.14, 0.49, 0.35, 0.9),
    DemoClass("Metal", 936, -1.09, 0.67, 0.02, 0.60, 0.35, 0.9),
    DemoClass("Glass", 982, -0.84, 0.57, -0.22, 0.73, 0.90, 1.4),
    DemoClass("Plastic", 2943, -0.96, 0.68, 0.05, 0.65, 0.65, 1.2),
    DemoClass("Styrofoam", 1263, -0.60, 0.64, 0.15, 0.65, 0.05, 0.8),
    DemoClass("Plastic bag", 5178, -0.67, 0.69, -0.08, 0.58, 0.05, 0.8),
    DemoClass("Battery", 159, -1.02, 0.50, 0.06, 0.80, 0.75, 1.3),
    DemoClass("Clothing", 468, -0.56, 0.56, -0.01, 0.66, 0.05, 0.6),
)
CLASSES = tuple(kind.name for kind in DEMO_CLASSES)

# Shares of the classes are those of the study to this power: 0 would make them equal, 1 leave them
# as they are. At 1, in 180 steps from random weights, no cell finds the five rarest of the ten at
# all, and half of each score is a constant 0. Their order stays: Paper has 13 % of the boxes (27 %
# in the study), Battery 6 % (0.7 %).
EVENNESS = 0.2

CROWDING = -0.41
# The demo set is read at 96 px, a tenth of the study's side: a 20th of the study's boxes would be
# under 5 px wide, and nothing learns them in minutes. So sizes are drawn in, by this factor in the
# logarithm, towards half of the side.
NARROWING, PIVOT = 0.4, 0.5
SIZE_RANGE = (0.17, 0.9)
# Share of the boxes that are COCO's small (area below 32 x 32) on images of 192 pixels, and their
# sides, shares of the image's. The study has 1.35 % of them: of 1,000 boxes 14, which decide
# nothing about sizes (MIN_BOXES asks for 100). At 96 px they are 12 to 15 px wide, at 192 px 24 to
# 30: what the larger image is worth can be seen in them. Small, medium and large have 19, 70 and 11
# % of the boxes; in the study, at 1024, 1.35, 22.4 and 76.2 %.
SMALL_SHARE = 0.2
SMALL_SIDES = (24 / 192, 30 / 192)

# Shares of images with 1, 2, ... 7 boxes, 3.75 in the mean. The study's is 4.7, from 1 to 71; the
# 41 % of its images that hold a single box teach a detector little per step, and on crowded ones
# boxes are too small for 96 px.
IMAGES_WITH = (0, 25, 25, 20, 15, 10, 5)

# Share of the study's boxes within 3 px of the image border: 16.6 %.
AT_BORDER = 0.166
# Distance to the border that all other boxes keep, as a share of the image side.
MARGIN = 0.02
# Deviation of the study's box centres from the middle, across and down, of the image side.
CENTRE_SD = (0.22, 0.19)

# Images and boxes are dealt out in blocks, each an even sample of its distribution: of 147 boxes, 9
# are batteries.
IMAGE_BLOCK, BOX_BLOCK = 60, 147
# Boxes dealt out together are mostly of one class. 3 give 1.84 classes an image; the study's 1.93.
MATES = 3


def plan(seed: int, images: int) -> list[np.ndarray]:
    """The class indices (0..9) wanted on each image, without drawing.

    Systematic instead of independent sampling: a small set does not lack a class by bad luck. The
    plan of image k is the same however many images follow it.
    """
    crowds = np.cumsum(IMAGES_WITH) / sum(IMAGES_WITH)
    numbers = _dealt(seed, 1, images, IMAGE_BLOCK, 1)
    counts = np.searchsorted(crowds, numbers, side="right") + 1
    amounts = np.array([kind.boxes for kind in DEMO_CLASSES]) ** EVENNESS
    shares = np.cumsum(amounts) / amounts.sum()
    numbers = _dealt(seed, 2, int(counts.sum()), BOX_BLOCK, MATES)
    labels = np.searchsorted(shares, numbers, side="right")
    return np.split(labels, np.cumsum(counts)[:-1])


def scene(
    seed: int, index: int, image_size: int, labels
) -> tuple[np.ndarray, list[tuple[int, tuple]]]:
    """Draws image `index` with objects of the classes `labels` (indices, see plan).

    Returns the picture (image_size, image_size, 3) uint8 RGB and the labelled objects as (class
    index, box), box being (x, y, width, height) in whole pixels around the whole extent of the
    object inside the image.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, index]))
    items = _placed(rng, [_measured(rng, int(label), len(labels)) for label in labels])
    picture, boxes = draw_scene(rng, items, image_size)
    return picture, [(item.label, box) for item, box in zip(items, boxes, strict=True) if box]


def render_demo(folder: Path, images: int, image_size: int, seed: int) -> dict[str, list[dict]]:
    """Draws `images` scenes of image_size x image_size into `folder` as 0000.jpg, 0001.jpg, ...

    Returns COCO's images, annotations and categories, which have ids from 1 (pycocotools reads id 0
    as "unmatched"); file_name is relative to `folder`, boxes are [x, y, width, height] in pixels,
    area is the box's. Image k depends on (seed, k, image_size) alone, byte for byte with the same
    OpenCV and NumPy. Raises ValueError where images < 1, image_size < 64 or seed < 0, OSError where
    a file cannot be written.
    """
    if images < 1 or image_size < 64 or seed < 0:
        raise ValueError(
            f"demo set of {images} images, image_size {image_size}, seed {seed}: "
            "at least 1 image of at least 64 px and a seed from 0 are needed"
        )
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{index:04d}.jpg" for index in range(images)]

    def draw_image(index, labels):
        picture, objects = scene(seed, index, image_size, labels)
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        _, encoded = cv2.imencode(".jpg", picture[..., ::-1], quality)
        (folder / names[index]).write_bytes(encoded.tobytes())
        return objects

    size = {"width": image_size, "height": image_size}
    entries, annotations = [], []
    # Threads: OpenCV and NumPy release the interpreter in their loops, and processes start slowly.
    with ThreadPoolExecutor(machine.cpus()) as pool:
        scenes = pool.map(draw_image, range(images), plan(seed, images))
        # disable=None: a bar on a terminal alone.
        scenes = tqdm(scenes, "demo images", images, unit="image", delay=2, disable=None)
        for image_id, (name, objects) in enumerate(zip(names, scenes, strict=True), 1):
            # Prepared files have always had a licence: without it every cell would train again.
            entries.append({"id": image_id, "file_name": name, **size, "license": 1})
            for label, box in objects:
                ids = {"id": len(annotations) + 1, "image_id": image_id, "category_id": label + 1}
                place = {"bbox": list(box), "area": box[2] * box[3]}
                annotations.append({**ids, **place, "iscrowd": 0})
    boxes_drawn = count(len(annotations), "boxes")
    log.info("%s with %s in %s", count(images, "demo images"), boxes_drawn, folder)
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]
    return {"images": entries, "annotations": annotations, "categories": categories}


def _dealt(seed, stream, count, block, together):
    """`count` numbers in [0, 1), each `block` evenly spread, in shuffled runs of `together`."""
    runs = np.arange(block).reshape(-1, together)
    start = np.random.default_rng(np.random.SeedSequence([seed, stream, block])).random()
    dealt = []
    for index in range(-(-count // block)):
        rng = np.random.default_rng(np.random.SeedSequence([seed, stream, block, index]))
        # Golden-ratio offsets spread the blocks against each other as evenly as each is in itself.
        offset = (start + index * 0.6180339887498949) % 1
        dealt.append((rng.permutation(runs).ravel() + offset) / block)
    return np.concatenate(dealt)[:count]


def _measured(rng, label, crowd):
    kind = DEMO_CLASSES[label]
    aspect = rng.normal(kind.aspect, NARROWING * kind.aspect_sd)
    aspect = float(np.clip(aspect, -kind.most, kind.most))
    studied = rng.normal(kind.size + CROWDING * np.log(crowd), kind.size_sd)
    side = PIVOT * np.exp(NARROWING * (studied - np.log(PIVOT)))
    side = float(np.clip(side, SIZE_RANGE[0], SIZE_RANGE[1] * np.exp(-abs(aspect) / 2)))
    if rng.random() < SMALL_SHARE:
        side = float(rng.uniform(*SMALL_SIDES))
    elongation = max(abs(aspect), kind.least) + rng.exponential(0.06) + 0.01
    return Item(label, (0.5, 0.5), side, aspect, elongation)


def _placed(rng, items):
    """Gives each item a centre with little overlap, and an order: large ones mostly come first."""
    order = np.argsort([-np.log(item.side) + rng.normal(0, 0.25) for item in items])
    occupied, placed = np.empty((0, 4)), []
    for index in order:
        item = items[index]
        half = item.side * np.exp(np.array([item.log_aspect, -item.log_aspect]) / 2) / 2
        # The fewer places are tried, the more objects overlap. 4 to 8 leave 13 % of the boxes with
        # a half of themselves in another, or the other's in them; 64 % in the study, which is too
        # hard for minutes.
        centres = rng.normal(0.5, CENTRE_SD, (rng.integers(4, 9), 2))
        centres = np.clip(centres, half + MARGIN, 1 - half - MARGIN)
        if rng.random() < AT_BORDER:
            side = rng.integers(2)
            place = rng.uniform(0.75, 1.0) * half[side]
            if rng.random() >= 0.5:
                place = 1 - place
            centres[:, side] = place
        boxes = np.concatenate([centres - half, centres + half], 1)
        best = int(np.argmin([_largest_overlap(box, occupied) for box in boxes]))
        occupied = np.concatenate([occupied, boxes[best : best + 1]])
        placed.append(dataclasses.replace(item, centre=tuple(centres[best])))
    return placed


def _largest_overlap(box, boxes):
    """Of `box` with one of `boxes` (n, 4), as a share of the smaller of the two."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    overlap = np.clip(sides, 0, None).prod(1)
    smaller = np.minimum((box[2:] - box[:2]).prod(), (boxes[:, 2:] - boxes[:, :2]).prod(1))
    return float((overlap / smaller).max(initial=0))
