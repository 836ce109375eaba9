"""What is measured, most telling first: each part has its time and its list of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.gpu.steps import Model
from benchmarks.train_throughput import NAMES

MMDETECTION, PROJECT = NAMES["a"], NAMES["b"]
MODELS = (Model("faster_rcnn", "r50"), Model("faster_rcnn", "swin_t"), Model("cascade_rcnn", "r50"))
SMALL = Model("faster_rcnn", "mobilenet_v2")
LARGE = Model("faster_rcnn", "swin_l", 1024)
SWITCHES: dict[str, Any] = {
    "amp bf16": {"amp": "bf16"}, "channels_last": {"channels_last": True}, "tf32": {"tf32": True},
    "amp fp16": {"amp": "fp16"}, "cudnn_benchmark": {"cudnn_benchmark": True}, "image_cache": {"image_cache": True},
    "compile": {"compile": True}}
FAST = {"amp": "bf16", "channels_last": True, "tf32": True, "image_cache": True}
ALL = {**FAST, "cudnn_benchmark": True, "compile": True}
BATCHES = (16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Work:
    """function: called with a Context and the arguments, in a process of its own. most_s: its limit in seconds."""

    name: str
    function: Callable[..., dict[str, Any]]
    arguments: dict[str, Any]
    most_s: float


@dataclass(frozen=True)
class Part:
    """seconds: what it takes on a GPU. least: below that it is not begun. until_failure: what comes after a failure
    would fail as well."""

    name: str
    title: str
    seconds: float
    least: float
    work: list[Work] = field(default_factory=list)
    until_failure: bool = False


@dataclass(frozen=True)
class Size:
    """warm, steps: passes before and while the clock runs. photographs: learnt by heart, `times` in an epoch.
    epochs: of a resumed training, each 2 x `few` images. check_s: for imports, CUDA's start and one step."""

    warm: int
    steps: int
    photographs: int
    times: int
    few: int
    epochs: int
    check_s: float


SIZES = {"full": Size(20, 60, 32, 16, 32, 5, 50), "miniature": Size(1, 3, 8, 4, 8, 3, 200)}


def parts(scale: str) -> list[Part]:
    """The whole list at a scale."""
    from benchmarks.gpu import steps, trainings

    size = SIZES[scale]

    def timed(model: Model, how: str, most_s: float = 40, **arguments: Any) -> Work:
        return Work(f"{model.name}, {how}", steps.measure,
                    {"model": model, "warm": size.warm, "steps": size.steps, **arguments}, most_s)

    sides = []
    for model in MODELS:
        sides += [timed(model, MMDETECTION, peer=True), timed(model, f"{PROJECT}, fast", switches=FAST),
                  timed(model, PROJECT)]
    single = []
    for model in MODELS[:2]:
        single += [timed(model, "all of them", 90, switches=ALL)]
        single += [timed(model, name, 60, switches=switches) for name, switches in SWITCHES.items()]
    batches = [timed(MODELS[0], f"{batch} images a step", switches={**FAST, "batch_size": batch}, steps=6, warm=3)
               for batch in BATCHES]
    return [
        Part("throughput", "MMDetection's own defaults and this project, equal models", 130, 30, sides),
        Part("switches", "One switch at a time, and all of them", 125, 30, single),
        Part("by-heart", f"{size.photographs} photographs learnt by heart", 75, 40, [
            Work("r50 from random weights", trainings.by_heart,
                 {"photographs": size.photographs, "times": size.times}, 600)]),
        Part("resumed", "Killed and resumed", 75, 30, [
            Work("straight", trainings.straight,
                 {"name": "straight", "photographs": size.few, "epochs": size.epochs}, 60),
            Work("killed and resumed", trainings.resumed, {"photographs": size.few, "epochs": size.epochs}, 90),
            Work("straight once more", trainings.straight,
                 {"name": "again", "photographs": size.few, "epochs": size.epochs}, 60)]),
        Part("pretrained", "Pretrained mobilenet_v2 on the packed set", 75, 40, [
            timed(SMALL, f"{PROJECT}, fast", switches=FAST),
            Work("pretrained mobilenet_v2", trainings.pretrained, {}, 600)]),
        Part("large", "Swin-L at 1024 pixels", 25, 15, [timed(LARGE, "fast", 60, switches=FAST, steps=6, warm=3)]),
        Part("memory", "Batch sizes to the memory's end", 45, 15, batches, until_failure=True),
        Part("two-processes", "Two processes on one GPU", 20, 10, [
            Work("refused", trainings.two_processes, {}, 30)])]
