"""Decodes images as a training does, so that what is checked and shown is what is learnt from; and
which formats are safe to open."""

from __future__ import annotations

import cv2
import numpy as np

# What OpenCV, MMDetection's default loader, can read; MPO comes with JPEG. Pillow would also try
# formats whose readers start other programs, as EPS does.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000")
# The field of EXIF, and its values that make the width the height.
ORIENTATION, SWAPPED = 0x0112, (5, 6, 7, 8)
_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
REDUCTIONS = tuple(_FLAGS)
# What OpenCV cannot read becomes a finding; its own lines on stderr would come once for each file.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode(data: bytes, reduction: int = 1) -> np.ndarray | None:
    """The file's picture as MMDetection's LoadImageFromFile gives it: (height, width, 3) uint8,
    blue first, turned as EXIF says, of 16 bits the upper 8, without transparency. None where OpenCV
    cannot make that of it.

    reduction: of REDUCTIONS; both sides of a JPEG are divided by it, which is faster.
    """
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS[reduction])
    except cv2.error:
        return None
    # Of a greyscale PFM OpenCV gives floats of one channel, at which MMDetection stops.
    if picture is None or picture.ndim != 3 or picture.dtype != np.uint8:
        return None
    return picture
