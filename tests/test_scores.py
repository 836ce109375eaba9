"""The scores are pycocotools' own, and absent things are None rather than 0 or -1."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pycocotools.cocoeval import COCOeval

from stages.evaluation import scores


@pytest.fixture
def truth(tmp_path):
    boxes = [(1, 1, [10, 10, 200, 100]), (1, 2, [50, 60, 50, 50]), (2, 1, [5, 5, 100, 120]), (3, 2, [0, 0, 60, 70])]
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 300, "height": 300} for i in (1, 2, 3)],
        "annotations": [{"id": i, "image_id": image, "category_id": category, "bbox": box, "area": box[2] * box[3],
                         "iscrowd": 0} for i, (image, category, box) in enumerate(boxes, 1)],
        "categories": [{"id": 1, "name": "can"}, {"id": 2, "name": "bag"}, {"id": 3, "name": "none of these"}]}
    (tmp_path / "truth.json").write_text(json.dumps(content))
    return scores.load(tmp_path / "truth.json")


def guesses(truth, seed: int) -> list[dict]:
    rng = np.random.default_rng(seed)
    return [{"image_id": entry["image_id"], "category_id": int(rng.choice([entry["category_id"], 1])),
             "bbox": (np.array(entry["bbox"]) + rng.normal(0, 8, 4)).tolist(), "score": float(rng.random())}
            for entry in truth.dataset["annotations"] for _ in range(3)]


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_pycocotools(truth, seed, capsys):
    results = guesses(truth, seed)
    oracle = COCOeval(truth, truth.loadRes(results), "bbox")
    oracle.evaluate()
    oracle.accumulate()
    oracle.summarize()
    fresh = guesses(truth, seed)
    found = scores.score(truth, fresh)
    assert fresh == guesses(truth, seed)
    for name, expected in zip(scores.METRICS, oracle.stats):
        assert found.metrics[name] == (None if expected == -1 else pytest.approx(expected, abs=1e-12))
    per_class = [entry["AP"] for entry in found.per_class if entry["AP"] is not None]
    assert np.mean(per_class) == pytest.approx(oracle.stats[0], abs=1e-12)


def test_no_small_box_and_an_absent_class_are_none(truth):
    found = scores.score(truth, guesses(truth, 0))
    assert found.metrics["bbox_mAP_s"] is None
    assert found.per_class[2] == {"class": "none of these", "boxes": 0, "AP": None, "AP50": None}


def test_no_detection_at_all_scores_0(truth):
    found = scores.score(truth, [])
    assert found.detections == 0
    assert found.metrics == {"bbox_mAP": 0, "bbox_mAP_50": 0, "bbox_mAP_75": 0, "bbox_mAP_s": None,
                             "bbox_mAP_m": 0, "bbox_mAP_l": 0}
    assert [entry["AP"] for entry in found.per_class] == [0, 0, None]
