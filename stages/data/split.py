"""Divides one annotated set into train, val and test without cutting a group."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from stages.program import InputError


def hold_out(coco: dict[str, Any], share: float, seed: int) -> tuple[set[int], set[int]]:
    """Image ids (kept, held out); about `share` of the images is held out.

    Stratified by the rarest class on each image, grouped by images[].group where the set has such a column. The
    held-out part is one fold of round(1 / share), so the true share is the nearest 1/n. Raises InputError where there
    are fewer groups than folds.
    """
    frequency: dict[int, int] = {}
    on_image: dict[int, set[int]] = {}
    for entry in coco["annotations"]:
        frequency[entry["category_id"]] = frequency.get(entry["category_id"], 0) + 1
        on_image.setdefault(entry["image_id"], set()).add(entry["category_id"])
    ids = np.array([image["id"] for image in coco["images"]])
    rarest = np.array([min(on_image.get(i, {0}), key=lambda c: (frequency.get(c, 0), c)) for i in ids.tolist()])
    # Text keeps a group named 3 and an ungrouped image with id 3 apart.
    groups = np.array([f"group {image['group']}" if "group" in image else f"image {image['id']}"
                       for image in coco["images"]])
    folds = max(2, round(1 / share))
    if len(set(groups)) < folds:
        raise InputError(f"data: {len(set(groups))} images or groups cannot be split into {folds} parts; "
                         "add images or raise data.val_share and data.test_share")
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # It warns where a class has fewer images than folds; the data report counts every class in every split.
        warnings.simplefilter("ignore", UserWarning)
        kept, held = next(splitter.split(ids, rarest, groups))
    return set(ids[kept].tolist()), set(ids[held].tolist())
