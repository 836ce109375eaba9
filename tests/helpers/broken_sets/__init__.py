"""A healthy set and every way to break it that stages/data/catalogue.py has a code for."""

from broken_sets import (
    annotation_files,
    boxes,
    categories,
    entries,
    formats,
    images,
    paths,
    readings,
    sizes,
    splits,
    voc_images,
    yolo_lines,
)
from broken_sets.base import BrokenSet, Healthy
from broken_sets.case import CASES, Case

__all__ = [
    "CASES",
    "BrokenSet",
    "Case",
    "Healthy",
    "annotation_files",
    "boxes",
    "categories",
    "entries",
    "formats",
    "images",
    "paths",
    "readings",
    "sizes",
    "splits",
    "voc_images",
    "yolo_lines",
]
