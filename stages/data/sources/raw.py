"""What a reader hands over: the entries of one annotation file, as they were found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.data.sources.annotations import Annotations


@dataclass
class Raw:
    """`name` is how reports call the file; `folder`, relative to data.root, is where file_name
    starts from.

    relative: bbox holds shares of the image's width and height instead of pixels. coco: the file
    has COCO's own fields, ids and areas; otherwise the reader made them, and "at" in each
    annotation says where it was. gathered: categories are the names met in many label files, not a
    list in which each has an id of its own.
    """

    name: str
    folder: str
    images: list[Any] = field(default_factory=list)
    annotations: list[Any] | Annotations = field(default_factory=list)
    categories: list[Any] = field(default_factory=list)
    relative: bool = False
    coco: bool = False
    gathered: bool = False


# What MMDetection's default loader, OpenCV, reads.
IMAGE_SUFFIXES = {
    ".jpg",
    ".jpeg",
    ".jpe",
    ".png",
    ".bmp",
    ".tif",
    ".tiff",
    ".webp",
    ".gif",
    ".ppm",
    ".pgm",
    ".jp2",
}
