"""The cost that stage evaluate records: measured on the images of val, and brought down to what a table shows."""

from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from stages.cost import measure as cost
from stages.errors import InputError
from stages.model import checkpoints
from stages.model.compose import compose
from stages.study import paths
from stages.study.params import load

from mmdet.registry import MODELS  # isort: skip  after the ops

STUDY = dataclasses.replace(load(), scale="miniature")
NAME = "faster_rcnn-mobilenet_v2-fpn-sgd-512"


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """config.py and best.pth with random weights, and a val of two images in the folder that the test stands in."""
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    init_default_scope("mmdet")
    (tmp_path / "images").mkdir()
    for name, size in (("wide.png", (40, 80, 3)), ("high.png", (80, 40, 3))):
        cv2.imwrite(f"images/{name}", np.full(size, 90, dtype=np.uint8))
    paths.annotations("val").parent.mkdir(parents=True)
    paths.annotations("val").write_text(json.dumps({"images": [{"file_name": "wide.png"}, {"file_name": "high.png"}]}))
    cfg = compose(NAME, STUDY, ["a"], "images")
    (tmp_path / "config.py").write_text(cfg.pretty_text)
    checkpoints.save(tmp_path / "best.pth", MODELS.build(cfg.model), ["a"], 1)
    return tmp_path / "config.py", tmp_path / "best.pth"


def test_the_images_are_those_of_val(trained):
    measured = cost.of_cell(*trained, seconds=4)
    # 80 x 40 pixels become 96 x 48, padded to a multiple of 32.
    assert measured["pixels"] == [64, 96]
    brief = cost.brief(measured)
    single, batch = measured["batches"]
    assert brief["latency_ms"] == single["p50_ms"] and brief["peak_memory_mib"] == single["peak_mib"]
    assert brief["images_per_second"] == (batch if batch["runs"] else single)["images_per_second"]
    assert brief["size_mib"] == trained[1].stat().st_size / 2**20 and brief["gmacs"] == measured["macs"] / 1e9


def test_without_a_batch_throughput_is_that_of_one_image():
    single = {"p50_ms": 10.0, "p95_ms": 12.0, "peak_mib": 5.0, "images_per_second": 99.0, "runs": 3}
    measured = {"parameters": 1, "checkpoint_bytes": 2**20, "macs": 3e9,
                "batches": [single, {**dict.fromkeys(single), "runs": 0}]}
    assert cost.brief(measured) == {"parameters": 1, "latency_ms": 10.0, "latency_p95_ms": 12.0, "peak_memory_mib": 5.0,
                                    "images_per_second": 99.0, "size_mib": 1.0, "gmacs": 3.0}


def test_an_image_that_cannot_be_read_is_one_line(trained):
    image = trained[0].parent / "images/high.png"
    image.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"^images/high\.png: cannot be read \(not an image\); run dvc repro prepare$"):
        cost.of_cell(*trained, seconds=1)
    image.unlink()
    with pytest.raises(InputError, match=r"^images/high\.png: cannot be read \(No such file or directory\); "):
        cost.of_cell(*trained, seconds=1)


def test_an_untrained_cell_is_one_line(trained):
    with pytest.raises(InputError, match="no such config; train the cell first"):
        cost.of_cell(trained[0].with_name("absent.py"), trained[1], seconds=1)
