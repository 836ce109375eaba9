"""Boxes whose class a cell contradicts, and those that every good cell contradicts: labels to look at again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.scoring.engine import Evaluated
from stages.scoring.tables import Detections, Pairs, Truth


def suspects(truth: Truth, detections: Detections, pairs: Pairs, evaluated: Evaluated, score: float,
             iou: float = 0.5) -> list[dict[str, Any]]:
    """[{box_id, image_id, file_name, class, bbox, detected, score, iou}], plain, by falling score.

    A box is contradicted where a detection of another class with at least `score` covers it with at least `iou` and
    finds no box of its own class, and no detection of the box's class with at least `score` covers it. `detected` is
    the class with the highest such score. Lower scores of the box's own class do not clear it: nearly every box has
    one. Crowds have no class to doubt.
    """
    strong = (evaluated.counted & (detections.score >= score))[pairs.detection]
    close = np.flatnonzero(strong & (pairs.iou >= iou) & ~truth.crowd[pairs.box])
    detection, box = pairs.detection[close], pairs.box[close]
    same = detections.category[detection] == truth.category[box]
    confirmed = np.zeros(len(truth.ids), dtype=bool)
    confirmed[box[same]] = True
    against = np.flatnonzero(~same & ~confirmed[box] & (evaluated.box[detection] < 0))
    overlap = pairs.iou[close]
    # The highest score first, of equals the closest.
    order = against[np.lexsort((box[against], -overlap[against], -detections.score[detection[against]]))]
    _, first = np.unique(box[order], return_index=True)
    return [{"box_id": int(truth.ids[box[at]]), "image_id": int(truth.image_ids[truth.image[box[at]]]),
             "file_name": truth.files[truth.image[box[at]]], "class": truth.classes[truth.category[box[at]]],
             "bbox": truth.boxes[box[at]].tolist(), "detected": truth.classes[detections.category[detection[at]]],
             "score": float(detections.score[detection[at]]), "iou": float(overlap[at])}
            for at in order[np.sort(first)]]


def combine(cells: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Boxes that every one of the cells contradicts. cells: suspects() of each good cell by its name, of one split.

    [{box_id, image_id, file_name, class, bbox, detected, agree, score, cells: {cell: class}}], plain: detected is the
    class that most cells see (the first of equals by name of the cell), agree how many see it, score the lowest of
    their highest scores. First those on which most agree, then by score. Empty with fewer than two cells: one alone
    may as well be wrong itself.
    """
    if len(cells) < 2:
        return []
    tables = {name: {entry["box_id"]: entry for entry in entries} for name, entries in sorted(cells.items())}
    shared = set.intersection(*(set(table) for table in tables.values()))
    result = []
    for box in shared:
        entries = {name: table[box] for name, table in tables.items()}
        detected, agree = Counter(entry["detected"] for entry in entries.values()).most_common(1)[0]
        first = next(iter(entries.values()))
        result.append({**{key: first[key] for key in ("box_id", "image_id", "file_name", "class", "bbox")},
                       "detected": detected, "agree": agree, "score": min(entry["score"] for entry in entries.values()),
                       "cells": {name: entry["detected"] for name, entry in entries.items()}})
    return sorted(result, key=lambda entry: (-entry["agree"], -entry["score"], entry["box_id"]))
