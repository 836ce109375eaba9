"""Small splits with detections, made by hand or at random, and what the analysis sees in them."""

from __future__ import annotations

import json

import numpy as np

from stages.analysis import tide

BOX = [10.0, 10.0, 40.0, 40.0]
# IoU with BOX: SHIFTED 1/3, TOUCHING 1/19, FAR and SECOND 0.
SHIFTED = [30.0, 10, 40, 40]
TOUCHING = [46.0, 10, 40, 40]
FAR = [300.0, 300, 40, 40]
SECOND = [10.0, 200, 40, 40]
# Entries of split(): one box of class 1, one of class 2.
A, B = (1, 1, BOX), (1, 2, SECOND)


def split(boxes, classes: int = 2, images: int = 2) -> dict:
    """boxes: (image, category, bbox) or with a fourth value 1 for a crowd; all numbers from 1."""
    return {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "width": 400, "height": 400}
            for i in range(1, images + 1)
        ],
        "categories": [{"id": k, "name": f"class {k}"} for k in range(1, classes + 1)],
        "annotations": [
            {
                "id": i,
                "image_id": box[0],
                "category_id": box[1],
                "bbox": list(box[2]),
                "area": box[2][2] * box[2][3],
                "iscrowd": box[3] if len(box) > 3 else 0,
            }
            for i, box in enumerate(boxes, 1)
        ],
    }


def detections(*rows) -> list[dict]:
    """rows: (image, category, bbox, score)"""
    return [dict(zip(("image_id", "category_id", "bbox", "score"), row)) for row in rows]


def inspected(tmp_path, coco: dict, results: list[dict]) -> tide.Inspection:
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(coco), encoding="utf-8")
    return tide.inspect(path, results)


def random_case(seed: int, ties: bool = True, crowds: bool = True) -> tuple[dict, list[dict]]:
    """A few images and classes with all that is awkward; class 4 never has a box."""
    rng = np.random.default_rng(seed)
    sizes = rng.choice([8, 32, 60, 96, 150], size=(30, 2))
    corners = rng.integers(0, 120, size=(30, 2))
    boxes = [
        (
            int(rng.integers(1, 5)),
            int(rng.integers(1, 4)),
            [*map(float, corner), *map(float, size)],
            int(crowds and rng.random() < 0.15),
        )
        for corner, size in zip(corners, sizes)
    ]
    coco = split(boxes[: rng.integers(1, 31)], classes=4, images=5)
    for box in coco["annotations"]:
        # COCO's area is the object's, not the box's.
        box["area"] *= float(rng.choice([1, 0.6]))
    results = []
    for _ in range(int(rng.integers(1, 120))):
        image, category, box, _ = boxes[rng.integers(len(boxes))]
        # Half a shift is an IoU of a third, no shift is a tie of overlaps.
        moved = [box[0] + box[2] * rng.choice([0, 0, 0.1, 0.25, 0.5]), box[1], *box[2:]]
        score = rng.choice([0.2, 0.5, 0.9]) if ties else rng.random()
        results.append(
            {
                "image_id": image,
                "category_id": category if rng.random() < 0.7 else int(rng.integers(1, 5)),
                "bbox": moved,
                "score": float(score),
            }
        )
    return coco, results
