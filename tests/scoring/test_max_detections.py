"""data.max_detections is in force: in the prepared data, the model, every evaluation, and what is said of scores.

pycocotools with maxDets = [1, 10, n] is the oracle.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import warnings

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from random_sets import random_set
from report_cells import load_all, report

from stages import predict as predict_stage
from stages.analyse import describe
from stages.analysis import tide
from stages.errors import InputError
from stages.model import resolve
from stages.model.compose import compose
from stages.prepare import prepare
from stages.scoring import engine
from stages.scoring.tables import read_detections, read_truth
from stages.study.params import Data, Source, load_study
from stages.verdict.matches import match_detections
from stages.verdict.replicates import STUDY_STATISTICS, evaluate_replicates

BOXES = 150
FASTER, CASCADE = "faster_rcnn-r50-fpn-sgd-512", "cascade_rcnn-r50-fpn-sgd-1024"


def crowded(images: int = 2) -> dict:
    """Images of BOXES boxes of one class, none over another."""
    content = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "cup"}]}
    for image in range(1, images + 1):
        content["images"].append(
            {"id": image, "file_name": f"{image}.jpg", "width": 400, "height": 400}
        )
        for place in range(BOXES):
            box = [float(place % 15 * 24), float(place // 15 * 24), 20.0, 20.0]
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "bbox": box,
                    "area": 400.0,
                    "iscrowd": 0,
                }
            )
    return content


def as_detections(content: dict) -> list[dict]:
    return [
        {**{key: entry[key] for key in ("image_id", "category_id", "bbox")}, "score": 0.9}
        for entry in content["annotations"]
    ]


def written(folder, content: dict, most: int):
    """As stage prepare writes it: COCO's own number goes without saying."""
    info = {} if most == 100 else {"max_detections": most}
    path = folder / f"{most}.json"
    path.write_text(json.dumps({"info": info, **content}), encoding="utf-8")
    return path


def oracle(content: dict, results: list[dict], most: int) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(content))
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes([dict(row) for row in results]), "bbox")
        evaluation.params.maxDets = [1, min(10, most), most]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][..., 0, -1]
    # pycocotools writes 100 into its first number.
    evaluation.stats[0] = precision[precision > -1].mean()
    return evaluation


@pytest.mark.parametrize(("most", "score"), [(100, 0.663), (300, 1.0)])
def test_detections_equal_to_the_truth(most, score, tmp_path):
    content = crowded()
    inspected = tide.inspect(written(tmp_path, content, most), as_detections(content))
    details = describe(inspected)
    assert details["metrics"]["bbox_mAP_50"] == pytest.approx(score, abs=1e-3)
    assert details["max_detections"] == most
    # Curves, TIDE, confusion and images follow the same matches.
    right = min(most, BOXES)
    assert [details["per_class"][0]["AP50"], details["errors"]["AP50"]] == pytest.approx(
        [score] * 2, abs=1e-3
    )
    assert details["best_f1"]["recall"] == pytest.approx(right / BOXES)
    assert details["metrics"][f"bbox_AR_{most}"] == pytest.approx(right / BOXES)
    assert details["errors"]["count"]["missed"] == 2 * (BOXES - right)
    assert [image["right"] for image in details["per_image"]] == [right] * 2
    # The bootstrap's own matching.
    matches = match_detections(inspected.truth, inspected.detections)
    replicates = evaluate_replicates(matches, np.zeros((0, 2), dtype=np.int32), workers=1)
    assert replicates.of(STUDY_STATISTICS["bbox_mAP_50"])[0] == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize("most", [1, 5, 50, 120, 300])
@pytest.mark.parametrize("seed", range(3))
def test_other_numbers_equal_pycocotools(most, seed, tmp_path):
    """The random sets have an image with 130 detections of one class."""
    content, results = random_set(seed)
    expected = oracle(content, results, most)
    truth = read_truth(written(tmp_path, content, most))
    detections = read_detections(results, truth)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        statistics = engine.evaluate(truth, detections).statistics
    # Below 10 the second and the third recall are one number.
    names = engine.statistics(most)
    assert [
        -1 if statistics[name] is None else statistics[name] for name in names
    ] == pytest.approx(expected.stats.tolist(), abs=1e-9)
    replicates = evaluate_replicates(
        match_detections(truth, detections),
        np.zeros((0, len(truth.image_ids)), dtype=np.int32),
        workers=1,
    )
    ours = [replicates.of(statistic)[0] for statistic in STUDY_STATISTICS.values()]
    theirs = [np.nan if value < 0 else value for value in expected.stats[:6]]
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_a_recall_names_its_detections():
    assert engine.statistics(300)[6:9] == ("bbox_AR_1", "bbox_AR_10", "bbox_AR_300")
    assert engine.statistics(100)[6:9] == ("bbox_AR_1", "bbox_AR_10", "bbox_AR_100")


def study_of(scale: str, most: int):
    study = dataclasses.replace(load_study(), scale=scale)
    return dataclasses.replace(study, data=dataclasses.replace(study.data, max_detections=most))


@pytest.mark.parametrize("name", [FASTER, CASCADE])
@pytest.mark.parametrize(("scale", "proposals"), [("full", 1000), ("miniature", 300)])
def test_the_model_keeps_as_many(scale, proposals, name):
    test_cfg = compose(name, study_of(scale, 300), ["a"], "images").model.test_cfg
    assert test_cfg.rcnn.max_per_img == 300
    assert test_cfg.rpn.nms_pre == test_cfg.rpn.max_per_img == proposals


def test_fewer_detections_do_not_take_proposals_away():
    test_cfg = compose(FASTER, study_of("miniature", 20), ["a"], "images").model.test_cfg
    assert (test_cfg.rcnn.max_per_img, test_cfg.rpn.nms_pre, test_cfg.rpn.max_per_img) == (
        20,
        200,
        100,
    )


def test_the_prepared_data_says_it_unless_it_is_cocos(tmp_path, monkeypatch):
    """DVC trains and evaluates again what depends on these files, and nothing at COCO's 100."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "all.json").write_text(json.dumps(crowded(8)), encoding="utf-8")
    nothing = Source("")
    data = Data(
        source="coco",
        root=str(tmp_path / "set"),
        train=Source("all.json"),
        val=nothing,
        test=nothing,
        val_share=0.25,
        test_share=0.25,
        pixels="none",
    )
    folder = tmp_path / "data" / "prepared"
    report_of_100 = prepare(data, 0, folder)
    at_100 = {split: (folder / f"{split}.json").read_bytes() for split in ("train", "val", "test")}
    assert all(b"max_detections" not in content for content in at_100.values())
    assert "image_over_max_detections" in {entry["code"] for entry in report_of_100["findings"]}
    report_of_300 = prepare(dataclasses.replace(data, max_detections=300), 0, folder)
    assert not report_of_300["findings"] and report_of_300["max_detections"] == 300
    for split in ("train", "val", "test"):
        assert json.loads((folder / f"{split}.json").read_bytes())["info"]["max_detections"] == 300
        assert read_truth(folder / f"{split}.json").max_detections == 300
    prepared = resolve.read_prepared(study_of("miniature", 300))
    assert (
        resolve.config(FASTER, study_of("miniature", 300), prepared).model.test_cfg.rcnn.max_per_img
        == 300
    )
    with pytest.raises(
        InputError, match=r"data\.max_detections: 100, and the prepared data was made for 300"
    ):
        resolve.config(FASTER, study_of("miniature", 100), prepared)


def test_a_model_of_another_number_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "metrics" / "r50" / "fpn" / FASTER
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"max_detections": 300}', encoding="utf-8")
    with pytest.raises(
        InputError, match=r"keeps 300 detections of an image, and data\.max_detections is 100"
    ):
        predict_stage.main(FASTER)


def test_the_report_says_so(tmp_path):
    cells = load_all(tmp_path)
    plain = report(cells, tmp_path / "plain")
    counted = report(cells, tmp_path / "counted", data={"max_detections": 300})
    for name, heading in (
        ("index.html", "<h2>Results, 300 detections an image</h2>"),
        ("report.md", "## Results, 300 detections an image\n"),
    ):
        assert heading in counted[name] and "300 detections" not in plain[name]
    assert "| detections an image | 300 of a class are counted |" in counted["report.md"]
