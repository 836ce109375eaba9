"""A small split with images and cells that err in a known way, as the stages leave them, for tests of pictures."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from stages.analyse import describe
from stages.analysis import suspects, tide
from stages.report.page import pictures
from stages.report.pictures.gallery import Gallery, gallery
from stages.report.shown_cells import ShownCells, page_cells, shown_cells
from stages.results.cell import CellResult, ClassScore
from stages.results.files import CellFiles
from stages.study import paths
from stages.study.metrics import METRICS
from stages.study.params import Cell
from stages.verdict.choice import Choice
from stages.verdict.costs import Candidate
from stages.verdict.estimates import Estimate
from stages.verdict.judgement import Group, Judgement

A, B, C = "cell-a", "cell-b", "cell-c"
METRIC = "val/bbox_mAP_50"
CLASSES = ("Paper", "Glass", "Battery")
WIDTH, HEIGHT = 240, 180
# Every image holds two boxes of the first class and one of the second; the third has none.
BOXES = (([20, 20, 60, 40], 1), ([120, 30, 70, 50], 1), ([60, 110, 80, 50], 2))
Detect = Callable[[int, int], list[dict]]


def perfect(image: int, _: int = 0, score: float = 0.9) -> list[dict]:
    return [found(image, box, category, score) for box, category in BOXES]


def found(image: int, box: Sequence[float], category: int, score: float) -> dict:
    return {
        "image_id": image,
        "bbox": [float(value) for value in box],
        "category_id": category,
        "score": score,
    }


def misnamed(image: int, classes: int) -> list[dict]:
    """Every box found, the first of an image under the second class's name."""
    first, *rest = perfect(image)
    return [first | {"category_id": 2}, *rest]


def blind(image: int, classes: int) -> list[dict]:
    """The first box of an image is not found."""
    return perfect(image)[1:]


def shifted(image: int, classes: int) -> list[dict]:
    """The first box of an image is placed poorly, at an IoU of 1 in 3."""
    first, *rest = perfect(image)
    x, y, width, height = first["bbox"]
    return [first | {"bbox": [x + width / 2, y, width, height]}, *rest]


def dreaming(image: int, classes: int) -> list[dict]:
    """Something in a corner where nothing is, with a high score."""
    return [*perfect(image), found(image, [200, 140, 30, 30], 1, 0.95)]


def nothing(image: int, classes: int) -> list[dict]:
    return []


def write_data(
    root: Path,
    images: int = 4,
    classes: Sequence[str] = CLASSES,
    labelled: Sequence[str] = ("val", "test"),
    file_name: str = "{split}/{number:04}.jpg",
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> None:
    """data/prepared/{val,test}.json and their images."""
    scale = size[0] / WIDTH
    for split in ("val", "test"):
        names = [file_name.format(split=split, number=number) for number in range(1, images + 1)]
        boxes = [([value * scale for value in box], category) for box, category in BOXES] * (
            split in labelled
        )
        annotations = [
            {
                "id": 0,
                "image_id": image,
                "category_id": category,
                "bbox": box,
                "iscrowd": 0,
                "area": box[2] * box[3],
            }
            for image in range(1, images + 1)
            for box, category in boxes
        ]
        coco = {
            "info": {"image_root": "images"},
            "images": [
                {"id": number, "file_name": name, "width": size[0], "height": size[1]}
                for number, name in enumerate(names, 1)
            ],
            "categories": [{"id": number, "name": name} for number, name in enumerate(classes, 1)],
            "annotations": [entry | {"id": number} for number, entry in enumerate(annotations, 1)],
        }
        path = root / "data/prepared" / f"{split}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(coco), encoding="utf-8")
        for number, name in enumerate(names):
            picture = root / "images" / name
            picture.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(number).integers(
                0, 255, (size[1], size[0], 3), dtype=np.uint8
            )
            Image.fromarray(noise).save(picture)


def write_cell(root: Path, name: str, detect: Detect, index: int = 0) -> CellResult:
    """Predictions and details.json of a cell that detects `detect(image id, classes)` in every image."""
    row = {
        "detector": "faster_rcnn",
        "backbone": ("r50", "swin_l", "x101")[index % 3],
        "neck": "fpn",
        "optimizer": "sgd",
        "image_size": 512,
    }
    details = {}
    for split in ("val", "test"):
        path = root / "data/prepared" / f"{split}.json"
        coco = json.loads(path.read_text(encoding="utf-8"))
        results = [
            one for image in coco["images"] for one in detect(image["id"], len(coco["categories"]))
        ]
        predictions = predictions_path(root, name, row, split)
        predictions.parent.mkdir(parents=True, exist_ok=True)
        predictions.write_text(json.dumps(results), encoding="utf-8")
        details[split] = describe(tide.inspect(path, results))
    write_details(root, name, row, details)
    return CellResult(
        name=name,
        row=row,
        train_loss=1.0,
        train_minutes=1.0,
        parameters=1000 + index,
        history={},
        epoch_steps=1,
        lost_steps=0,
        run={"run_id": f"run{index}"},
        files=CellFiles(name, Cell(**row), root),
        scores={
            split: {metric: known["metrics"][metric] for metric in METRICS}
            for split, known in details.items()
        },
        per_class={
            split: tuple(
                ClassScore(entry["class"], entry["boxes"], entry["AP"], entry["AP50"])
                for entry in known["per_class"]
            )
            for split, known in details.items()
        },
    )


def write_cells(root: Path, detect: Mapping[str, Detect]) -> list[CellResult]:
    cells = []
    for index, (name, how) in enumerate(detect.items()):
        cells.append(write_cell(root, name, how, index))
    return cells


def details_path(root: Path, name: str, row: Mapping[str, object]) -> Path:
    return root / paths.details(name, Cell(**row))


def predictions_path(root: Path, name: str, row: Mapping[str, object], split: str) -> Path:
    return root / paths.predictions(name, Cell(**row), split)


def write_details(root: Path, name: str, row: Mapping[str, object], details: dict) -> None:
    path = details_path(root, name, row)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(details), encoding="utf-8")


def estimate(value: float, boxes: int, spread: float = 0.1) -> Estimate:
    return Estimate(
        value,
        max(0.0, value - spread),
        min(1.0, value + spread),
        spread / 2,
        0.0,
        spread**2 / 4,
        0.0,
        9.0,
        boxes,
        10,
        1,
        (1,),
        boxes < 100,
    )


def judgement(
    root: Path, cells: Sequence[CellResult], chosen: str | None = None, **changes: object
) -> Judgement:
    """What compare would conclude: the best cell by val mAP50, and `chosen`, or the best one, as the choice."""
    details = {
        cell.name: json.loads(details_path(root, cell.name, cell.row).read_text("utf-8"))
        for cell in cells
    }
    scores = {cell.name: cell.scores["val"]["bbox_mAP_50"] for cell in cells}
    known = [name for name, score in scores.items() if score is not None]
    best = max(known, key=scores.__getitem__) if known else None
    groups = {
        name: {split: tuple(_groups(known)) for split, known in splits.items()}
        for name, splits in details.items()
    }
    estimates = {
        cell.name: {
            f"{split}/{metric}": None
            if value is None
            else estimate(value, details[cell.name][split]["boxes"])
            for split, values in cell.scores.items()
            for metric, value in values.items()
        }
        for cell in cells
    }
    found = {
        split: suspects.combine(
            {name: splits[split]["suspects"] for name, splits in details.items()}
        )
        for split in ("val", "test")
    }
    whole = Judgement(
        METRIC,
        {name: (name,) for name in details},
        {},
        estimates,
        groups,
        {},
        {},
        (),
        None,
        Choice("latency_ms", best=best, chosen=chosen or best),
        found,
        True,
        "",
        candidates={name: Candidate(name, None) for name in details},
    )
    return dataclasses.replace(whole, **changes)


def _groups(known: dict) -> list[Group]:
    entries = [("class", entry["class"], entry) for entry in known["per_class"]]
    entries += [("size", size, entry) for size, entry in known["sizes"].items() if size != "all"]
    return [
        Group(
            kind,
            name,
            entry["boxes"],
            *(
                None if entry[metric] is None else estimate(entry[metric], entry["boxes"])
                for metric in ("AP", "AP50")
            ),
        )
        for kind, name, entry in entries
    ]


def study(
    root: Path, detect: dict[str, Detect], chosen: str | None = None, images: int = 4, **data
) -> tuple[ShownCells, Judgement]:
    write_data(root, images, **data)
    cells = write_cells(root, detect)
    judged = judgement(root, cells, chosen)
    return shown_cells(page_cells(cells, judged), judged), judged


def pictured(root: Path, cells: Sequence[CellResult], chosen: str | None = None) -> dict:
    """What the templates show of the pictures."""
    judged = judgement(root, cells, chosen)
    return pictures(page_cells(cells, judged), judged, root)


def shown(
    root: Path, detect: Mapping[str, Detect], chosen: str | None = None, **changes
) -> Gallery:
    cells = write_cells(root, detect)
    judged = judgement(root, cells, chosen, **changes)
    return gallery(shown_cells(page_cells(cells, judged), judged), judged, root)


def kinds(shot) -> list[str]:
    return sorted(shape.kind for shape in shot.shapes)


def enlarged(results: list[dict]) -> list[dict]:
    """Detections for images of 1200 x 900 pixels."""
    return [one | {"bbox": [5 * value for value in one["bbox"]]} for one in results]
