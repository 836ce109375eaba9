"""A person's own set through the whole graph, with a test set that has no labels."""

from __future__ import annotations

import json

import cv2
import mlflow
import numpy as np
import pytest
from conftest import CELLS, make_project
from mmengine.config import Config

CELL = "faster_rcnn-r50-fpn-sgd-512"
AGAIN = "faster_rcnn-r50-fpn-sgd-512-fold-1"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    project = make_project(tmp_path_factory.mktemp("own") / "clone")
    root = project.folder / "data/raw"
    rng = np.random.default_rng(0)
    content = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 0, "name": "can"}, {"id": 1, "name": "<b>&bag"}],
    }
    for split, count in (("train", 12), ("test", 3)):
        (root / split).mkdir(parents=True)
        images = []
        for index in range(count):
            name = f"{split}/{index:04}.jpg"
            cv2.imwrite(str(root / name), rng.integers(0, 255, (64, 96, 3), dtype=np.uint8))
            images.append({"id": index, "file_name": name, "width": 96, "height": 64})
        if split == "test":
            (root / "test.json").write_text(json.dumps({"images": images}), encoding="utf-8")
        content["images"] += images if split == "train" else []
    for index in range(24):
        content["annotations"].append(
            {
                "id": index,
                "image_id": index // 2,
                "category_id": index % 2,
                "bbox": [4, 4, 40, 30 + index % 5],
                "area": 1200,
                "iscrowd": 0,
            }
        )
    (root / "train.json").write_text(json.dumps(content), encoding="utf-8")

    def change(values):
        values["cells"] = {CELL: CELLS[CELL], AGAIN: {**CELLS[CELL], "fold": 1}}
        values["data"].update(
            source="coco",
            train={"annotations": "train.json"},
            test={"annotations": "test.json"},
            folds=2,
        )

    project.set_params(change)
    project.run("dvc", "repro")
    return project


def test_an_unlabelled_test_set_is_predicted_and_scored_nowhere(own):
    metrics = json.loads((own.folder / f"metrics/r50/fpn/{CELL}.json").read_text(encoding="utf-8"))
    assert set(metrics["test"].values()) == {None} and metrics["val"]["bbox_mAP"] is not None
    assert (own.folder / f"predictions/r50/fpn/{CELL}/test.json").is_file()
    sent = (
        (own.folder / f"metrics/r50/fpn/{CELL}/submission.csv")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    assert sent[0] == "PredictionString,image_id"
    assert [line.rsplit(",", 1)[1] for line in sent[1:]] == [
        f"test/{index:04}.jpg" for index in range(3)
    ]
    assert "split_without_labels" in (own.folder / "data/prepared/report.html").read_text(
        encoding="utf-8"
    )


def test_a_row_with_a_fold_of_its_own_repeats_the_cell(own):
    images = {}
    for name, folder in ((CELL, ""), (AGAIN, "folds/1/")):
        coco = json.loads(
            (own.folder / f"data/prepared/{folder}val.json").read_text(encoding="utf-8")
        )
        details = json.loads(
            (own.folder / f"metrics/r50/fpn/{name}/details.json").read_text(encoding="utf-8")
        )
        images[name] = {image["file_name"] for image in coco["images"]}
        assert details["val"]["images"] == len(images[name]) and details["val"]["boxes"] == len(
            coco["annotations"]
        )
        # MMDetection's own entry point would train and validate on the same files.
        config = Config.fromfile(own.folder / f"models/{name}/config.py")
        assert config.val_dataloader.dataset.ann_file == f"data/prepared/{folder}val.json"
        assert config.train_dataloader.dataset.ann_file == f"data/prepared/{folder}train.json"
    assert not images[CELL] & images[AGAIN] and len(images[CELL] | images[AGAIN]) == 12
    record = json.loads(
        (own.folder / f"metrics/r50/fpn/{AGAIN}/run.json").read_text(encoding="utf-8")
    )
    assert record["fold"] == 1 and record["train_val_overlap"] == 0
    known = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in (own.folder / "reports/cells").iterdir()
    }
    assert set(known) == {CELL, AGAIN}, known


def test_a_new_wording_of_the_data_report_retrains_nothing(own):
    # tiny_pixels changes what the report says and not one prepared box.
    own.set_params(lambda values: values["data"].update(tiny_pixels=40))
    output = own.run("dvc", "repro").stdout
    assert "Running stage 'prepare'" in output and "train@" not in "".join(
        line for line in output.splitlines() if line.startswith("Running")
    )


def test_the_data_report_is_in_mlflow(own):
    client = mlflow.MlflowClient(f"sqlite:///{own.folder / 'mlflow.db'}")
    report = json.loads((own.folder / "data/prepared/report.json").read_text(encoding="utf-8"))
    experiment = client.get_experiment_by_name("detection-matrix-data")
    run = client.search_runs([experiment.experiment_id], f"tags.digest = '{report['digest']}'")[0]
    inputs = {entry.dataset.name: entry.dataset.digest for entry in run.inputs.dataset_inputs}
    assert inputs == {f"raw-{name}": part["digest"][:36] for name, part in report["splits"].items()}
    assert (
        run.info.status == "FINISHED"
        and run.data.metrics["train/images"] == report["splits"]["train"]["images"]
    )
    assert run.data.metrics["findings/annotation_ids_from_zero"] == 1
    assert {entry.path for entry in client.list_artifacts(run.info.run_id)} == {
        "report.html",
        "report.json",
        "changes.csv",
    }
