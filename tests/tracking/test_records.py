"""What a finished matrix leaves behind: records, MLflow's runs, artifacts, and a config that stands alone."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlparse

import pytest
from conftest import CELLS, Project, make_project

import stages.model.ops  # noqa: F401  before anything of MMDetection
from stages.tracking import provenance

R50, SWIN, PAFPN = CELLS
MAP = ["bbox_mAP", "bbox_mAP_50", "bbox_mAP_75", "bbox_mAP_s", "bbox_mAP_m", "bbox_mAP_l"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Project:
    """One cell of a clone, trained, evaluated and compared by `dvc repro`."""
    project = make_project(tmp_path_factory.mktemp("records") / "clone", database=False)
    project.set_params(lambda values: values.update(cells={R50: {**CELLS[R50], "seed": 3}}))
    # From nothing, as a person runs it: what other tests start warm is shown to be the same.
    project.cold("dvc", "repro")
    return project


@pytest.fixture(scope="module")
def client(finished):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{finished.folder / 'mlflow.db'}")


@pytest.fixture(scope="module")
def run(client):
    experiment = client.get_experiment_by_name("detection-matrix")
    [found] = client.search_runs([experiment.experiment_id])
    return found


def record(project: Project, name: str = R50) -> dict:
    return json.loads(
        (project.folder / "metrics/r50/fpn" / name / "run.json").read_text(encoding="utf-8")
    )


def rows(project: Project) -> list[dict]:
    with (project.folder / "metrics/r50/fpn" / R50 / "history.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_history_has_a_row_per_step_and_six_metrics_per_epoch(finished):
    found = rows(finished)
    assert [int(row["step"]) for row in found] == [1, 2, 3, 4]
    assert [int(row["epoch"]) for row in found] == [1, 1, 2, 2]
    assert all(float(row["train/loss"]) > 0 and float(row["lr"]) > 0 for row in found)
    assert list(found[0])[-6:] == [f"val/{name}" for name in MAP]
    assert [row["val/bbox_mAP_50"] != "" for row in found] == [False, True, False, True]


def test_run_json_says_how_it_came_about(finished):
    found = record(finished)
    # The row's own, not the study's.
    assert found["seed"] == 3 and found["iterations"] == 4 and found["parameters"] > 1e6
    assert found["versions"]["mmdet"] == "3.3.0" and found["versions"]["torch"].startswith("2.11")
    # params.yaml was edited after the commit.
    assert (
        found["code_digest"] == provenance.code_digest(finished.folder) == provenance.code_digest()
    )
    assert found["git_commit"] == finished.git("rev-parse", "HEAD") + "+changes"
    assert found["lr_per_sample"] == pytest.approx(0.2 / 16)
    # What was reached, not only what was asked for.
    assert (
        found["highest_lr"]
        == max(float(row["lr"]) for row in rows(finished))
        == pytest.approx(found["lr"])
    )
    assert found["max_detections"] == 100
    last = [float(row["train/loss"]) for row in rows(finished)[2:]]
    assert found["train_loss"] == pytest.approx(sum(last) / 2)
    assert found["peak_memory_mib"] > 100 and found["train_minutes"] > 0
    assert (found["train_images"], found["val_images"], found["train_val_overlap"]) == (8, 4, 0)
    assert found["early_stopping"] == 0


def test_metrics_and_predictions(finished):
    metrics = json.loads(
        (finished.folder / f"metrics/r50/fpn/{R50}.json").read_text(encoding="utf-8")
    )
    assert list(metrics["val"]) == list(metrics["test"]) == MAP
    # The best checkpoint scores afterwards what it scored in training.
    best = max(float(row["val/bbox_mAP_50"]) for row in rows(finished) if row["val/bbox_mAP_50"])
    assert metrics["val"]["bbox_mAP_50"] == pytest.approx(best, abs=1e-9)
    per_class = json.loads(
        (finished.folder / f"metrics/fpn/{R50}.json").read_text(encoding="utf-8")
    )["per_class"]
    prepared = json.loads(
        (finished.folder / "data/prepared/report.json").read_text(encoding="utf-8")
    )
    for split, entries in per_class.items():
        assert {entry["class"]: entry["boxes"] for entry in entries} == prepared["splits"][split][
            "classes"
        ]
    results = json.loads(
        (finished.folder / f"predictions/r50/fpn/{R50}/test.json").read_text(encoding="utf-8")
    )
    assert all(set(entry) == {"image_id", "category_id", "bbox", "score"} for entry in results)
    with (finished.folder / f"metrics/r50/fpn/{R50}/submission.csv").open(newline="") as file:
        submission = list(csv.DictReader(file))
    # Six words for each detection.
    assert sum(len(row["PredictionString"].split()) for row in submission) == 6 * len(results)
    assert len(submission) == prepared["splits"]["test"]["images"]


def test_the_cost_is_measured(finished):
    content = json.loads((finished.folder / "costs/costs.json").read_text(encoding="utf-8"))
    assert (
        content["machine"]
        and content["device"]
        and content["threads"] >= 1
        and content["rounds"] == 6
    )
    assert "every cell is measured in turn" in content["definition"]
    [(name, known)] = content["cells"].items()
    assert name == R50 and known["training_id"] == record(finished)["training_id"]
    assert known["work"]["parameters"] == record(finished)["parameters"]
    costs = known["costs"]
    assert costs["latency_ms"] > 0 and costs["images_per_second"] > 0
    assert costs["peak_memory_mib"] > 1 and 0.01 < costs["gmacs"] < 1
    for key, (low, high) in known["spread"].items():
        assert 0 < low <= costs[key] <= high and len(known["rounds"][key]) == 6
    best = finished.folder / "models" / R50 / "best.pth"
    assert costs["size_mib"] == pytest.approx(best.stat().st_size / 2**20)
    # How busy the machine was meanwhile, for the report.
    assert 0 <= known["others"] <= 1 and 0 <= content["others"] <= 1


def test_the_mlflow_run_is_complete(finished, client, run):
    assert run.info.run_name == R50 and run.info.status == "FINISHED"
    assert run.info.run_id == record(finished)["run_id"]
    found = rows(finished)
    loss = client.get_metric_history(run.info.run_id, "train/loss")
    assert [(point.step, point.value) for point in loss] == [
        (int(row["step"]), float(row["train/loss"])) for row in found
    ]
    val = client.get_metric_history(run.info.run_id, "val/bbox_mAP_50")
    assert [(point.step, point.value) for point in val] == [
        (int(row["step"]), float(row["val/bbox_mAP_50"])) for row in found if row["val/bbox_mAP_50"]
    ]
    assert "test/bbox_mAP_50" in run.data.metrics
    assert run.data.params["backbone"] == "r50" and run.data.params["seed"] == "3"
    assert run.data.tags["seed"] == "3"
    assert (
        run.data.tags["dvc.stage"] == f"stages/dvc.yaml:train@{R50}"
        or R50 in run.data.tags["dvc.stage"]
    )
    assert run.data.tags["fingerprint"] == record(finished)["fingerprint"]
    assert run.data.tags["mlflow.source.git.commit"].endswith("+changes")
    assert {entry.dataset.name for entry in run.inputs.dataset_inputs} == {"demo-train", "demo-val"}


def test_the_checkpoint_is_on_disk_once(finished, client, run):
    artifact = Path(urlparse(run.info.artifact_uri).path) / "checkpoint/best.pth"
    model = finished.folder / "models" / R50 / "best.pth"
    assert artifact.samefile(model)
    inode = model.stat().st_ino
    cached = [path for path in (finished.folder / ".dvc/cache").rglob("*") if path.is_file()]
    assert inode in {path.stat().st_ino for path in cached}
    names = {entry.path for entry in client.list_artifacts(run.info.run_id)}
    assert {"config.py", "history.csv", "run.json", "checkpoint", "predictions", "metrics"} <= names


def test_nothing_is_logged_twice(finished, client, run):
    finished.run("dvc", "repro")
    finished.run("dvc", "exp", "run", "-S", "neck=fpn")
    finished.set_params(lambda values: values.update(neck=""))
    assert len(client.search_runs([run.info.experiment_id])) == 1


def test_config_py_trains_in_mmdetections_own_entry_point(finished, tmp_path):
    import mmdet

    config = finished.folder / "models" / R50 / "config.py"
    text = config.read_text(encoding="utf-8")
    # The ops that stand in for mmcv's, and the hooks that it names.
    assert re.findall(r"stages\.[\w.]+", text) == ["stages.model.ops", "stages.training.start"]
    done = subprocess.run(
        [
            "python",
            f"{mmdet.__path__[0]}/.mim/tools/train.py",
            str(config),
            "--work-dir",
            str(tmp_path),
            "--cfg-options",
            "train_cfg.max_epochs=1",
        ],
        cwd=finished.folder,
        env={**finished.env, "PYTHONPATH": str(finished.folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "epoch_1.pth").is_file()


def test_mmdetection_loads_the_checkpoint(finished, monkeypatch):
    from mmdet.apis import init_detector

    monkeypatch.chdir(finished.folder)
    folder = finished.folder / "models" / R50
    model = init_detector(
        str(folder / "config.py"), str(folder / "best.pth"), device="cpu", palette="random"
    )
    assert model.dataset_meta["classes"][0] == "General trash"


def test_the_report_is_there(finished):
    reports = finished.folder / "reports"
    assert R50 in (reports / "report.md").read_text(encoding="utf-8")
    assert R50 in (reports / "compare.csv").read_text(encoding="utf-8")
    assert R50 in (reports / "index.html").read_text(encoding="utf-8")


def test_mlflow_ui_shows_the_runs_on_its_defaults(finished):
    """A plain `mlflow ui` in the project's folder, asked over HTTP."""
    import socket
    import time
    import urllib.request

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        ["mlflow", "ui", "--port", str(port), "--workers", "1"],
        cwd=finished.folder,
        env=finished.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        url = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/get-by-name?experiment_name=detection-matrix"
        for _ in range(360):
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    found = json.load(answer)["experiment"]
                break
            except OSError:
                time.sleep(0.5)
        assert found["name"] == "detection-matrix"
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)
