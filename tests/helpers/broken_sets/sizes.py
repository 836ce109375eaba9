"""Declared sizes of all images that the boxes contradict."""

from __future__ import annotations

from PIL import Image

from broken_sets.base import HEIGHT, WIDTH, BrokenSet
from broken_sets.case import case
from broken_sets.images import ORIENTATION


def declare(broken: BrokenSet, width: int, height: int) -> None:
    for entry in broken.images:
        entry.update(width=width, height=height)


@case("image_size_wrong", after="96 x 64")
def size_of_thumbnails_declared(broken: BrokenSet) -> None:
    declare(broken, WIDTH // 2, HEIGHT // 2)


@case("image_size_wrong", after="96 x 64")
def size_of_originals_declared(broken: BrokenSet) -> None:
    """Boxes would reach over half of an image."""
    declare(broken, 4 * WIDTH, 4 * HEIGHT)


@case("image_size_wrong", after="96 x 64")
def size_of_a_pixel_declared(broken: BrokenSet) -> None:
    declare(broken, 1, 1)


@case("image_size_wrong", after="96 x 64")
def sizes_as_stored_and_boxes_as_shown(broken: BrokenSet) -> None:
    """As a program that takes the size from Pillow and boxes from a viewer writes them."""
    declare(broken, HEIGHT, WIDTH)
    for index in range(len(broken.images)):
        path = broken.path(index)
        with Image.open(path) as image:
            exif = image.getexif()
            exif[ORIENTATION] = 6
            image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
