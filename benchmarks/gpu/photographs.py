"""Part of a set of photographs, small enough to be carried, with the licences of exactly these."""

from __future__ import annotations

import csv
import hashlib
import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import cv2

from stages.data.discover import discover
from stages.errors import InputError
from stages.prepare import prepare
from stages.study import params

# Photographs of each split, and their longer side in pixels.
SIZES = {"train": 300, "val": 100}
PIXELS = 512
QUALITY = 92
SEED = 0
# Named from the project's folder, as stage prepare does.
ROOT_THERE = "data/raw"
ATTRIBUTION = "attribution.csv"


def pack(source: Path, data: Path) -> dict[str, Any]:
    """Writes `data`/prepared/{train,val}.json and `data`/raw/; gives the counts of each split.

    The splits are those of stage prepare, which cuts no group. Raises InputError where prepare
    would stop.
    """
    source = source.expanduser().resolve()
    study = params.load_study()
    counts: dict[str, Any] = {"set": source.name}
    names = []
    with tempfile.TemporaryDirectory() as name:
        prepared = Path(name)
        prepare(discover(source, study.data), study.seed, prepared)
        for split, most in SIZES.items():
            coco = json.loads((prepared / f"{split}.json").read_text(encoding="utf-8"))
            part = subset(coco, most)
            digest = _write_photographs(part, Path(coco["info"]["image_root"]), data / "raw")
            part["info"] = {**coco["info"], "image_root": ROOT_THERE, "images_digest": digest}
            (data / "prepared").mkdir(parents=True, exist_ok=True)
            (data / "prepared" / f"{split}.json").write_text(json.dumps(part), encoding="utf-8")
            names += [image["file_name"] for image in part["images"]]
            counts[split] = {"images": len(part["images"]), "boxes": len(part["annotations"])}
    counts["attributions"] = _write_attribution(source, names, data / "raw")
    return counts


def subset(coco: dict[str, Any], most: int) -> dict[str, Any]:
    """`most` images of a split with their boxes, drawn once for all, in the order of the split."""
    drawn = random.Random(SEED).sample(range(len(coco["images"])), min(most, len(coco["images"])))
    images = [coco["images"][index] for index in sorted(drawn)]
    kept = {image["id"] for image in images}
    boxes = [box for box in coco["annotations"] if box["image_id"] in kept]
    return {**coco, "images": images, "annotations": boxes}


def _write_photographs(coco: dict[str, Any], source: Path, folder: Path) -> str:
    """Copies the images, shrunk with their boxes where they are larger than PIXELS; a digest of
    all."""
    total = hashlib.sha256()
    factors = {}
    for image in coco["images"]:
        target = folder / image["file_name"]
        target.parent.mkdir(parents=True, exist_ok=True)
        factors[image["id"]] = min(1.0, PIXELS / max(image["width"], image["height"]))
        if factors[image["id"]] == 1:
            shutil.copy(source / image["file_name"], target)
        else:
            _shrink(image, source / image["file_name"], target, factors[image["id"]])
        total.update(image["file_name"].encode() + target.read_bytes())
    for box in coco["annotations"]:
        factor = factors[box["image_id"]]
        box["bbox"] = [value * factor for value in box["bbox"]]
        box["area"] = box["area"] * factor**2
    return total.hexdigest()


def _shrink(image: dict[str, Any], source: Path, target: Path, factor: float) -> None:
    # As MMDetection reads it: turned as EXIF says.
    pixels = cv2.imread(str(source))
    if pixels is None:
        raise InputError(f"{source}: cannot be read; make data-check says what is wrong with it")
    image["width"] = round(image["width"] * factor)
    image["height"] = round(image["height"] * factor)
    small = cv2.resize(pixels, (image["width"], image["height"]), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(target.suffix, small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    target.write_bytes(encoded.tobytes())


def _write_attribution(source: Path, names: list[str], folder: Path) -> int:
    """The rows of attribution.csv that name one of the photographs; how many. 0 where the set has
    no such file."""
    if not (source / ATTRIBUTION).is_file():
        return 0
    carried = set(names)
    with (source / ATTRIBUTION).open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    rows = [row for row in rows if carried.intersection(row)]
    with (folder / ATTRIBUTION).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return len(rows)
