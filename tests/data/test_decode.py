"""What the checks find and the pages show is the picture that a training decodes."""

from __future__ import annotations

import base64
import io
import struct

import cv2
import mmcv
import numpy as np
import pytest
from broken_sets.base import paint
from PIL import Image

from stages.data.page.pictures import draw_picture
from stages.data.probe import REDUCTIONS, decode, probe_file

SIZE = (96, 64)
ORIENTATION = 0x0112


def encoded(picture: Image.Image, image_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, image_format, **options)
    return buffer.getvalue()


def colours() -> Image.Image:
    return Image.fromarray(paint(5, *SIZE))


@pytest.mark.parametrize(
    ("image_format", "mode"),
    [
        ("JPEG", "RGB"),
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("PNG", "LA"),
        ("WEBP", "RGB"),
        ("BMP", "RGB"),
        ("GIF", "P"),
        ("TIFF", "RGB"),
        ("TIFF", "CMYK"),
        ("PPM", "RGB"),
        ("JPEG2000", "RGB"),
    ],
)
def test_decoding_is_mmdetections(image_format, mode):
    data = encoded(colours().convert(mode), image_format)
    assert np.array_equal(decode(data), mmcv.imfrombytes(data, flag="color", backend="cv2"))


def exif(order: str, kind: str) -> bytes:
    """EXIF with the orientation 6. order: of the bytes, as struct has it; kind: of the number, likewise."""
    types = {"H": 3, "I": 4}
    head = b"MM\0*" if order == ">" else b"II*\0"
    number = struct.pack(order + kind, 6).ljust(4, b"\0")
    entry = struct.pack(f"{order}HHI", ORIENTATION, types[kind], 1) + number
    return b"Exif\0\0" + head + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)
TURNING = {
    "xmp": {"xmp": XMP},
    "little short": {"exif": exif("<", "H")},
    "little long": {"exif": exif("<", "I")},
    "big short": {"exif": exif(">", "H")},
    "big long": {"exif": exif(">", "I")},
    "both": {"exif": exif("<", "H"), "xmp": XMP},
    "cut": {"exif": exif("<", "H")[:20]},
}


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize("turning", TURNING)
def test_the_orientation_is_the_one_that_opencv_finds(turning, image_format, tmp_path):
    """Pillow alone finds it in XMP too, and a LONG of any order of bytes."""
    data = encoded(colours(), image_format, **TURNING[turning])
    (tmp_path / "a").write_bytes(data)
    is_turned = decode(data).shape[:2] == SIZE
    assert is_turned == (turning in ("little short", "little long", "big short", "both"))
    assert probe_file(tmp_path, True, "a").orientation == (6 if is_turned else 1)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_is_reduced_on_both_sides(reduction, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    width, height = SIZE if orientation == 1 else SIZE[::-1]
    shape = decode(encoded(colours(), "JPEG", exif=exif), reduction).shape
    assert shape == (height // reduction, width // reduction, 3)


def test_no_picture_is_none_and_silent(capfd):
    grey = Image.fromarray(paint(5, *SIZE)[..., 0].astype(np.float32))
    for data in (
        b"",
        b"GIF89a",
        encoded(grey, "TIFF"),
        encoded(grey, "PPM"),
        encoded(colours(), "TIFF", compression="zstd"),
    ):
        assert decode(data) is None
    assert capfd.readouterr() == ("", "")


def shown(path) -> np.ndarray:
    """The page's picture: (height, width, 3), red first."""
    uri = draw_picture(path, None, (), long_side=SIZE[0]).uri
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        return np.asarray(image.convert("RGB"), dtype=int)


@pytest.mark.parametrize("highest", [255, 4095, 65535])
def test_the_page_shows_16_bits_as_they_are_trained(highest, tmp_path):
    grey = (paint(5, *SIZE)[..., 0].astype(np.uint32) * highest // 255).astype(np.uint16)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), grey)
    expected = grey.astype(int) // 256
    assert abs(shown(path).mean(axis=2) - expected).mean() < 3
    probed = probe_file(tmp_path, True, "a.png")
    assert (
        probed.deep
        and probed.black == (highest < 5000)
        and not probed.fault
        and not probed.single_colour
    )


def test_the_page_shows_what_transparency_hides(tmp_path):
    picture = colours().convert("RGBA")
    picture.putalpha(0)
    picture.save(tmp_path / "a.png")
    assert abs(shown(tmp_path / "a.png") - paint(5, *SIZE)).mean() < 6


def test_bright_specks_in_the_dark_are_no_black_picture(tmp_path):
    """The means of a JPEG's blocks are dark, its pixels are not."""
    pixels = np.zeros((256, 256, 3), np.uint8)
    pixels[::64, ::64] = 255
    Image.fromarray(pixels).save(tmp_path / "stars.jpg", quality=95)
    Image.fromarray(pixels // 30).save(tmp_path / "night.jpg", quality=95)
    stars, night = (probe_file(tmp_path, True, name) for name in ("stars.jpg", "night.jpg"))
    assert not stars.black and night.black


def test_colours_of_one_brightness_are_several(tmp_path):
    """Both are 76 of 255 in greyscale."""
    pixels = np.full((64, 96, 3), (255, 0, 0), np.uint8)
    pixels[:, 48:] = (0, 130, 0)
    Image.fromarray(pixels).save(tmp_path / "two.png")
    Image.fromarray(pixels[:, :48]).save(tmp_path / "one.png")
    assert np.ptp(np.asarray(Image.fromarray(pixels).convert("L"))) == 0
    two, one = (probe_file(tmp_path, True, name) for name in ("two.png", "one.png"))
    assert one.single_colour and not two.single_colour


def test_an_image_that_pillow_alone_opens_has_no_picture(tmp_path):
    Image.fromarray(paint(5, *SIZE)[..., 0].astype(np.int32)).save(tmp_path / "a.tif")
    assert draw_picture(tmp_path / "a.tif", SIZE, ()).uri == ""
