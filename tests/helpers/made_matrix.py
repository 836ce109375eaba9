"""A finished matrix made in a second: generated boxes and detections, and all files that the stages leave of a cell."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

from stages.analyse import describe
from stages.analysis import tide
from stages.results.cell import CellResult, Costs, load_cell
from stages.results.files import CellFiles
from stages.study import params, paths
from stages.study.metrics import METRICS
from stages.study.params import Cell, Hypothesis, Study, Verdicts
from stages.study.schema import FACTORS

CLASSES = ("Paper", "Metal", "Battery")
IMAGES, BOXES_EACH = 60, 4
R50, R101, X101 = (f"faster_rcnn-{backbone}-fpn-sgd-512" for backbone in ("r50", "r101", "x101"))


def row(backbone: str, **changes) -> Cell:
    return Cell(
        **{
            "detector": "faster_rcnn",
            "backbone": backbone,
            "neck": "fpn",
            "optimizer": "sgd",
            "image_size": 512,
            **changes,
        }
    )


def study_of(
    cells: dict[str, Cell], hypotheses: list[Hypothesis] | None = None, **verdicts
) -> Study:
    """The study of params.yaml with these rows and 200 replicates."""
    return dataclasses.replace(
        params.load_study(),
        cells=cells,
        hypotheses=hypotheses or [],
        verdicts=Verdicts(**{"replicates": 200, **verdicts}),
    )


def write_truth(
    root: Path, split: str, labelled: bool = True, each: int = BOXES_EACH, fold: int | None = None
) -> None:
    """The annotation file of a split: boxes of 24 to 150 pixels, few of them small; "Battery" has none."""
    rng = np.random.default_rng({"train": 1, "val": 2, "test": 3}[split] + 10 * (fold or 0))
    boxes = []
    for image in range(1, IMAGES + 1):
        # Its own quarter of the image for each box, so that none hides another.
        for number in range(each):
            width, height = rng.integers(24, 150, 2).tolist()
            boxes.append(
                {
                    "id": len(boxes) + 1,
                    "image_id": image,
                    "category_id": int(rng.integers(1, 3)),
                    "iscrowd": 0,
                    "bbox": [200 * (number % 2) + 10, 200 * (number // 2) + 10, width, height],
                    "area": width * height,
                }
            )
    path = root / paths.annotations(split, fold)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(
            {
                "info": {"source": "made", "image_root": "images"},
                "annotations": boxes if labelled else [],
                "images": [
                    {"id": image, "file_name": f"{split}{image}.jpg", "width": 400, "height": 400}
                    for image in range(1, IMAGES + 1)
                ],
                "categories": [
                    {"id": number, "name": name} for number, name in enumerate(CLASSES, 1)
                ],
            }
        )
    )


def detections(
    root: Path, split: str, quality: float, seed: int, fold: int | None = None
) -> list[dict]:
    """COCO results: this share of the boxes is found, the rest is missed, and every third image has a false one."""
    rng = np.random.default_rng(seed)
    coco = json.loads((root / paths.annotations(split, fold)).read_text())
    if not coco["annotations"]:
        return [{"image_id": 1, "category_id": 1, "bbox": [1.0, 2, 30, 40], "score": 0.5}]
    found = [
        {
            "image_id": box["image_id"],
            "category_id": box["category_id"],
            "score": float(rng.uniform(0.3, 1)),
            "bbox": [
                value + float(change) for value, change in zip(box["bbox"], rng.integers(-4, 5, 4))
            ],
        }
        for box in coco["annotations"]
        if rng.random() < quality
    ]
    return found + [
        {
            "image_id": image,
            "category_id": int(rng.integers(1, 4)),
            "bbox": [150.0, 150, 60, 60],
            "score": float(rng.uniform(0.1, 0.9)),
        }
        for image in range(1, IMAGES + 1, 3)
    ]


def write_cell(
    root: Path,
    name: str,
    cell: Cell,
    quality: float | tuple[float, float] = 0.7,
    seed: int = 0,
    found: dict[str, list[dict]] | None = None,
    run: dict | None = None,
    **costs,
) -> None:
    """Every file of a trained and evaluated cell. quality: of val and of test; found: detections of a split instead;
    run: keys of run.json; costs: of costs.json."""
    results, details = {}, {}
    for split, share in zip(
        ("val", "test"), quality if isinstance(quality, tuple) else (quality, quality)
    ):
        results[split] = (found or {}).get(split) or detections(root, split, share, seed, cell.fold)
        details[split] = describe(
            tide.inspect(root / paths.annotations(split, cell.fold), results[split])
        )
        write(root / paths.predictions(name, cell, split), results[split])
    record = {
        "cell": name,
        "run_id": f"run-of-{name}",
        "training_id": f"training-of-{name}",
        **{key: getattr(cell, key) for key in FACTORS},
        "batch_size": 4,
        "epochs": 3,
        "lr_per_sample": 0.003125,
        "weights": "none",
        "data_digest": "d1",
        "git_commit": "c1",
        "code_digest": "c2",
        "train_loss": 1.0,
        "train_minutes": 2.0,
        "scale": "miniature",
        "parameters": 1_000_000,
        **(run or {}),
    }
    record.update(seed=cell.seed or 0, fold=cell.fold or 0)
    write(root / paths.record(name, cell) / "run.json", record)
    write(
        root / paths.metrics(name, cell),
        {
            **{
                split: {metric: known["metrics"][metric] for metric in METRICS}
                for split, known in details.items()
            },
            "train": {"loss": record["train_loss"], "minutes": record["train_minutes"]},
            "model": {"parameters": record["parameters"]},
        },
    )
    write(root / paths.details(name, cell), details)
    digests = {
        split: hashlib.sha256((root / paths.annotations(split, cell.fold)).read_bytes()).hexdigest()
        for split in details
    }
    write(
        root / paths.predicted(name, cell),
        {"cell": name, "training_id": record["training_id"], "annotations": digests},
    )
    write_costs(root, name, record["training_id"], **costs)
    write(
        root / paths.per_class(name, cell),
        {
            "cell": name,
            "run_id": record["run_id"],
            "training_id": record["training_id"],
            "annotations": digests,
            "per_class": {split: known["per_class"] for split, known in details.items()},
        },
    )
    with (root / paths.record(name, cell) / "history.csv").open(
        "w", newline="", encoding="utf-8"
    ) as file:
        csv.writer(file).writerows(
            [["step", "epoch", "lr", "train/loss"], [1, 1, 0.01, record["train_loss"]]]
        )


def write_costs(
    root: Path,
    name: str,
    training_id: str | None,
    spread: float = 0.02,
    others: float | None = 0.0,
    device: str = "cpu",
    **costs,
) -> None:
    """Adds a cell to costs.json. spread: of each quantity to both sides, as a share of it."""
    path = root / paths.COSTS
    content = {
        "definition": "made",
        "machine": "here",
        "threads": 1,
        "rounds": 6,
        "others": others,
        "cells": {},
    }
    if path.is_file():
        content = json.loads(path.read_text())
    values = {
        "latency_ms": 20.0,
        "images_per_second": 50.0,
        "peak_memory_mib": 300.0,
        "size_mib": 10.0,
        **costs,
    }
    ends = {
        key: [values[key] * (1 - spread), values[key] * (1 + spread)]
        for key in ("latency_ms", "images_per_second", "peak_memory_mib")
        if values[key] is not None
    }
    content["device"] = device
    content["cells"][name] = {
        "training_id": training_id,
        "costs": values,
        "spread": ends,
        "others": others,
    }
    write(path, content)


def matrix(
    root: Path,
    cells: dict[str, Cell],
    qualities: dict[str, float],
    labelled_test: bool = True,
    **common,
) -> list[CellResult]:
    """val and test, and a cell for each row, loaded again."""
    write_truth(root, "val")
    write_truth(root, "test", labelled_test)
    for number, (name, cell) in enumerate(cells.items()):
        write_cell(root, name, cell, qualities[name], seed=number, **common)
    return load(root, cells)


def load(root: Path, cells: dict[str, Cell]) -> list[CellResult]:
    costs = Costs(root)
    return [load_cell(CellFiles(name, cell, root), costs) for name, cell in cells.items()]


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
