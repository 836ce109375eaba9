"""The evaluation engine gives pycocotools' numbers, to 1e-9, and None where there is nothing to measure."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from random_sets import first_images
from scored_cases import BOX, detections, inspected, random_case, split

from benchmarks.evaluation import generated, renumbered
from stages.analyse import SCORE, describe
from stages.analysis import quality, tide
from stages.errors import InputError
from stages.scoring import engine, tables


def oracle(coco: dict, results: list[dict]) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(coco))
        truth.createIndex()
        found = truth.loadRes(json.loads(json.dumps(results)))
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def check(tmp_path, coco: dict, results: list[dict]) -> tide.Inspection:
    """Statistics, precision, scores and matches of the engine against pycocotools'."""
    found, expected = inspected(tmp_path, coco, results), oracle(coco, results)
    ours = found.evaluated
    assert [-1 if value is None else value for value in ours.statistics.values()] == pytest.approx(
        expected.stats.tolist(), abs=1e-9
    )
    theirs = expected.eval["precision"][..., -1]
    assert np.array_equal(np.isnan(ours.precision), theirs < 0)
    np.testing.assert_allclose(np.nan_to_num(ours.precision, nan=-1), theirs, atol=1e-9)
    scores = np.where(theirs[0, :, :, 0] < 0, np.nan, expected.eval["scores"][0, :, :, 0, -1])
    np.testing.assert_allclose(ours.scores, scores, atol=1e-9)
    box, counted = np.full(len(results), -1), np.zeros(len(results), dtype=bool)
    position = {int(number): at for at, number in enumerate(found.truth.ids)}
    for one in filter(None, expected.evalImgs):
        if one["aRng"] == expected.params.areaRng[0]:
            for number, match, ignored in zip(
                one["dtIds"], one["dtMatches"][0], one["dtIgnore"][0]
            ):
                if not ignored:
                    counted[number - 1] = True
                    box[number - 1] = position[int(match)] if match else -1
    assert np.array_equal(ours.counted, counted) and np.array_equal(ours.box, box)
    return found


def test_a_real_fold(tmp_path, shared):
    fold = renumbered(shared / "data" / "recycling_annotations" / "val_3.json")
    # Whole folds take pycocotools long; see the slow test below.
    fold = first_images(fold, 250)
    check(tmp_path, fold, generated(fold, 12, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(5))
def test_the_five_folds_with_a_hundred_detections_an_image(tmp_path, shared, number):
    coco = renumbered(shared / "data" / "recycling_annotations" / f"val_{number}.json")
    check(tmp_path, coco, generated(coco, 100, seed=number))


@pytest.mark.parametrize("seed", range(60))
def test_random_splits(tmp_path, seed):
    check(tmp_path, *random_case(seed))


CASES = {
    "one class": (split([(1, 1, BOX)], classes=1), detections((1, 1, BOX, 0.5))),
    "only a crowd": (split([(1, 1, BOX, 1)]), detections((1, 1, BOX, 0.5), (1, 2, BOX, 0.5))),
    "detections in a crowd": (
        split([(1, 1, [0, 0, 100, 100], 1), (1, 1, BOX)]),
        detections(
            (1, 1, BOX, 0.3),
            (1, 1, BOX, 0.8),
            (1, 1, [50, 50, 9, 9], 0.9),
            (1, 1, [50, 50, 90, 90], 0.9),
        ),
    ),
    "over a hundred": (
        split([(1, 1, BOX)]),
        detections(*[(1, 1, [200, 200, 9, 9], 0.6)] * 101, (1, 1, BOX, 0.5)),
    ),
    "tied scores": (
        split([(1, 1, BOX), (2, 1, BOX)]),
        detections(
            (2, 1, BOX, 0.5),
            (1, 1, [200, 200, 9, 9], 0.5),
            (1, 1, BOX, 0.5),
            (2, 1, [200, 200, 9, 9], 0.5),
        ),
    ),
    "a class without boxes": (
        split([(1, 1, BOX)], classes=3),
        detections((1, 3, BOX, 0.9), (1, 1, BOX, 0.8)),
    ),
    "an area on the border": (
        split([(1, 1, [0, 0, 32, 32]), (1, 1, [100, 100, 96, 96])]),
        detections((1, 1, [0, 0, 32, 32], 0.5), (1, 1, [100, 100, 96, 96], 0.4)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_edges(tmp_path, name):
    found = check(tmp_path, *CASES[name])
    json.dumps(describe(found), allow_nan=False)


def test_a_border_area_is_of_both_sizes(tmp_path):
    sizes = describe(inspected(tmp_path, *CASES["an area on the border"]))["sizes"]
    assert {name: size["boxes"] for name, size in sizes.items()} == {
        "all": 2,
        "small": 1,
        "medium": 2,
        "large": 1,
    }


def test_absent_classes_are_none_and_no_part_of_the_mean(tmp_path):
    found = describe(inspected(tmp_path, *CASES["a class without boxes"]))
    assert found["classes"] == 1 and found["metrics"]["bbox_mAP"] == pytest.approx(1)
    absent = found["per_class"][2]
    assert (absent["boxes"], absent["AP"], absent["AP50"], absent["best_f1"]["f1"]) == (
        0,
        None,
        None,
        None,
    )
    assert found["sizes"]["small"] == {
        "classes": 0,
        "boxes": 0,
        "thin": True,
        "AP": None,
        "AP50": None,
    }
    assert (
        found["curves"]["per_class"][2]["AP50"] is None
        and len(found["curves"]["mean"]["AP50"]) == 101
    )


def test_no_detections_are_0_where_there_are_boxes(tmp_path):
    found = describe(inspected(tmp_path, split([(1, 1, BOX)]), []))
    assert found["metrics"]["bbox_mAP_50"] == 0 and found["metrics"]["bbox_mAP_l"] is None
    assert [one["AP"] for one in found["per_class"]] == [0, None]
    assert found["best_f1"] == {"threshold": None, "f1": 0, "precision": None, "recall": 0}
    assert found["score"] == SCORE
    assert found["calibration"]["ECE"] is None and found["errors"]["dAP"]["missed"] == 1
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("results", [[], detections((1, 1, BOX, 0.5))])
def test_a_split_without_labels_is_none(tmp_path, results):
    coco = split([])
    del coco["annotations"]
    found = describe(inspected(tmp_path, coco, results))
    assert set(found["metrics"].values()) == {None} and found["classes"] == found["boxes"] == 0
    assert (
        found["best_f1"]["f1"]
        is found["confusion"]["matrix"]
        is found["calibration"]["ECE"]
        is None
    )
    assert set(found["errors"]["dAP"].values()) == {None} and found["errors"]["AP50"] is None
    assert {image["f1"] for image in found["per_image"]} == {None} and found["worst"] == found[
        "suspects"
    ] == []
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("seed", range(5))
def test_tables_are_pycocotools(tmp_path, seed):
    coco, results = random_case(seed)
    found, expected = describe(inspected(tmp_path, coco, results)), oracle(coco, results)
    precision = expected.eval["precision"][..., -1]
    for index, one in enumerate(found["per_class"]):
        for position, cell in enumerate((one, *one["sizes"].values())):
            theirs = precision[:, :, index, position]
            assert (cell["AP"], cell["AP50"]) == (
                (None, None)
                if theirs.max() < 0
                else pytest.approx((theirs.mean(), theirs[0].mean()), abs=1e-9)
            )
            gt = [
                box
                for box in expected.cocoGt.dataset["annotations"]
                if not box["iscrowd"]
                and box["category_id"] == index + 1
                and np.clip(box["area"], *expected.params.areaRng[position]) == box["area"]
            ]
            assert (cell["boxes"], cell["thin"]) == (len(gt), len(gt) < 100)
    assert found["sizes"]["all"]["AP"] == pytest.approx(found["metrics"]["bbox_mAP"], abs=1e-9)


def test_best_f1_by_hand(tmp_path):
    far, second = [200.0, 200, 40, 40], [100.0, 100, 40, 40]
    coco = split([(1, 1, BOX), (1, 1, second)])
    # Right, wrong, right, wrong: F1 2/3, 2/4, 4/5, 4/6.
    found = inspected(
        tmp_path,
        coco,
        detections((1, 1, far, 0.6), (1, 1, BOX, 0.9), (1, 1, far, 0.8), (1, 1, second, 0.7)),
    )
    expected = {"threshold": 0.7, "f1": 0.8, "precision": 2 / 3, "recall": 1}
    assert quality.best_f1(found, 0) == pytest.approx(expected)
    assert quality.best_f1(found) == pytest.approx(expected)
    # With the third and the fourth tied there are only F1 2/3, 2/4 and again 2/3: the higher threshold.
    found = inspected(
        tmp_path,
        coco,
        detections((1, 1, BOX, 0.9), (1, 1, far, 0.8), (1, 1, second, 0.7), (1, 1, far, 0.7)),
    )
    assert quality.best_f1(found, 0)["threshold"] == 0.9


def test_best_f1_of_a_class_counts_its_own_detections(tmp_path):
    far, second = [200.0, 200, 40, 40], [100.0, 100, 40, 40]
    coco = split([(1, 1, BOX), (1, 1, second), (2, 2, BOX)])
    # Class 1: right, wrong, right. Class 2: wrong, right, and its threshold is another.
    found = inspected(
        tmp_path,
        coco,
        detections(
            (1, 1, BOX, 0.9),
            (1, 1, far, 0.8),
            (1, 1, second, 0.7),
            (1, 2, far, 0.6),
            (2, 2, BOX, 0.5),
        ),
    )
    one, two = quality.class_scores(found)
    assert one["best_f1"] == pytest.approx(
        {"threshold": 0.7, "f1": 0.8, "precision": 2 / 3, "recall": 1}
    )
    assert two["best_f1"] == pytest.approx(
        {"threshold": 0.5, "f1": 2 / 3, "precision": 0.5, "recall": 1}
    )


def test_the_curves_means_are_the_statistics(tmp_path):
    # An IoU of 28 / 52: right at .5, wrong at .55 and above.
    near, second = [22.0, 10, 40, 40], [100.0, 100, 40, 40]
    results = detections((1, 1, near, 0.9), (1, 2, second, 0.8))
    found = inspected(tmp_path, split([(1, 1, BOX), (1, 2, second)]), results)
    table = quality.precision_recall(found)
    for curve, values in zip(
        (table["mean"], *table["per_class"]), ((1, 0.55), (1, 0.1), (1, 1)), strict=True
    ):
        assert (np.mean(curve["AP50"]), np.mean(curve["AP"])) == pytest.approx(values)
    statistics = found.evaluated.statistics
    assert (statistics["bbox_mAP_50"], statistics["bbox_mAP"]) == pytest.approx((1, 0.55))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"image_id": 9}, "an image that the split lacks"),
        ({"category_id": 0}, "a category that the split lacks"),
        ({"score": float("nan")}, "not finite"),
        ({"score": 1.5}, "outside 0 to 1"),
        ({"bbox": [1, 2, 3]}, "format"),
        ({"bbox": [1, 2, -3, 4]}, "negative"),
        ({"score": "high"}, "format"),
    ],
)
def test_bad_detections_are_one_line(tmp_path, change, says):
    with pytest.raises(InputError, match=says) as caught:
        inspected(tmp_path, split([(1, 1, BOX)]), [{**detections((1, 1, BOX, 0.5))[0], **change}])
    assert "\n" not in str(caught.value)


def test_bad_annotations_are_one_line(tmp_path):
    with pytest.raises(InputError, match="dvc repro prepare"):
        tables.read_truth(tmp_path / "none.json")
    zero = split([(1, 1, BOX)])
    zero["annotations"][0]["id"] = 0
    lost = split([(7, 1, BOX)])
    for content, says in (
        (json.dumps(zero), "from 1"),
        (json.dumps(lost), "lacks"),
        ("{}", "no COCO file"),
    ):
        (tmp_path / "truth.json").write_text(content)
        with pytest.raises(InputError, match=says):
            tables.read_truth(tmp_path / "truth.json")


def test_the_twelve_names():
    assert len(engine.statistics(100)) == 12 and len(set(engine.statistics(100))) == 12
