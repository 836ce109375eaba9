"""Opens image files on all cores as a training does, so that what is checked and shown is what is
learnt from: size, format, orientation, faults, a hash of the bytes and one of the looks."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from stages import machine

# Width and height of an image.
Size = tuple[int, int]
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
# Pillow never loads the readers of its rarer formats by itself where the formats are named.
Image.init()
_SIGNATURES = (
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"BM",
    b"GIF8",
    b"II*\0",
    b"MM\0*",
    b"RIFF",
    b"\0\0\0\x0cjP",
)
# Enough for the hash, little enough that libjpeg decodes at an eighth of the size.
_SMALL = 64
_FREQUENCIES = 16
# Pillow and OpenCV agree on these; all else is decoded by OpenCV too, as in a training.
_AGREED_FORMATS = {"JPEG", "MPO", "PNG", "WEBP"}
_AGREED_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "transparency"}
# Of 255. Pictures of 12 bits in files of 16 end here.
_BLACK = 15
HASH_BITS = _FREQUENCIES**2


class Probe(NamedTuple):
    """What one file turned out to be. black: no value over _BLACK, single_colour: all pixels alike,
    both as OpenCV decodes them.

    fault: a code of stages/data/catalogue.py, or "". width, height: pixels as stored, before EXIF
    turns them. digest: SHA-256 of the bytes. looks: HASH_BITS bits of perceptual hash, b"" where
    pixels were not decoded.
    """

    fault: str = ""
    note: str = ""
    width: int = 0
    height: int = 0
    mode: str = ""
    deep: bool = False
    animated: bool = False
    orientation: int = 1
    black: bool = False
    single_colour: bool = False
    digest: bytes = b""
    looks: bytes = b""

    @property
    def displayed(self) -> Size:
        """As EXIF shows the image."""
        if self.orientation in SWAPPED:
            return self.height, self.width
        return self.width, self.height


def probe(root: Path, names: Sequence[str], pixels: Literal["decode", "header"]) -> list[Probe]:
    """One Probe per name, in order. header: bytes are hashed, and pixels not decoded."""
    work = partial(probe_file, root, pixels == "decode")
    workers = min(machine.cpus(), len(names) // 16)
    if workers < 2:
        return list(map(work, names))
    chunk = max(1, min(32, len(names) // (4 * workers)))
    # Forked, so that a worker starts at once: nothing here has threads or a GPU.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        probes = pool.map(work, names, chunksize=chunk)
        return list(tqdm(probes, "images", len(names), unit="image", delay=2, leave=False))


def probe_file(root: Path, pixels: bool, name: str) -> Probe:
    """Never raises for what a file holds."""
    file = root / name
    try:
        # A named pipe would be waited for without end.
        if not file.is_file():
            kind = "a folder" if file.is_dir() else "a broken link or no file"
            return Probe("image_unreadable", kind)
        data = file.read_bytes()
    except OSError as error:
        return Probe("image_unreadable", error.strerror or str(error))
    if not data:
        return Probe("image_empty_file")
    digest = hashlib.sha256(data).digest()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _opened(data, pixels)._replace(digest=digest)
    except Image.DecompressionBombError as error:
        return Probe("image_too_large", str(error), digest=digest)
    except Exception as error:  # Pillow's plugins raise what they like for broken files
        note = f"{type(error).__name__}: {error}"[:200].split(" <_io")[0]
        return Probe(_fault(data, error), note, digest=digest)


def _opened(data: bytes, decoded: bool) -> Probe:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        orientation = orientation_of(image)
        width, height = image.size
        # Pillow turns a TIFF by itself, and says so in its size.
        by_pillow = image.format == "TIFF"
        if by_pillow and orientation in SWAPPED:
            width, height = height, width
        if width * height > Image.MAX_IMAGE_PIXELS * 2:
            raise Image.DecompressionBombError(f"{width} x {height} pixels")
        mode = image.mode
        if mode == "P" and "transparency" in image.info:
            mode = "transparency"
        # Pillow opens a PNG of 16 bits a channel as 8; byte 24 of the file is the depth.
        deep = mode.startswith(("I", "F")) or (data[:4] == b"\x89PNG" and data[24:25] == b"\x10")
        animated = image.format != "MPO" and getattr(image, "is_animated", False)
        result = Probe("", "", width, height, mode, deep, animated, orientation)
        if not decoded:
            return result
        pixels = _grey(image)
        agreed = image.format in _AGREED_FORMATS and mode in _AGREED_MODES
    if not agreed or deep or animated or pixels.max() <= _BLACK or pixels.min() == pixels.max():
        result = _as_trained(data, result)
    return result._replace(looks=looks(pixels, 1 if by_pillow else orientation))


def orientation_of(image: Image.Image) -> int:
    """1 to 8, as OpenCV finds it: Pillow's getexif also takes it from XMP, and from comments of a
    PNG."""
    if image.format == "TIFF":
        orientation = image.tag_v2.get(ORIENTATION)
    else:
        orientation = _exif_orientation(image.info.get("exif", b""))
    # Others mean nothing to OpenCV either.
    return orientation if orientation in range(1, 9) else 1


def _exif_orientation(exif: bytes) -> int:
    """The first two bytes of the value, whatever type it has: OpenCV takes a LONG of the upper byte
    first for 0."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "little", b"MM": "big"}.get(exif[:2])
    if order is None:
        return 0

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], order)

    start = number(4, 4)
    for entry in range(number(start, 2)):
        at = start + 2 + 12 * entry
        if at + 12 > len(exif):
            break
        if number(at, 2) == ORIENTATION:
            return number(at + 8, 2)
    return 0


def _grey(image: Image.Image) -> np.ndarray:
    """(height, width) of 0 to 255, a JPEG at about an eighth of its size."""
    # Reads all of the file, which shows a truncated one, at an eighth of the work for pixels.
    image.draft("L", (_SMALL, _SMALL))
    image.load()
    if image.mode.startswith(("I", "F")):
        pixels = np.nan_to_num(np.asarray(image, dtype=np.float32))
        return pixels * (255 / max(float(pixels.max()), 1.0))
    return np.asarray(image.convert("L"))


def _as_trained(data: bytes, result: Probe) -> Probe:
    """The probe with what OpenCV makes of the file."""
    picture = decode(data)
    if picture is None:
        return result._replace(fault="image_unsupported", note=f"mode {result.mode}")
    if picture.max() <= _BLACK:
        return result._replace(black=True)
    colours = picture.reshape(-1, 3)
    return result._replace(single_colour=bool((colours == colours[0]).all()))


def looks(pixels: np.ndarray, orientation: int = 1) -> bytes:
    """A perceptual hash of a greyscale picture (height, width): HASH_BITS bits, few of which differ
    for look-alikes.

    Signs of the lowest frequencies of the cosine transform about their median, as pHash has it
    (Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions"), 16 x 16 of
    them instead of 8 x 8.
    """
    pixels = pixels.astype(np.float32, copy=False)
    small = cv2.resize(pixels, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA)
    low = cv2.dct(turned(small, orientation))[:_FREQUENCIES, :_FREQUENCIES].ravel()
    # The first coefficient is the mean brightness and far from all others.
    return np.packbits(low > np.median(low[1:])).tobytes()


def turned(picture: np.ndarray, orientation: int) -> np.ndarray:
    """A picture (height, width) as EXIF's orientation 1 to 8 wants it shown."""
    if orientation in SWAPPED:
        picture = picture.T
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def _fault(data: bytes, error: Exception) -> str:
    if not data.startswith(_SIGNATURES):
        return "image_not_an_image"
    cut_webp = data[:4] == b"RIFF" and int.from_bytes(data[4:8], "little") + 8 > len(data)
    if cut_webp or "truncated" in str(error).lower():
        return "image_truncated"
    return "image_corrupt"


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
