"""Matches give pycocotools' statistics: random sets, edge cases and the study's own boxes."""

from __future__ import annotations

import numpy as np
import pytest
from random_sets import cut, matched, oracle, random_set, same

from stages.verdict.matches import Matches
from stages.verdict.replicates import STUDY_STATISTICS, evaluate_replicates


def plain(matches: Matches) -> tuple[list[float], np.ndarray]:
    """The statistics of the split itself."""
    result = evaluate_replicates(
        matches, np.zeros((0, matches.boxes.shape[2]), dtype=np.int32), workers=1
    )
    return [result.of(statistic)[0] for statistic in STUDY_STATISTICS.values()], result.ap[0]


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
