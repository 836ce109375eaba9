"""Results of measurements on a GPU machine: their files after a kill, and the page that is made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import gpu_report
from benchmarks.gpu import lines
from stages.errors import InputError

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


def test_the_results_are_json_and_words(tmp_path):
    write(tmp_path)
    kinds = [
        json.loads(line)["kind"]
        for line in (tmp_path / lines.JSON).read_text(encoding="utf-8").splitlines()
    ]
    assert kinds == ["start", "ready", "part", "measured", "measured", "measured", "part"]
    words = (tmp_path / lines.MARKDOWN).read_text(encoding="utf-8")
    assert "- r50, this project: images/s 250.0, ms a step 80.0, data_time 3.1%" in words
