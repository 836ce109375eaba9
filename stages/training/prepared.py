"""What a training has to know of the prepared data, from the annotation files themselves.

The data report may change where the data does not, and must not retrain.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.files import read_json
from stages.study.metrics import MAX_DETECTIONS

# Images of a shorter side in pixels are not trained on: MMDetection's own limit.
MIN_SIDE = 32


def read(files: dict[str, Path]) -> dict[str, Any]:
    """source, classes, image_root, max_detections, learnt (the ids of the images that MMDetection
    trains on, in their order), files and digests (SHA-256) of train and val, and the digest of
    both.

    files: the annotation files of "train" and "val". Raises InputError where prepare has not run.
    """
    digests = {}
    for split, path in files.items():
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise InputError(
                f"{path}: no prepared data; run dvc repro prepare, or python -m stages.prepare"
            ) from None
        digests[split] = hashlib.sha256(content).hexdigest()
        coco = read_json(path)
        if split == "train":
            learnt = _learnt(coco)
    info = coco["info"]
    return {
        "files": files,
        "digests": digests,
        "digest": hashlib.sha256("".join(digests.values()).encode()).hexdigest(),
        "learnt": learnt,
        "max_detections": info.get("max_detections", MAX_DETECTIONS),
        "source": info["source"],
        "image_root": info["image_root"],
        "classes": [category["name"] for category in coco["categories"]],
    }


def _learnt(coco: dict[str, Any]) -> list[int]:
    """The ids of the images that CocoDataset keeps under a cell's filter_cfg: those with an
    annotation, and of MIN_SIDE."""
    labelled = {entry["image_id"] for entry in coco["annotations"]}
    learnt = []
    for image in coco["images"]:
        if image["id"] in labelled and min(image["width"], image["height"]) >= MIN_SIDE:
            learnt.append(image["id"])
    return learnt
