"""Images decoded and resized once, kept as plain pixels in a memory-mapped file that all cells of
one size share.

Reading is then a copy of memory. Training, validation and test read the same pixels that
MMDetection's own loading and resizing gives, bit for bit, because those have made them.
"""

from __future__ import annotations

import copy
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from tqdm import tqdm

from stages import machine
from stages.errors import InputError
from stages.files import read_json, replacing

import stages.model.ops  # noqa: F401  isort: skip  mmdet's transforms need it at import
from mmcv.transforms import BaseTransform, LoadImageFromFile  # isort: skip
from mmdet.datasets.transforms import Resize  # isort: skip
from mmdet.registry import TRANSFORMS  # isort: skip

FOLDER = Path("data/cache")
# Pictures in flight while a cache is written: enough for all threads, little memory.
_WINDOW = 64


def use(cfg: Config, *splits: str) -> Config:
    """`cfg` with the loading and resizing of these splits' loaders taken from caches, which are
    made where missing.

    Raises InputError where the disk has no room for one.
    """
    cfg = copy.deepcopy(cfg)
    for split in splits:
        dataset = cfg[f"{split}_dataloader"].dataset
        steps = [step.type for step in dataset.pipeline]
        resize = dataset.pipeline[steps.index("Resize")]
        path = prepared(Path(dataset.ann_file), Path(dataset.data_prefix.img), resize)
        dataset.pipeline[steps.index("LoadImageFromFile")] = {
            "type": "LoadCachedImage",
            "cache": str(path),
        }
        dataset.pipeline[steps.index("Resize")] = {**resize, "type": "ResizeCached"}
    return cfg


def prepared(annotations: Path, root: Path, resize: dict[str, Any]) -> Path:
    """The cache of a split at a size; made by one process while others wait for it."""
    coco = read_json(annotations)
    # The index goes by id: the same files under other ids need another cache.
    names = [(image["id"], image["file_name"]) for image in coco["images"]]
    recipe = [coco["info"].get("images_digest"), str(root), names, dict(resize), cv2.__version__]
    path = FOLDER / f"{hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:16]}.npy"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _whole(path):
            _write(path, coco["images"], root, resize)
    return path


def _write(path: Path, images: list[dict[str, Any]], root: Path, resize: dict[str, Any]) -> None:
    side = max(resize["scale"])
    size = _bytes(images, side)
    if size > shutil.disk_usage(FOLDER).free:
        raise InputError(
            f"{FOLDER}: an image cache of {size / 1e9:.1f} GB does not fit on the disk; "
            "set image_cache: false in the scale"
        )
    settings = dict(resize)
    settings.pop("type")
    load, scale = LoadImageFromFile(), Resize(**settings)

    def pixels_of(image: dict[str, Any]) -> np.ndarray:
        return scale(load({"img_path": str(root / image["file_name"])}))["img"]

    index, offset = {}, 0
    part = path.with_suffix(".part")
    with part.open("wb") as file, ThreadPoolExecutor(machine.cpus()) as pool:
        progress = tqdm(
            zip(images, _in_order(pool, pixels_of, images)),
            f"image cache, {side} px",
            len(images),
            unit="image",
            delay=2,
            leave=False,
        )
        for image, pixels in progress:
            height, width = pixels.shape[:2]
            index[image["id"]] = (offset, height, width)
            file.write(pixels.tobytes())
            offset += pixels.nbytes
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    # Its index is what makes a cache complete.
    with replacing(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(index), encoding="utf-8")


def _bytes(images: list[dict[str, Any]], side: int) -> int:
    """At most what the pixels of the images take, their longer side resized to `side`."""
    size = 0
    for image in images:
        shorter, longer = sorted((image["width"], image["height"]))
        size += 3 * side * max(1, round(side * shorter / longer))
    return size


def _whole(path: Path) -> bool:
    """Whether the pixels are all that the index names: either may have been cut short by whatever
    came."""
    try:
        index = json.loads(path.with_suffix(".json").read_bytes())
        ends = [offset + height * width * 3 for offset, height, width in index.values()]
        return path.stat().st_size == max(ends)
    except (OSError, ValueError):
        return False


def _in_order(pool: ThreadPoolExecutor, work: Any, items: list[Any]) -> Iterator[Any]:
    """As pool.map, but never more than _WINDOW results ahead of the one that is taken."""
    waiting = [pool.submit(work, item) for item in items[:_WINDOW]]
    for item in [*items[_WINDOW:], *[None] * len(waiting)]:
        yield waiting.pop(0).result()
        if item is not None:
            waiting.append(pool.submit(work, item))


@cache
def _opened(path: str) -> tuple[np.memmap, dict[str, list[int]]]:
    """Once per process, for all of its loaders."""
    return (
        np.memmap(path, dtype=np.uint8, mode="r"),
        json.loads(Path(path).with_suffix(".json").read_text(encoding="utf-8")),
    )


@TRANSFORMS.register_module()
class LoadCachedImage(BaseTransform):
    """In place of LoadImageFromFile: img is resized already, ori_shape is that of the image's
    file."""

    def __init__(self, cache: str) -> None:
        self.cache = cache

    def transform(self, results: dict) -> dict:
        pixels, index = _opened(self.cache)
        offset, height, width = index[str(results["img_id"])]
        image = np.array(pixels[offset : offset + height * width * 3])
        results["img"] = image.reshape(height, width, 3)
        results["ori_shape"] = results["img_shape"] = (results["height"], results["width"])
        return results


@TRANSFORMS.register_module()
class ResizeCached(Resize):
    """In place of Resize: boxes are scaled, the image is as it should be."""

    def _resize_img(self, results: dict) -> None:
        height, width = results["img"].shape[:2]
        old_height, old_width = results["ori_shape"]
        results["img_shape"] = (height, width)
        results["scale_factor"] = (width / old_width, height / old_height)
        results["keep_ratio"] = self.keep_ratio
