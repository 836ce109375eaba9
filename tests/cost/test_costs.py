"""The costs of cells: measured in turn, what can be worked out is, and their spread is that of the rounds."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from stages import costs
from stages.cost import measure, subject
from stages.cost.subject import CellSource, Subject
from stages.errors import InputError
from stages.model.compose import compose
from stages.study import paths
from stages.study.params import load_study
from stages.training import best

from mmdet.registry import MODELS  # isort: skip  after the ops

CLASSES = ["a", "b", "c"]
STUDY = dataclasses.replace(load_study(), scale="miniature")
R50 = "faster_rcnn-r50-fpn-sgd-512"
MOBILENET = "faster_rcnn-mobilenet_v2-fpn-sgd-512"


def cell(folder, name: str, *sizes: tuple[int, int]) -> tuple[CellSource, torch.nn.Module]:
    """config.py and best.pth of a cell with random weights, and its model."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    init_default_scope("mmdet")
    cfg = compose(name, STUDY, CLASSES, "images")
    (folder / "config.py").write_text(cfg.pretty_text)
    model = MODELS.build(cfg.model)
    torch.save(best.content(model.state_dict(), CLASSES, 1), folder / "best.pth")
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    return CellSource(name, folder / "config.py", folder / "best.pth", images), model


@pytest.fixture(scope="module")
def r50(tmp_path_factory):
    return cell(tmp_path_factory.mktemp("r50"), R50, (64, 50), (50, 64))


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    return cell(tmp_path_factory.mktemp("mobilenet"), MOBILENET, (64, 50))


@pytest.fixture(scope="module")
def measured(r50, mobilenet):
    return measure.measure_costs([r50[0], mobilenet[0]], rounds=3, runs=2, batch=2, seconds=60)


def test_what_can_be_counted(r50, measured):
    source, model = r50
    work = measured["cells"][R50]["work"]
    assert (
        work["parameters"]
        == sum(value.numel() for value in model.parameters())
        == work["trainable"]
    )
    assert work["checkpoint_bytes"] == source.checkpoint.stat().st_size > 4 * work["parameters"]
    # 64 x 50 pixels are resized to 96 x 75 and padded to a multiple of 32.
    assert work["pixels"] == [96, 96]
    assert work["flops"] == 2 * work["macs"]
    known = measured["cells"][R50]["costs"]
    assert (known["size_mib"], known["gmacs"]) == (
        work["checkpoint_bytes"] / 2**20,
        work["macs"] / 1e9,
    )
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
    work = measured["cells"][R50]["work"]
    assert work["proposals"] > 0
    assert work["macs"] == by_hand(r50[1], 96, work["proposals"])


def test_a_cascade_counts_the_regions_of_all_stages(tmp_path):
    source, _ = cell(tmp_path, "cascade_rcnn-r50-fpn-sgd-1024", (64, 64))
    work = Subject(source).work()
    assert work["proposals"] % 3 == 0 and work["proposals"] > 0
    assert work["pixels"] == [192, 192]


def test_costs_are_medians_of_rounds_and_spread_is_their_range(measured):
    assert (measured["rounds"], measured["threads"]) == (3, 1)
    assert measured["machine"] and measured["device"] and 0 <= measured["others"] <= 1
    for known in measured["cells"].values():
        assert known["batch"] == 2 and 0 <= known["others"] <= 1
        for key, values in known["rounds"].items():
            assert len(values) == 3 and min(values) > 0
            assert known["costs"][key] == sorted(values)[1]
            assert known["spread"][key] == [min(values), max(values)]
        # The weights are in it, be the pass too small to show.
        assert known["costs"]["peak_memory_mib"] > 4 * known["work"]["parameters"] / 2**20
        assert set(known) == {"work", "costs", "spread", "rounds", "batch", "others"}


class Stub:
    """In the place of a model: a pass takes what `seconds` says, an image, and is noted in `passes`."""

    weights_mib = 8.0

    def __init__(self, name: str, seconds, clock: list[float], passes: list) -> None:
        self.name, self.seconds, self.clock, self.passes = name, iter(seconds), clock, passes

    def run(self, count: int) -> float:
        spent = next(self.seconds) * count
        self.clock[0] += spent
        self.passes.append((self.name, count))
        return spent

    def work(self) -> dict:
        return {"checkpoint_bytes": 2**20, "macs": 3e9}

    def enter(self) -> None: ...

    def leave(self) -> None: ...


@pytest.fixture
def stubs(monkeypatch, tmp_path):
    """measure_costs() over two cells on a clock that their passes move."""
    (tmp_path / "best.pth").write_bytes(b"")
    clock, passes = [0.0], []

    def run(passing: dict, **options):
        monkeypatch.setattr(
            measure,
            "Subject",
            lambda source: Stub(source.name, passing[source.name], clock, passes),
        )
        clocks = SimpleNamespace(
            perf_counter=lambda: clock[0], process_time=measure.time.process_time
        )
        monkeypatch.setattr(measure, "time", clocks)
        sources = [
            CellSource(name, tmp_path / "config.py", tmp_path / "best.pth", []) for name in passing
        ]
        return measure.measure_costs(sources, **options)["cells"], passes

    return run


def test_cells_are_measured_in_turn_and_foreign_load_becomes_spread(stubs):
    # A warm-up, two passes of one image and one of two, three times; the second round of both is slow.
    a = [9, 0.1, 0.1, 0.05, 9, 0.3, 0.5, 0.2, 9, 0.2, 0.2, 0.1]
    b = [9, 0.2, 0.2, 0.1, 9, 0.6, 0.6, 0.4, 9, 0.2, 0.2, 0.1]
    cells, passes = stubs({"a": a, "b": b}, rounds=3, runs=2, batch=2, seconds=600.0)
    visit = [1, 1, 1, 2]
    assert passes == [(name, count) for _ in range(3) for name in "ab" for count in visit]
    assert cells["a"]["rounds"]["latency_ms"] == pytest.approx([100, 400, 200])
    assert cells["a"]["costs"]["latency_ms"] == pytest.approx(200)
    assert cells["a"]["spread"]["latency_ms"] == pytest.approx([100, 400])
    assert cells["a"]["costs"]["latency_p95_ms"] == pytest.approx(450)
    assert cells["b"]["spread"]["latency_ms"] == pytest.approx([200, 600])
    assert cells["a"]["rounds"]["images_per_second"] == pytest.approx([20, 5, 10])


def test_without_time_one_pass_a_round_is_measured(stubs):
    cells, passes = stubs({"a": [1.0] * 100}, rounds=2, runs=30, batch=8, seconds=0.0)
    assert passes == [("a", 1)] * 4
    assert cells["a"]["batch"] == 1 and cells["a"]["rounds"]["images_per_second"] == [1, 1]


def test_no_pass_starts_that_would_end_too_late(stubs):
    # 20 s a round: a warm-up and five passes of 3 s end at 18, one more would at 21; no time is left for a batch.
    _, passes = stubs({"a": [3.0] * 100}, rounds=1, runs=30, batch=8, seconds=20.0)
    assert passes == [("a", 1)] * 6


def test_models_that_fill_the_memory_are_built_again_each_round(monkeypatch, tmp_path):
    (tmp_path / "best.pth").write_bytes(b"0" * 2**20)
    sources = [CellSource("a", tmp_path / "config.py", tmp_path / "best.pth", [])]
    for free, built in ((1.5, 2), (2.5, 1)):
        made = []
        monkeypatch.setattr(
            measure,
            "Subject",
            lambda source, made=made: made.append(source) or Stub("a", [1.0] * 9, [0.0], []),
        )
        monkeypatch.setattr(measure.machine, "memory_mib", lambda free=free: free)
        measure.measure_costs(sources, rounds=2, runs=1, seconds=0.0)
        assert len(made) == built


def test_images_are_those_of_val_and_one_that_cannot_be_read_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    for name, size in (("wide.png", (40, 80, 3)), ("high.png", (80, 40, 3))):
        cv2.imwrite(f"images/{name}", np.full(size, 90, dtype=np.uint8))
    paths.annotations("val").parent.mkdir(parents=True)
    paths.annotations("val").write_text(
        json.dumps({"images": [{"file_name": "wide.png"}, {"file_name": "high.png"}]})
    )
    source, _ = cell(tmp_path, MOBILENET)
    images = subject.read_images(source.config)
    assert [image.shape for image in images] == [(40, 80, 3), (80, 40, 3)]
    # 80 x 40 pixels become 96 x 48, padded to a multiple of 32.
    assert Subject(dataclasses.replace(source, images=images)).work()["pixels"] == [64, 96]
    broken = tmp_path / "images/high.png"
    broken.write_bytes(b"no image")
    with pytest.raises(
        InputError,
        match=r"^images/high\.png: cannot be read \(not an image\); run dvc repro prepare$",
    ):
        subject.read_images(source.config)
    broken.unlink()
    with pytest.raises(
        InputError, match=r"^images/high\.png: cannot be read \(No such file or directory\); "
    ):
        subject.read_images(source.config)


def test_bad_input_is_one_line(tmp_path, r50):
    source = r50[0]
    for changes, options, says in (
        ({"images": []}, {}, "there is none"),
        ({}, {"runs": 0}, "at least 1"),
        ({"config": tmp_path / "config.py"}, {}, "no such config; train the cell first"),
        ({"checkpoint": source.checkpoint.with_name("other.pth")}, {}, "no such checkpoint"),
    ):
        with pytest.raises(InputError, match=says):
            measure.measure_costs(
                [dataclasses.replace(source, **changes)], **{"seconds": 0.0, **options}
            )


def test_cells_without_predictions_are_named_and_left_out(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    study = load_study()
    monkeypatch.setattr(costs.params, "load_study", lambda: study)
    with pytest.raises(InputError, match="no selected cell has predictions; run dvc repro"):
        costs.main()
    name, row = next(iter(study.cells.items()))
    assert (
        f"{name} is left out: {paths.record(name, row)}/run.json is missing; run `dvc repro "
        f"stages/dvc.yaml:predict@{name}`" in caplog.text
    )
