"""How long prepare takes for annotations of COCO's own size without opening images, and how much memory.

Run: python -m benchmarks.data_annotations [IMAGES=118000] [BOXES=860000] [ROUNDS=3]

The peer is what everybody does first: json.load and pycocotools' index of the same file.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data_pixels import data

CLASSES = 80
SEED = 0
# Of the time of pycocotools' load in the same run, and of memory for COCO's size.
MOST_TIMES, MOST_MEGABYTES = 2.5, 800


def main(images: int = 118_000, boxes: int = 860_000, rounds: int = 3) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "annotations.json"
        print(f"writing {images} images with {boxes} boxes", file=sys.stderr)
        # In a process of its own: a child's peak is counted from what its parent holds.
        alone(write, (path, images, boxes))
        contestants = {"pycocotools loads": (load, path), "prepare": (run, folder)}
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, (work, argument) in contestants.items():
                measured[name].append(alone(work, argument))
        megabytes = path.stat().st_size / 1e6
    print(
        f"{images} images, {boxes} boxes, a file of {megabytes:.0f} MB, median of {rounds} rounds"
    )
    seconds, peaks = {}, {}
    for name, values in measured.items():
        seconds[name] = statistics.median(value for value, _ in values)
        peaks[name] = max(peak for _, peak in values)
        print(
            f"{name:18s} {seconds[name]:7.1f} s  {peaks[name]:6.0f} MB at most  "
            f"(rounds: {', '.join(f'{value:.1f}' for value, _ in values)})"
        )
    ratio = seconds["prepare"] / seconds["pycocotools loads"]
    print(
        f"prepare takes {ratio:.2f} x as long as: pycocotools loads (at most {MOST_TIMES} x is promised)"
    )
    print(
        f"prepare takes {peaks['prepare']:.0f} MB (at most {MOST_MEGABYTES} MB is promised for COCO's size)"
    )


def content(images: int, boxes: int) -> dict:
    """COCO's shape: classes with a long tail, most boxes small, pictures of 640 x 480 or so."""
    rng = np.random.default_rng(SEED)
    size = rng.integers(400, 641, (images, 2))
    image = np.sort(rng.integers(images, size=boxes))
    share = 1 / np.arange(1, CLASSES + 1)
    label = rng.choice(CLASSES, boxes, p=share / share.sum())
    extent = np.maximum(rng.beta(1, 4, (boxes, 2)) * size[image], 2)
    corner = rng.random((boxes, 2)) * (size[image] - extent)
    table = np.round(np.concatenate([corner, extent], axis=1), 2).tolist()
    return {
        "images": [
            {
                "id": index,
                "file_name": f"{index:012d}.jpg",
                "width": width,
                "height": height,
                "license": 1,
                "date_captured": "2013-11-14 17:02:52",
            }
            for index, (width, height) in enumerate(size.tolist(), 1)
        ],
        "annotations": [
            {
                "id": index,
                "image_id": int(row) + 1,
                "category_id": int(kind) + 1,
                "bbox": box,
                "area": round(box[2] * box[3], 4),
                "iscrowd": 0,
            }
            for index, (row, kind, box) in enumerate(zip(image, label, table), 1)
        ],
        "categories": [{"id": index, "name": f"class {index}"} for index in range(1, CLASSES + 1)],
    }


def write(arguments: tuple[Path, int, int]) -> None:
    path, images, boxes = arguments
    path.write_text(json.dumps(content(images, boxes)), encoding="utf-8")


def load(path: Path) -> None:
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        COCO(str(path))


def run(folder: Path) -> None:
    from stages.prepare import prepare

    prepare(data(folder, "none"), SEED, folder / "prepared")


def alone(work: Callable[[Any], None], argument: Any) -> tuple[float, float]:
    """Seconds and peak MB of `work` in a process of its own, its imports included."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measured, args=(work, argument, theirs))
    process.start()
    theirs.close()
    found = ours.recv()
    process.join()
    return found


def _measured(work: Callable[[Any], None], argument: Any, pipe) -> None:
    start = time.perf_counter()
    work(argument)
    pipe.send(
        (
            time.perf_counter() - start,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        )
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
