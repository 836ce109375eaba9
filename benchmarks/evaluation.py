"""How fast a cell is evaluated, against pycocotools.

Run: python -m benchmarks.evaluation [FOLD=../shared/data/recycling_annotations/val_3.json] [ROUNDS=3]

On fold 3 of the study (981 images, 4,690 boxes) with 98,100 generated detections, 100 an image. The peer is
pycocotools' evaluate, accumulate and summarize alone; ours starts from the annotation file and a list of detections,
so that reading both is in our time and not in the peer's. A round times every contestant once, so that a drift of the
machine hits all. Asked for: one evaluation in 0.1 of the peer's time, everything together in 0.25.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from stages.analyse import describe
from stages.analysis import tide
from stages.scoring import engine, tables
from stages.study.params import ROOT

FOLD = ROOT.parent / "shared" / "data" / "recycling_annotations" / "val_3.json"
DETECTIONS = 100
LIMITS = {"one evaluation": 0.1, "everything": 0.25}


def main(fold: str = str(FOLD), rounds: str = "3") -> None:
    coco = renumbered(Path(fold))
    results = generated(coco, DETECTIONS, seed=0)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "truth.json"
        path.write_text(json.dumps(coco), encoding="utf-8")
        contestants: dict[str, Callable[[], Callable[[], object]]] = {
            "pycocotools": lambda: prepared(path, results),
            "one evaluation": lambda: lambda: one(path, results),
            "everything": lambda: lambda: json.dumps(describe(tide.inspect(path, results))),
        }
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(int(rounds)):
            for name, contestant in contestants.items():
                work = contestant()
                start = time.perf_counter()
                work()
                seconds[name].append(time.perf_counter() - start)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    print(
        f"{len(coco['images'])} images, {len(coco['annotations'])} boxes, {len(results)} detections, "
        f"{len(os.sched_getaffinity(0))} cores, median of {rounds} rounds"
    )
    for name, value in median.items():
        print(
            f"{name:15s} {value:7.3f} s  (rounds: {', '.join(f'{each:.3f}' for each in seconds[name])})"
        )
    for name, limit in LIMITS.items():
        ratio = median[name] / median["pycocotools"]
        print(
            f"{name}: {ratio:.3f} x pycocotools, asked for at most {limit}: {'yes' if ratio <= limit else 'NO'}"
        )


def prepared(path: Path, results: list[dict[str, Any]]) -> Callable[[], object]:
    """pycocotools with all read in; what remains is its evaluation."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        evaluation = COCOeval(truth, truth.loadRes([dict(entry) for entry in results]), "bbox")

    def work() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()

    return work


def one(path: Path, results: list[dict[str, Any]]) -> engine.Evaluated:
    """The twelve statistics and the precision of each class and size."""
    truth = tables.read_truth(path)
    return engine.evaluate(truth, tables.read_detections(results, truth))


def renumbered(path: Path) -> dict[str, Any]:
    """A COCO file with all ids from 1; the study's count from 0."""
    coco = json.loads(path.read_text(encoding="utf-8"))
    images = {image["id"]: number for number, image in enumerate(coco["images"], 1)}
    categories = {category["id"]: number for number, category in enumerate(coco["categories"], 1)}
    return {
        "images": [{**image, "id": images[image["id"]]} for image in coco["images"]],
        "categories": [
            {**category, "id": categories[category["id"]]} for category in coco["categories"]
        ],
        "annotations": [
            {
                **box,
                "id": number,
                "image_id": images[box["image_id"]],
                "category_id": categories[box["category_id"]],
            }
            for number, box in enumerate(coco["annotations"], 1)
        ],
    }


def generated(coco: dict[str, Any], per_image: int, seed: int) -> list[dict[str, Any]]:
    """COCO's results format, `per_image` for each image: some three of five are boxes of the image, shaken by a tenth
    of their size and a third of them with another class, with higher scores than the rest, which lie anywhere.

    Scores have four digits, so that some are equal.
    """
    rng = np.random.default_rng(seed)
    classes = [category["id"] for category in coco["categories"]]
    boxes: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in coco["images"]}
    for box in coco["annotations"]:
        boxes[box["image_id"]].append(box)
    results = []
    for image in coco["images"]:
        for _ in range(per_image):
            there = boxes[image["id"]]
            if there and rng.random() < 0.6:
                like = there[rng.integers(len(there))]
                size = np.array(like["bbox"][2:] * 2)
                box = np.array(like["bbox"]) + rng.normal(0, 0.1, 4) * size
                category = like["category_id"] if rng.random() < 0.67 else rng.choice(classes)
                score = rng.beta(4, 3)
            else:
                box = rng.uniform(
                    [0, 0, 10, 10], [image["width"] - 200, image["height"] - 200, 200, 200]
                )
                category, score = rng.choice(classes), rng.beta(1, 5)
            box[2:] = np.abs(box[2:]) + 1
            results.append(
                {
                    "image_id": image["id"],
                    "category_id": int(category),
                    "score": round(float(score), 4),
                    "bbox": np.round(box, 2).tolist(),
                }
            )
    return results


if __name__ == "__main__":
    main(*sys.argv[1:])
