"""Boxes must lie where OpenCV, MMDetection's loader, shows what they are of, whatever EXIF and sizes say."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from broken_sets import Healthy
from broken_sets.base import HEIGHT, WIDTH, paint
from broken_sets.images import ORIENTATION
from broken_sets.outcome import Outcome
from PIL import Image

from stages.data.probe import probe, probe_file, turned

# Not in the middle, and of two different sides: no turning or mirroring leaves it where it is.
BOX = (60, 8, 24, 16)


@pytest.fixture(scope="session")
def healthy(tmp_path_factory) -> Healthy:
    return Healthy(tmp_path_factory.mktemp("healthy"))


def seen(path) -> np.ndarray:
    """As mmcv.imfrombytes has it: OpenCV 5.0 reads turned TIFF files from memory only."""
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)


def bright(path) -> list[int]:
    """x, y, w, h of the bright rectangle, as MMDetection sees it."""
    ys, xs = np.nonzero(seen(path)[..., 1] > 128)
    return [
        int(xs.min()),
        int(ys.min()),
        int(xs.max() - xs.min() + 1),
        int(ys.max() - ys.min() + 1),
    ]


def save(path, orientation: int, scale: int = 1) -> None:
    pixels = np.zeros((HEIGHT * scale, WIDTH * scale, 3), np.uint8)
    x, y, w, h = (side * scale for side in BOX)
    pixels[y : y + h, x : x + w] = 255
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"tiffinfo": {ORIENTATION: orientation}} if path.suffix == ".tif" else {"exif": exif}
    if path.suffix == ".jpg":
        options.update(quality=100, subsampling=0)
    Image.fromarray(pixels).save(path, **options)


def prepared(
    healthy, folder, name: str, size: tuple[int, int], box, make
) -> tuple[Outcome, dict, list]:
    broken = healthy.copy(folder / "set")
    path = broken.add_image(name, width=size[0], height=size[1])
    make(path)
    broken.annotations[-1]["bbox"] = list(map(float, box))
    outcome = Outcome(broken, folder / "prepared")
    for content in outcome.splits().values():
        for image in content["images"]:
            if image["file_name"] == f"images/{name}":
                boxes = [
                    entry["bbox"]
                    for entry in content["annotations"]
                    if entry["image_id"] == image["id"]
                ]
                return outcome, image, boxes
    raise AssertionError(outcome.found)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_boxes_with_the_image(orientation, suffix, healthy, tmp_path):
    """Labels were drawn on the stored picture, by a program that does not know EXIF."""
    name = f"a{suffix}"
    if orientation in (2, 3, 4):
        # Width and height say nothing of the frame: boxes are taken to be of the picture as it is shown.
        save(tmp_path / name, orientation)
        box, expected = bright(tmp_path / name), {"exif_orientation"}
    else:
        box, expected = BOX, {"exif_conflict"} if orientation != 1 else set()
    outcome, image, boxes = prepared(
        healthy, tmp_path, name, (WIDTH, HEIGHT), box, lambda path: save(path, orientation)
    )
    path = tmp_path / "set" / "images" / name
    assert set(outcome.found) == expected
    assert (image["height"], image["width"]) == seen(path).shape[:2]
    assert boxes == [pytest.approx(bright(path), abs=1)]


@pytest.mark.parametrize("orientation", range(2, 9))
def test_exif_with_the_size_as_shown(orientation, healthy, tmp_path):
    save(tmp_path / "a.jpg", orientation)
    height, width = seen(tmp_path / "a.jpg").shape[:2]
    outcome, image, boxes = prepared(
        healthy,
        tmp_path,
        "a.jpg",
        (width, height),
        bright(tmp_path / "a.jpg"),
        lambda path: save(path, orientation),
    )
    assert set(outcome.found) == {"exif_orientation"} and not outcome.changes
    assert (image["width"], image["height"]) == (width, height)
    assert boxes == [bright(tmp_path / "a.jpg")]


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_means_nothing(orientation, healthy, tmp_path):
    outcome, _, boxes = prepared(
        healthy, tmp_path, "a.jpg", (WIDTH, HEIGHT), BOX, lambda path: save(path, orientation)
    )
    assert not outcome.found and boxes == [list(BOX)] == [
        bright(tmp_path / "set" / "images" / "a.jpg")
    ]


def test_boxes_of_a_resized_image(healthy, tmp_path):
    """Labelled at 96 x 64, stored at three times that."""
    outcome, image, boxes = prepared(
        healthy, tmp_path, "a.png", (WIDTH, HEIGHT), BOX, lambda path: save(path, 1, 3)
    )
    assert set(outcome.found) == {"image_resized"} and (image["width"], image["height"]) == (
        3 * WIDTH,
        3 * HEIGHT,
    )
    assert boxes == [bright(tmp_path / "set" / "images" / "a.png")]
    row = next(row for row in outcome.changes if row["entry"])
    assert row["before"] == "60.00 8.00 24.00 16.00" and row["after"] == "180.00 24.00 72.00 48.00"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_a_turned_copy_looks_the_same(suffix, orientation, tmp_path):
    """The hash is of the picture as it is shown."""
    picture = paint(3)
    back = next(
        code
        for code in range(1, 9)
        if np.array_equal(turned(turned(picture[..., 0], orientation), code), picture[..., 0])
    )
    exif = Image.Exif()
    exif[ORIENTATION] = back
    stored = np.stack([turned(picture[..., channel], orientation) for channel in range(3)], axis=-1)
    options = (
        {"tiffinfo": {ORIENTATION: back}} if suffix == ".tif" else {"exif": exif, "quality": 95}
    )
    Image.fromarray(picture).save(tmp_path / "a.png")
    Image.fromarray(stored).save(tmp_path / f"b{suffix}", **options)
    first, second = (probe_file(tmp_path, True, name).looks for name in ("a.png", f"b{suffix}"))
    differ = np.unpackbits(np.frombuffer(first, np.uint8) ^ np.frombuffer(second, np.uint8)).sum()
    assert differ < 30


def test_many_files_are_probed_in_order(healthy):
    """In processes of their own from 32 files on."""
    names = sorted(healthy.expected) * 3
    assert probe(healthy.folder, names, "decode") == [
        probe_file(healthy.folder, True, name) for name in names
    ]


@pytest.mark.parametrize("pixels", ["header", "none"])
def test_without_decoding(pixels, healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    broken.data["pixels"] = pixels
    if pixels == "none":
        for path in (broken.root / "images").iterdir():
            path.unlink()
    outcome = Outcome(broken, tmp_path / "prepared", page=True)
    assert not outcome.error and not outcome.found and outcome.boxes() == broken.expected
