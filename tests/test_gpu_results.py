"""Measurements for a bare GPU machine: what is on disk after a kill, time limits, the page; without
MMDetection."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from benchmarks import gpu_report
from benchmarks.gpu import lines, photographs, sets, wheels
from benchmarks.gpu.children import Children, Context
from stages.errors import InputError
from stages.safety import launch
from stages.study import params

MACHINE = {
    "device": "NVIDIA H100 80GB HBM3",
    "cuda": "13.0",
    "gpus": 1,
    "gpu_mib": 81559,
    "capability": "9.0",
    "driver": "580.1",
    "cudnn": 91002,
    "processor": "Xeon",
    "cores": 16,
    "memory_gib": 128,
    "system": "Linux",
    "versions": {"python": "3.12.3", "torch": "2.11.0"},
    "seconds": 20.4,
}
STEPS = {"step_ms": 80.0, "data_share": 0.031, "peak_mib": 9000.0, "busy": None, "peer": False}


@pytest.mark.parametrize(
    "work, seconds, status, reason",
    [
        ("returns", 30, "done", ""),
        ("hangs", 8, "out of time", "not done within 8 s"),
        ("dies", 30, "failed", "ended with 7"),
        ("raises", 30, "failed", "set it to 4"),
        ("needs_cuda", 30, "unsuitable", "needs CUDA: amp"),
        ("is_late", 30, "out of time", "no epoch ended within 5 s"),
        ("crashes", 30, "failed", "ValueError: two lines"),
    ],
)
def test_a_child_ends_with_a_line_whatever_it_does(work, seconds, status, reason, tmp_path):
    outcome = Children("spawn").run(f"gpu_work:{work}", Context(tmp_path, "full", seconds), {})
    assert (outcome.status, reason in outcome.reason) == (status, True)
    assert outcome.values == ({"seconds": 30} if work == "returns" else {})
    if work == "hangs":
        ended(int((tmp_path / "grandchild").read_text(encoding="utf-8")))


def ended(pid: int) -> None:
    """A killed process may be seen a moment longer."""
    for _ in range(50):
        if not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text(
            encoding="utf-8"
        ):
            return
        time.sleep(0.1)
    raise AssertionError(f"{pid} is alive")


def test_a_child_does_not_outlive_a_killed_runner(tmp_path):
    code = (
        "import sys; sys.path.insert(0, 'tests'); from pathlib import Path\n"
        "from benchmarks.gpu.children import Children, Context\n"
        f"context = Context(Path({str(tmp_path)!r}), 'full', 600)\n"
        "Children('spawn').run('gpu_work:hangs', context, {})"
    )
    runner = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    while not (tmp_path / "grandchild").is_file() or not (tmp_path / "grandchild").read_text(
        encoding="utf-8"
    ):
        assert runner.poll() is None
        time.sleep(0.05)
    runner.kill()
    runner.wait()
    ended(int((tmp_path / "grandchild").read_text(encoding="utf-8")))


def write(folder: Path, **machine: object) -> None:
    out = lines.Lines(folder)
    pack = {
        "commit": "abc123",
        "photographs": {
            "set": "taco",
            "train": {"images": 300, "boxes": 1059},
            "val": {"images": 100, "boxes": 324},
        },
    }
    out.write("start", scale="full", minutes=9.0, pack=pack)
    out.write("ready", **{**MACHINE, **machine})
    out.write("part", part="throughput", title="Side by side")
    measured = {"part": "throughput", "status": "done", "reason": "", "seconds": 9.0}
    out.write(
        "measured", name="r50, peer", **measured, values={**STEPS, "images_s": 100.0, "peer": True}
    )
    out.write("measured", name="r50, this project", **measured, values={**STEPS, "images_s": 250.0})
    out.write(
        "measured",
        part="throughput",
        name="swin_t, peer",
        status="failed",
        reason="no | memory",
        values={},
        seconds=1.0,
    )
    out.write("part", part="pretrained", title="Pretrained")


def test_the_page_has_what_the_files_have_and_says_what_did_not_run(tmp_path, monkeypatch):
    write(tmp_path)
    (tmp_path / "history-pretrained.csv").write_text(
        "step,epoch,lr,train/loss,val/bbox_mAP,val/bbox_mAP_50\n1,1,0.1,2.5,,\n"
        "2,1,0.1,2.0,0.01,0.05\n"
        "4,2,0.1,1.5,0.02,0.125\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(gpu_report, "PAGE", tmp_path / "page.md")
    gpu_report.main([tmp_path], tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "| r50, this project | 250.0 | 80.0 | 3.1% | 9000 | n/a | 2.50 |" in page
    assert "- swin_t, peer: failed: no | memory" in page
    assert (
        "| commit | abc123 |" in page
        and "NVIDIA H100 80GB HBM3" in page
        and "was stopped from outside" in page
    )
    assert "line [0.050, 0.125]" in page and "| 2 | 4 | 1.500 | 0.020 | 0.125 |" in page
    assert "rehearsal" not in page
    gpu_report.main([tmp_path, tmp_path], tmp_path / "page.md")
    both = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "## Run 2 of 2" in both and both.count("| r50, this project | 250.0 |") == 2


def test_the_page_says_how_far_a_resumed_training_is_from_a_straight_one(tmp_path):
    write(tmp_path)
    out = lines.Lines.__new__(lines.Lines)
    out.folder = tmp_path
    out.write("part", part="resumed", title="Killed and resumed")
    head = "step,train/loss\n1,3.0\n2,2.0\n"
    (tmp_path / "history-straight.csv").write_text(head + "3,1.5\n", encoding="utf-8")
    (tmp_path / "history-resumed.csv").write_text(head, encoding="utf-8")
    gpu_report.main([tmp_path], tmp_path / "page.md")
    assert "over the 2 steps of both: the same bits." in (tmp_path / "page.md").read_text("utf-8")
    (tmp_path / "history-resumed.csv").write_text(head + "3,1.25\n", encoding="utf-8")
    gpu_report.main([tmp_path], tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text("utf-8")
    assert "equal before step 3, then up to 0.250 apart, where the loss is 1.500." in page


def test_no_page_of_gpu_results_comes_from_a_cpu(tmp_path, monkeypatch):
    write(tmp_path, device="CPU", cuda=None)
    monkeypatch.setattr(gpu_report, "PAGE", tmp_path / "page.md")
    with pytest.raises(InputError, match="no GPU has made these results"):
        gpu_report.main([tmp_path], tmp_path / "page.md")
    gpu_report.main([tmp_path], tmp_path / "rehearsal.md")
    assert "none of these numbers is a GPU's" in (tmp_path / "rehearsal.md").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    "content, reason", [(None, "cannot be read"), ("", "holds no run"), ('{"ki', "holds no run")]
)
def test_a_folder_without_results_is_said(content, reason, tmp_path):
    if content is not None:
        (tmp_path / lines.JSON).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=reason):
        gpu_report.main([tmp_path], tmp_path / "page.md")


def test_a_line_that_a_kill_has_cut_costs_itself_alone(tmp_path):
    write(tmp_path)
    path = tmp_path / lines.JSON
    whole = lines.read(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    assert lines.read(tmp_path) == whole[:-1]


def test_a_folder_with_the_results_of_an_earlier_run_is_refused(tmp_path):
    write(tmp_path)
    with pytest.raises(InputError, match="has the results of an earlier run; name another folder"):
        lines.Lines(tmp_path)


def coco(images: int) -> dict:
    return {
        "info": {"image_root": "data/raw"},
        "categories": [{"id": 1, "name": "can"}],
        "images": [
            {"id": 10 + n, "file_name": f"{n}.jpg", "width": 64, "height": 64}
            for n in range(images)
        ],
        "annotations": [
            {
                "id": n,
                "image_id": 10 + n,
                "category_id": 1,
                "bbox": [0, 0, 12 * n, 30],
                "area": 360 * n,
            }
            for n in range(images)
        ],
    }


def test_a_repeated_set_has_each_image_with_its_own_boxes():
    repeated = sets.repeated(coco(3), 7)
    assert [image["id"] for image in repeated["images"]] == list(range(1, 10))
    assert [box["id"] for box in repeated["annotations"]] == list(range(1, 10))
    names = {image["id"]: image["file_name"] for image in repeated["images"]}
    assert [(names[box["image_id"]], box["bbox"][2]) for box in repeated["annotations"]] == [
        (f"{n}.jpg", 12 * n) for n in range(3)
    ] * 3


def test_what_is_learnt_by_heart_has_no_small_box():
    easy = sets.easy(coco(5), 2)
    assert [image["file_name"] for image in easy["images"]] == ["2.jpg", "3.jpg"]
    assert [box["bbox"][2] for box in easy["annotations"]] == [24, 36]


def test_a_part_of_a_set_is_drawn_once_for_all_with_its_boxes():
    part = photographs.subset(coco(50), 20)
    assert (
        part == photographs.subset(coco(50), 20)
        and len(part["images"]) == len(part["annotations"]) == 20
    )
    assert {box["image_id"] for box in part["annotations"]} == {
        image["id"] for image in part["images"]
    }


def test_larger_photographs_are_shrunk_with_their_boxes(tmp_path):
    import cv2
    import numpy as np

    (tmp_path / "set").mkdir()
    cv2.imwrite(str(tmp_path / "set" / "0.jpg"), np.full((600, 1024, 3), 90, np.uint8))
    part = coco(1)
    part["images"][0].update(width=1024, height=600)
    part["annotations"][0].update(bbox=[100, 40, 300, 200], area=60000)
    photographs._write_photographs(part, tmp_path / "set", tmp_path / "packed")
    assert cv2.imread(str(tmp_path / "packed" / "0.jpg")).shape == (300, 512, 3)
    assert (part["images"][0]["width"], part["images"][0]["height"]) == (512, 300)
    assert (
        part["annotations"][0]["bbox"] == [50, 20, 150, 100]
        and part["annotations"][0]["area"] == 15000
    )


def test_a_set_is_packed_with_its_splits_and_the_licences_of_its_photographs(tmp_path):
    import csv

    import cv2
    import numpy as np

    source, data = tmp_path / "set", tmp_path / "data"
    (source / "photos").mkdir(parents=True)
    whole = coco(40)
    generator = np.random.default_rng(0)
    for image, box in zip(whole["images"], whole["annotations"]):
        image.update(file_name=f"photos/{image['id']}.jpg", group=image["id"] // 2)
        box.update(bbox=[2, 2, 40, 30], area=1200)
        pixels = generator.integers(0, 255, (64, 64, 3), np.uint8)
        cv2.imwrite(str(source / image["file_name"]), pixels)
    (source / "annotations.json").write_text(json.dumps(whole), encoding="utf-8")
    rows = [[image["file_name"], "CC BY 4.0"] for image in whole["images"]]
    with (source / "attribution.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["file", "licence"], *rows])

    counts = photographs.pack(source, data)
    groups = {}
    names = set()
    for split in ("train", "val"):
        part = json.loads((data / "prepared" / f"{split}.json").read_text(encoding="utf-8"))
        assert counts[split]["images"] == len(part["images"]) > 0
        assert part["info"]["image_root"] == "data/raw"
        names |= {image["file_name"] for image in part["images"]}
        groups[split] = {int(Path(image["file_name"]).stem) // 2 for image in part["images"]}
    assert not groups["train"] & groups["val"]
    carried = {path.relative_to(data / "raw").as_posix() for path in (data / "raw").rglob("*.jpg")}
    assert carried == names and len(names) < 40
    with (data / "raw" / "attribution.csv").open(newline="", encoding="utf-8") as file:
        header, *kept = csv.reader(file)
    assert header == ["file", "licence"] and {row[0] for row in kept} == names
    assert counts["attributions"] == len(names)


def test_the_wheels_are_what_a_machine_with_plain_pytorch_lacks():
    carried = wheels.carried()
    assert {
        "mmdet",
        "mmengine",
        "mmcv-lite",
        "pycocotools",
        "hotcoco",
        "setuptools",
        "addict",
        "shapely",
        "six",
        "rich",
        "yapf",
    } <= set(carried)
    assert not {"torch", "numpy", "pillow", "dvc", "mlflow", "opencv-python", "pytest"} & set(
        carried
    )


@pytest.mark.parametrize("gpus, refused", [(0, False), (1, True), (2, False), (8, False)])
def test_more_processes_than_gpus_are_refused_in_a_line(gpus, refused, monkeypatch):
    import dataclasses

    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    study = params.load()
    scale = dataclasses.replace(study.training, processes=2)
    study = dataclasses.replace(study, scales={**study.scales, study.scale: scale})
    if not refused:
        launch.check(study)
        return
    with pytest.raises(
        InputError, match=r"^scales.miniature.processes: 2 processes .* has 1; set it to 1$"
    ):
        launch.check(study)


def test_the_results_are_json_and_words(tmp_path):
    write(tmp_path)
    kinds = [
        json.loads(line)["kind"]
        for line in (tmp_path / lines.JSON).read_text(encoding="utf-8").splitlines()
    ]
    assert kinds == ["start", "ready", "part", "measured", "measured", "measured", "part"]
    words = (tmp_path / lines.MARKDOWN).read_text(encoding="utf-8")
    assert "- r50, this project: images/s 250.0, ms a step 80.0, data_time 3.1%" in words
