"""Matches give pycocotools' statistics: random sets, edge cases and the study's own boxes."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from stages.scoring.tables import read_detections, read_truth
from stages.verdict.matches import Matches, match
from stages.verdict.replicates import STUDY, evaluate

CLASSES = 4


def random_set(seed: int, images: int = 12, tied_within: bool = True) -> tuple[dict, list[dict]]:
    """A COCO file and results with crowds, equal scores, equal overlaps, all sizes, a class without boxes and one
    without anything, images without boxes, and one with 130 detections of one class."""
    rng = np.random.default_rng(seed)
    boxes, found = [], []

    def place() -> list[float]:
        # A coarse grid, so that some boxes overlap another one equally.
        side = rng.choice([8, 24, 32, 40, 96, 120, 200], 2)
        return [*map(float, rng.integers(0, 10, 2) * 8), *map(float, side)]

    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 7)):
            box = place()
            boxes.append(
                {
                    "image_id": image,
                    "category_id": int(rng.integers(1, CLASSES - 1)),
                    "bbox": box,
                    "area": box[2] * box[3] * float(rng.choice([1, 0.9])),
                    "iscrowd": int(rng.random() < 0.15),
                }
            )
        there = [box for box in boxes if box["image_id"] == image]
        # 1.0 to 0.0 in steps; equal within an image or only between images.
        steps = rng.integers(0, 20, 300) / 20 if tied_within else rng.permutation(300) / 300
        for number in range(130 if image == 2 else rng.integers(0, 25)):
            like = there[rng.integers(len(there))] if there and rng.random() < 0.8 else None
            box = (
                (np.array(like["bbox"]) + rng.choice([-4, 0, 0, 4], 4)).tolist()
                if like
                else place()
            )
            category = (
                1
                if image == 2
                else like["category_id"]
                if like and rng.random() < 0.8
                else rng.integers(1, CLASSES)
            )
            found.append(
                {
                    "image_id": image,
                    "category_id": int(category),
                    "bbox": box,
                    "score": float(steps[number]),
                }
            )
    rng.shuffle(found)
    return {
        "images": [
            {"id": image, "file_name": f"{image}.jpg", "width": 300, "height": 300}
            for image in range(1, images + 1)
        ],
        "annotations": [{"id": number, **box} for number, box in enumerate(boxes, 1)],
        "categories": [
            {"id": number, "name": f"class {number}"} for number in range(1, CLASSES + 1)
        ],
    }, found


def oracle(coco: dict[str, Any], found: list[dict]) -> tuple[list[float], np.ndarray]:
    """pycocotools' six average precisions, and AP, AP50 and AP75 of each class and size (K, 4, 3); NaN for its -1."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(coco))
        truth.createIndex()
        results = truth.loadRes([dict(one) for one in found])
        evaluation = COCOeval(truth, results, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][..., -1]
    levels = [precision[rows].mean(axis=(0, 1)) for rows in (slice(None), slice(0, 1), slice(5, 6))]
    both = np.stack(levels, axis=-1)
    return [np.nan if value < 0 else value for value in evaluation.stats[:6]], np.where(
        both < 0, np.nan, both
    )


def matched(coco: dict[str, Any], found: list[dict], folder: Any) -> Matches:
    path = folder / "truth.json"
    path.write_text(json.dumps(coco), encoding="utf-8")
    truth = read_truth(path)
    return match(truth, read_detections(found, truth))


def plain(matches: Matches) -> tuple[list[float], np.ndarray]:
    """The statistics of the split itself."""
    result = evaluate(matches, np.zeros((0, matches.boxes.shape[2]), dtype=np.int32), workers=1)
    return [result.of(statistic)[0] for statistic in STUDY.values()], result.ap[0]


def same(ours: tuple[list[float], np.ndarray], theirs: tuple[list[float], np.ndarray]) -> None:
    for mine, expected in zip(ours, theirs):
        np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("seed", range(40))
def test_random_sets_equal_pycocotools(seed, tmp_path):
    coco, found = random_set(seed)
    same(plain(matched(coco, found, tmp_path)), oracle(coco, found))


def test_random_sets_hold_what_they_claim():
    sets = [random_set(seed) for seed in range(10)]
    for coco, found in sets:
        assert any(box["iscrowd"] for box in coco["annotations"])
        assert {box["category_id"] for box in coco["annotations"]} == {1, 2}
        assert sum(one["image_id"] == 2 and one["category_id"] == 1 for one in found) == 130
        assert len({one["score"] for one in found}) < len(found) / 5
    assert any(one["category_id"] == 3 for _, found in sets for one in found)


def cut(coco: dict, keep) -> dict:
    return {**coco, "annotations": [box for box in coco["annotations"] if keep(box)]}


def test_no_detection_is_0_where_there_is_a_box(tmp_path):
    coco, _ = random_set(1)
    metrics, ap = plain(matched(coco, [], tmp_path))
    assert metrics == [0] * 6
    assert (ap[:2, 0] == 0).all() and np.isnan(ap[2:]).all()


def test_no_box_is_nothing_to_measure_and_not_0(tmp_path):
    coco, found = random_set(2)
    empty = cut(coco, lambda box: False)
    metrics, ap = plain(matched(empty, found, tmp_path))
    assert np.isnan(metrics).all() and np.isnan(ap).all()
    same((metrics, ap), oracle(empty, found))


def test_no_class_no_image(tmp_path):
    metrics, ap = plain(matched({"images": [], "annotations": [], "categories": []}, [], tmp_path))
    assert np.isnan(metrics).all() and ap.shape == (0, 4, 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda coco: {
            **cut(coco, lambda box: box["category_id"] == 1),
            "categories": coco["categories"][:1],
        },
        lambda coco: cut(coco, lambda box: box["category_id"] == 2),
        lambda coco: cut(coco, lambda box: box["iscrowd"]),
        lambda coco: cut(coco, lambda box: box["area"] <= 32**2),
        lambda coco: {
            **coco,
            "images": coco["images"][::-1],
            "categories": coco["categories"][::-1],
        },
        lambda coco: {**coco, "annotations": coco["annotations"][::-1]},
    ],
    ids=[
        "one class",
        "a class without boxes",
        "only crowds",
        "only small boxes",
        "unsorted ids",
        "unsorted boxes",
    ],
)
def test_edge_cases_equal_pycocotools(change, tmp_path):
    for seed in range(5):
        coco, found = random_set(100 + seed)
        coco = change(coco)
        known = {category["id"] for category in coco["categories"]}
        found = [one for one in found if one["category_id"] in known]
        same(plain(matched(coco, found, tmp_path)), oracle(coco, found))


def test_only_the_best_hundred_of_an_image_and_class_count(tmp_path):
    box = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 50]}
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 300, "height": 300}],
        "annotations": [{"id": 1, **box, "area": 2500, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "can"}],
    }
    wrong = [{**box, "bbox": [200, 200, 50, 50], "score": 0.5} for _ in range(99)]
    # Equal scores keep the order in which they come.
    assert plain(matched(coco, [*wrong, {**box, "score": 0.5}], tmp_path))[0][0] == pytest.approx(
        0.01
    )
    assert plain(matched(coco, [*wrong, wrong[0], {**box, "score": 0.5}], tmp_path))[0][0] == 0
    assert plain(matched(coco, [{**box, "score": 0.5}, *wrong], tmp_path))[0][0] == pytest.approx(1)


def test_fold_of_the_study_equals_pycocotools(shared, tmp_path):
    from benchmarks.evaluation import generated, renumbered

    coco = renumbered(shared / "data" / "recycling_annotations" / "val_3.json")
    found = generated(coco, 30, seed=1)
    matches = matched(coco, found, tmp_path)
    assert matches.boxes[:, 0].sum() == 4690
    same(plain(matches), oracle(coco, found))
