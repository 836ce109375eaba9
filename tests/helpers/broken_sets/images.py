"""Image files: broken ones, odd ones, and those whose size is not what is said."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from broken_sets.base import HEIGHT, WIDTH, BrokenSet, paint
from broken_sets.case import case

ORIENTATION = 0x0112


def save(
    path: Path,
    mode: str = "RGB",
    seed: int = 900,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    **options,
) -> None:
    Image.fromarray(paint(seed, *size)).convert(mode).save(path, **options)


def replace(
    broken: BrokenSet, index: int, content: np.ndarray | Image.Image, suffix: str = "", **options
) -> None:
    """Another file in the place of an image's, under the same name but for its suffix."""
    old = broken.path(index)
    new = old.with_suffix(suffix or old.suffix)
    old.unlink()
    if isinstance(content, np.ndarray):
        cv2.imwrite(str(new), content)
    else:
        content.save(new, **options)
    broken.images[index]["file_name"] = new.name
    broken.expected[f"images/{new.name}"] = broken.expected.pop(f"images/{old.name}")


def picture(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(paint(900)).convert(mode)


@case("image_empty_file")
def file_of_0_bytes(broken: BrokenSet) -> None:
    broken.add_image().touch()


@case("image_not_an_image")
def file_of_html(broken: BrokenSet) -> None:
    broken.add_image("a.jpg").write_text("<html>404</html>")


@case("image_not_an_image")
def file_of_postscript(broken: BrokenSet) -> None:
    """Pillow would hand it to Ghostscript."""
    broken.add_image("a.png").write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 96 64\nshowpage\n"
    )


@case("image_unreadable")
def folder_named_like_an_image(broken: BrokenSet) -> None:
    broken.add_image("a.jpg").mkdir()


@case("image_unreadable")
def link_to_nothing(broken: BrokenSet) -> None:
    broken.add_image("a.jpg").symlink_to("nothing.jpg")


@case("image_unreadable")
def link_to_itself(broken: BrokenSet) -> None:
    broken.add_image("a.jpg").symlink_to("a.jpg")


@case("image_unreadable")
def named_pipe(broken: BrokenSet) -> None:
    os.mkfifo(broken.add_image("a.jpg"))


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


@case("image_truncated")
def jpeg_cut(broken: BrokenSet) -> None:
    save(broken.add_image("a.jpg"))
    cut(broken.root / "images" / "a.jpg", 0.6)


@case("image_truncated")
def png_cut(broken: BrokenSet) -> None:
    save(broken.add_image("a.png"))
    cut(broken.root / "images" / "a.png", 0.6)


@case("image_truncated")
def webp_cut(broken: BrokenSet) -> None:
    save(broken.add_image("a.webp"))
    cut(broken.root / "images" / "a.webp", 0.6)


@case("image_corrupt")
def png_of_a_wrong_checksum(broken: BrokenSet) -> None:
    path = broken.add_image("a.png")
    save(path)
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 100] ^= 0xFF
    path.write_bytes(data)


@case("image_corrupt")
def jpeg_of_noise(broken: BrokenSet) -> None:
    broken.add_image("a.jpg").write_bytes(b"\xff\xd8\xff" + bytes(500))


@case("image_too_large")
def decompression_bomb(broken: BrokenSet) -> None:
    """A header that promises ten thousand million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    broken.add_image("a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@case("image_unsupported")
def tiff_of_32_bits(broken: BrokenSet) -> None:
    Image.fromarray(paint(900)[..., 0].astype(np.int32)).save(broken.add_image("a.tif"))


@case("image_unsupported")
def tiff_of_floats(broken: BrokenSet) -> None:
    Image.fromarray(paint(900)[..., 0].astype(np.float32)).save(broken.add_image("a.tif"))


@case("image_unsupported")
def tiff_of_zstd(broken: BrokenSet) -> None:
    save(broken.add_image("a.tif"), compression="zstd")


@case("image_unsupported")
def tiff_of_lzma(broken: BrokenSet) -> None:
    save(broken.add_image("a.tif"), compression="lzma")


@case("image_unsupported")
def greyscale_of_floats(broken: BrokenSet) -> None:
    """A PFM: OpenCV gives floats of one channel."""
    Image.fromarray(paint(900)[..., 0].astype(np.float32)).save(broken.add_image("a.pfm"))


@case("image_black", also="image_16bit")
def values_to_255_in_16_bits(broken: BrokenSet) -> None:
    replace(broken, 1, paint(900)[..., 0].astype(np.uint16))


@case("image_black", also="image_16bit")
def values_to_4095_in_16_bits(broken: BrokenSet) -> None:
    replace(broken, 1, paint(900)[..., 0].astype(np.uint16) * 16)


@case("image_black")
def a_night(broken: BrokenSet) -> None:
    replace(broken, 1, Image.fromarray(paint(900) // 20))


@case("image_single_colour")
def all_red(broken: BrokenSet) -> None:
    replace(broken, 1, Image.new("RGB", (WIDTH, HEIGHT), (200, 30, 30)))


@case("image_cmyk")
def cmyk(broken: BrokenSet) -> None:
    replace(broken, 8, picture("CMYK"))


@case("image_16bit")
def rgb_of_16_bits(broken: BrokenSet) -> None:
    replace(broken, 1, paint(900).astype(np.uint16) * 256)


@case("image_16bit")
def grey_of_16_bits(broken: BrokenSet) -> None:
    replace(broken, 1, paint(900)[..., 0].astype(np.uint16) * 256)


@case("image_greyscale")
def greyscale(broken: BrokenSet) -> None:
    replace(broken, 2, picture("L"))


@case("image_alpha")
def rgba(broken: BrokenSet) -> None:
    replace(broken, 1, picture("RGBA"))


@case("image_alpha")
def palette_with_transparency(broken: BrokenSet) -> None:
    replace(broken, 1, picture("P"), transparency=0)


@case("image_animated")
def animated_gif(broken: BrokenSet) -> None:
    replace(
        broken, 1, picture(), ".gif", save_all=True, append_images=[Image.fromarray(paint(901))]
    )


@case("image_bytes_duplicate")
def file_twice(broken: BrokenSet) -> None:
    broken.path(4).write_bytes(broken.path(2).read_bytes())


@case("near_duplicates")
def file_encoded_again(broken: BrokenSet) -> None:
    with Image.open(broken.path(2)) as image:
        image.save(broken.path(4), quality=40)


def turn(broken: BrokenSet, index: int, orientation: int, declared: str, suffix: str = "") -> None:
    """Gives a file an EXIF orientation; the boxes of the content stay those of the stored picture."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    replace(broken, index, picture(), suffix, exif=exif)
    if declared == "shown" and orientation > 4:
        broken.images[index].update(width=HEIGHT, height=WIDTH)


@case("exif_conflict", after="64 x 96")
def exif_declared_as_stored(broken: BrokenSet) -> None:
    """The picture is turned by a quarter to the right: x, y, w, h become 64 - y - h, x, h, w."""
    turn(broken, 2, 6, "stored")
    name = "images/003.jpg"
    broken.expected[name] = sorted(
        (label, HEIGHT - y - h, x, h, w, area) for label, x, y, w, h, area in broken.expected[name]
    )


@case("exif_orientation")
def exif_declared_as_shown(broken: BrokenSet) -> None:
    turn(broken, 2, 6, "shown")
    for entry in broken.annotations:
        if entry["image_id"] == 3:
            entry["bbox"] = [0, 0, 20, 90]
    broken.content["annotations"] = [
        entry for entry in broken.annotations if entry["image_id"] != 3
    ]
    broken.expected["images/003.jpg"] = []
    broken.add_box([10, 0, 20, 90])
    broken.expect_box("003.jpg", "can", 10, 0, 20, 90, 200)


@case("image_size_missing", after="96 x 64")
def size_missing(broken: BrokenSet) -> None:
    del broken.images[2]["width"]


@case("image_size_missing", after="96 x 64")
def size_as_text(broken: BrokenSet) -> None:
    broken.images[2]["width"] = "96"


@case("image_resized", after="96 x 64")
def image_halved(broken: BrokenSet) -> None:
    broken.images[2].update(width=2 * WIDTH, height=2 * HEIGHT)
    for entry in broken.annotations:
        if entry["image_id"] == 3:
            entry.update(bbox=[2 * number for number in entry["bbox"]], area=4 * entry["area"])


@case("image_size_wrong", after="96 x 64")
def size_wrong(broken: BrokenSet) -> None:
    broken.images[2].update(width=WIDTH, height=HEIGHT + 30)
