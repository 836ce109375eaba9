"""The cost of a cell: numbers that can be worked out are those, times are bounded, the rest is the same each time."""

from __future__ import annotations

import dataclasses
import json
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from stages.cost import energy
from stages.cost import measure as cost
from stages.errors import InputError
from stages.model import checkpoints
from stages.model.compose import compose
from stages.study.params import load

from mmdet.registry import MODELS  # isort: skip  after the ops

CLASSES = ["a", "b", "c"]
STUDY = dataclasses.replace(load(), scale="miniature")
TIMES = ("runs", "p50_ms", "p95_ms", "images_per_second", "peak_mib", "joules_per_image", "others")


def cell(folder, name: str):
    """config.py and best.pth of a cell with random weights."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    init_default_scope("mmdet")
    cfg = compose(name, STUDY, CLASSES, "images")
    cfg.dump(folder / "config.py")
    model = MODELS.build(cfg.model)
    checkpoints.save(folder / "best.pth", model, CLASSES, 1)
    return folder / "config.py", folder / "best.pth", model


def pictures(*sizes: tuple[int, int]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


@pytest.fixture(scope="module")
def r50(tmp_path_factory):
    return cell(tmp_path_factory.mktemp("r50"), "faster_rcnn-r50-fpn-sgd-512")


@pytest.fixture(scope="module")
def measured(r50):
    config, checkpoint, _ = r50
    return cost.measure(config, checkpoint, pictures((64, 50), (50, 64)), batch=2, warmup=1, runs=4, seconds=60)


def test_what_can_be_counted(r50, measured):
    _, checkpoint, model = r50
    assert measured["parameters"] == sum(value.numel() for value in model.parameters()) == measured["trainable"]
    assert measured["checkpoint_bytes"] == checkpoint.stat().st_size > 4 * measured["parameters"]
    # 64 x 50 pixels are resized to 96 x 75 and padded to a multiple of 32.
    assert measured["pixels"] == [96, 96]
    assert measured["flops"] == 2 * measured["macs"]
    json.dumps(measured, allow_nan=False)


def by_hand(model: torch.nn.Module, side: int, proposals: int) -> int:
    """Multiply-adds of a Faster R-CNN: shapes of all convolutions, met with a side x side image, and the RoI head."""
    total = 0

    def count(module, inputs, output):
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    convolutions = [module for module in model.modules() if isinstance(module, torch.nn.Conv2d)]
    hooks = [module.register_forward_hook(count) for module in convolutions]
    with torch.no_grad():
        model.eval().rpn_head(model.extract_feat(torch.zeros(1, 3, side, side)))
    for hook in hooks:
        hook.remove()
    linear = [module for module in model.roi_head.modules() if isinstance(module, torch.nn.Linear)]
    assert len(linear) == 4
    return total + proposals * sum(module.weight.numel() for module in linear)


def test_work_is_that_of_the_layers_roi_head_included(r50, measured):
    assert measured["proposals"] > 0
    assert measured["macs"] == by_hand(r50[2], 96, measured["proposals"])


def test_times_are_there(measured):
    assert [one["batch"] for one in measured["batches"]] == [1, 2]
    for one in measured["batches"]:
        assert one["runs"] == 4 and 0 < one["p50_ms"] <= one["p95_ms"] and one["peak_mib"] > 0
    if not torch.cuda.is_available():
        assert [one["joules_per_image"] for one in measured["batches"]] == [None, None]
        assert measured["threads"] == 1 and measured["device"]


def test_times_by_hand(monkeypatch):
    """On a clock that the runs move themselves: two of warm-up, then four of five that there is time for."""
    now, seconds = [0.0], iter([9.0, 5.0, 0.1, 0.3, 0.2, 0.4, 0.5])
    batches = []

    def run(model, data):
        batches.append(data)
        now[0] += next(seconds)

    monkeypatch.setattr(cost, "_run", run)
    monkeypatch.setattr(cost, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    found = cost._timed(None, list, ["a", "b", "c"], 2, warmup=2, runs=4, deadline=20.0, before=0.0)
    assert (found["runs"], found["p50_ms"], found["p95_ms"]) == (4, pytest.approx(250), pytest.approx(385))
    assert found["images_per_second"] == pytest.approx(4 * 2 / 1.0)
    # Images in turn, and from the first one on when it is measured.
    assert batches == [["a", "b"], ["c", "a"], ["a", "b"], ["c", "a"], ["b", "c"], ["a", "b"]]


def test_no_run_starts_that_would_end_too_late(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(cost, "_run", lambda *_: now.__setitem__(0, now[0] + 2.0))
    monkeypatch.setattr(cost, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    # 2 s to warm up, then 4, 6, 8 and 10; one more would end at 12.
    assert cost._timed(None, list, ["a"], 1, warmup=1, runs=100, deadline=11.0, before=0.0)["runs"] == 4


def test_all_but_times_is_the_same_each_time(r50, measured):
    again = cost.measure(*r50[:2], pictures((64, 50), (50, 64)), batch=2, warmup=1, runs=1, seconds=60)

    def steady(found: dict) -> dict:
        return {**found, "batches": [{key: value for key, value in one.items() if key not in TIMES}
                                     for one in found["batches"]]}

    assert steady(again) == steady(measured)


def test_without_time_one_image_is_still_measured(r50, monkeypatch):
    ran = []
    run = cost._run
    monkeypatch.setattr(cost, "_run", lambda model, data: ran.append(len(data["inputs"])) or run(model, data))
    start = time.perf_counter()
    found = cost.measure(*r50[:2], pictures((64, 64)), batch=500, warmup=50, runs=1000, seconds=0.0)
    assert time.perf_counter() - start < 30
    single, several = found["batches"]
    assert single["runs"] == 1 and several["runs"] == 0 and several["p50_ms"] is None
    # Once for the work, once to warm up, once measured.
    assert ran == [1, 1, 1]


def test_a_cascade_counts_the_regions_of_all_stages(tmp_path):
    config, checkpoint, _ = cell(tmp_path, "cascade_rcnn-r50-fpn-sgd-1024")
    found = cost.measure(config, checkpoint, pictures((64, 64)), batch=1, warmup=0, runs=1, seconds=0)
    assert found["proposals"] % 3 == 0 and found["proposals"] > 0
    assert found["pixels"] == [192, 192]


def test_bad_input_is_one_line(tmp_path, r50):
    config, checkpoint, _ = r50
    image = pictures((64, 64))
    for arguments, options, says in (
            ((config, checkpoint, []), {}, "there is none"),
            ((config, checkpoint, image), {"runs": 0}, "at least 1"),
            ((tmp_path / "config.py", checkpoint, image), {}, "no such config"),
            ((config, tmp_path / "best.pth", image), {}, "no such checkpoint")):
        with pytest.raises(InputError, match=says):
            cost.measure(*arguments, **options)


class Driver:
    """NVML as ctypes sees it, with a counter that moves by 2,500 millijoules at each reading."""

    millijoules = 1000

    def nvmlDeviceGetTotalEnergyConsumption(self, device, value) -> int:
        value._obj.value = self.millijoules
        self.millijoules += 2500
        return 0


def test_energy_is_joules_since_the_start(monkeypatch):
    monkeypatch.setattr(energy, "_open", lambda: (Driver(), None))
    meter = energy.Meter()
    assert meter.joules() == 2.5
    meter.restart()
    assert meter.joules() == 2.5 and meter.joules() == 5.0
    # A GPU that does not count answers with an error.
    monkeypatch.setattr(Driver, "nvmlDeviceGetTotalEnergyConsumption", lambda *_: 3)
    assert energy.Meter().joules() is None
