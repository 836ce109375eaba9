"""How fast prepare checks, hashes and splits images, against what the cores can decode and read.

Run: python -m benchmarks.data_pixels [IMAGES=5000] [ROUNDS=3]

Images are demo scenes of 1024 x 1024 pixels, rendered into a temporary folder. Peers, on the same files and with as
many processes: OpenCV's full decoding (what a training does with them) against data.pixels = decode, and reading the
bytes against data.pixels = header. A round times every contestant once, so that a drift of the machine hits all.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2

from stages.data.demo.render import render_demo
from stages.prepare import prepare
from stages.study.params import Data, Source

IMAGE_SIZE = 1024
SEED = 0


def main(images: int = 5000, rounds: int = 3) -> None:
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"rendering {images} images of {IMAGE_SIZE} x {IMAGE_SIZE}", file=sys.stderr)
        content = render_demo(folder, images, IMAGE_SIZE, SEED)
        (folder / "annotations.json").write_text(json.dumps(content), encoding="utf-8")
        files = [str(folder / entry["file_name"]) for entry in content["images"]]
        contestants = {
            "OpenCV decodes": lambda: everywhere(decode, files),
            "prepare, decode": lambda: prepare(data(folder, "decode"), SEED, folder / "prepared"),
            "bytes are read": lambda: everywhere(read, files),
            "prepare, header": lambda: prepare(data(folder, "header"), SEED, folder / "prepared"),
        }
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, contestant in contestants.items():
                seconds[name].append(timed(contestant))
    median = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{images} images, {len(os.sched_getaffinity(0))} cores, median of {rounds} rounds")
    for name, value in median.items():
        print(
            f"{name:18s} {value:8.2f} s  {images / value:8.0f} images/s  "
            f"(rounds: {', '.join(f'{one:.2f}' for one in seconds[name])})"
        )
    for ours, peer in (
        ("prepare, decode", "OpenCV decodes"),
        ("prepare, header", "bytes are read"),
    ):
        print(f"{ours} at {median[peer] / median[ours]:.2f} x the speed of: {peer}")


def data(folder: Path, pixels: str) -> Data:
    none = Source("")
    return Data(
        source="coco",
        root=str(folder),
        train=Source("annotations.json"),
        val=none,
        test=none,
        val_share=0.15,
        test_share=0.15,
        pixels=pixels,
    )


def everywhere(work: Callable[[str], int], files: list[str]) -> int:
    """The peer: nothing but `work`, on all cores."""
    with ProcessPoolExecutor(
        len(os.sched_getaffinity(0)), multiprocessing.get_context("fork")
    ) as pool:
        return sum(pool.map(work, files, chunksize=32))


def decode(file: str) -> int:
    return cv2.imread(file, cv2.IMREAD_COLOR).shape[0]


def read(file: str) -> int:
    return len(Path(file).read_bytes())


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
