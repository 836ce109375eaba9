"""What is measured, most telling first: each part has its time and its list of work."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.gpu.model import Model
from benchmarks.train_throughput import NAMES

MMDETECTION, PROJECT, FASTEST = NAMES["a"], NAMES["b"], "fast"
MODELS = (Model("faster_rcnn", "r50"), Model("faster_rcnn", "swin_t"), Model("cascade_rcnn", "r50"))
SMALL = Model("faster_rcnn", "mobilenet_v2")
LARGE = Model("faster_rcnn", "swin_l", 1024)
# Those that no GPU has been asked about yet come first.
SWITCHES: dict[str, dict[str, Any]] = {
    "tf32": {"tf32": True},
    "amp fp16": {"amp": "fp16"},
    "cudnn_benchmark": {"cudnn_benchmark": True},
    "image_cache": {"image_cache": True},
    "amp bf16": {"amp": "bf16"},
    "channels_last": {"channels_last": True},
}
COMPILE = {"compile": True}
FAST = {"amp": "bf16", "channels_last": True, "tf32": True, "image_cache": True}
ALL = {**FAST, "cudnn_benchmark": True}
BATCHES = (16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Work:
    """function: module:name of what a process of its own calls with a Context and the arguments, so
    that the runner imports nothing that takes time. most_s: its limit in seconds."""

    name: str
    function: str
    arguments: dict[str, Any]
    most_s: float


@dataclass(frozen=True)
class Part:
    """seconds: what it takes on a GPU. least: below that it is not begun. until_failure: what comes
    after a failure would fail as well."""

    name: str
    title: str
    seconds: float
    least: float
    work: list[Work] = field(default_factory=list)
    until_failure: bool = False


@dataclass(frozen=True)
class Size:
    """warm, steps: passes before and while the clock runs; _switch: of a switch; _few: of large
    ones. photographs: learnt by heart, `times` in an epoch, `batch` a step. pretrained: photographs of
    the training from pretrained weights, None for all of the pack's. epochs: of a resumed training,
    each 2 x `few` images. most_epochs: of all others. check_s: for imports, CUDA's start
    and one step. slower: than on a GPU, what is given to each part and its work."""

    warm: int
    steps: int
    warm_switch: int
    steps_switch: int
    warm_few: int
    steps_few: int
    photographs: int
    times: int
    batch: int
    few: int
    pretrained: int | None
    epochs: int
    most_epochs: int
    check_s: float
    slower: float


SIZES = {
    "full": Size(
        warm=20,
        steps=60,
        warm_switch=10,
        steps_switch=30,
        warm_few=2,
        steps_few=4,
        photographs=32,
        times=48,
        batch=16,
        few=16,
        pretrained=None,
        epochs=4,
        most_epochs=60,
        check_s=50,
        slower=1,
    ),
    "miniature": Size(
        warm=1,
        steps=3,
        warm_switch=1,
        steps_switch=3,
        warm_few=1,
        steps_few=1,
        photographs=8,
        times=4,
        batch=4,
        few=8,
        pretrained=8,
        epochs=3,
        most_epochs=3,
        check_s=200,
        slower=3,
    ),
}


def parts(scale: str) -> list[Part]:
    """The whole list at a scale."""
    size = SIZES[scale]

    def timed(model: Model, how: str, most_s: float = 40, **arguments: Any) -> Work:
        every = {"model": model, "warm": size.warm, "steps": size.steps}
        return Work(
            f"{model.name}, {how}", "benchmarks.gpu.steps:measure", {**every, **arguments}, most_s
        )

    sides, plain = [], []
    for model in MODELS:
        sides += [
            timed(model, MMDETECTION, peer=True),
            timed(model, f"{PROJECT}, {FASTEST}", switches=FAST),
        ]
        plain.append(timed(model, PROJECT))
    some = {"warm": size.warm_switch, "steps": size.steps_switch}
    single = [timed(model, "none", **some) for model in MODELS[:2]]
    for name, switches in SWITCHES.items():
        single += [timed(model, name, switches=switches, **some) for model in MODELS[:2]]
    single += [timed(model, "all without compile", switches=ALL, **some) for model in MODELS[:2]]
    compiled = []
    for model in MODELS[:2]:
        compiled += [
            timed(model, "compile", 300, switches=COMPILE, **some),
            timed(model, "all of them", 300, switches={**ALL, **COMPILE}, **some),
        ]
    epochs = {"most_epochs": size.most_epochs}
    short = {"photographs": size.few, "epochs": size.epochs}
    few = {"warm": size.warm_few, "steps": size.steps_few}
    batches = [
        timed(MODELS[0], f"{batch} images a step", switches={**FAST, "batch_size": batch}, **few)
        for batch in BATCHES
    ]
    listed = [
        Part(
            "throughput",
            "MMDetection's own defaults and this project, equal models",
            165,
            30,
            [*sides, *plain],
        ),
        Part(
            "by-heart",
            f"{size.photographs} photographs learnt by heart",
            120,
            40,
            [
                Work(
                    "r50 from random weights",
                    "benchmarks.gpu.trainings:by_heart",
                    {
                        "photographs": size.photographs,
                        "times": size.times,
                        "batch": size.batch,
                        **epochs,
                    },
                    600,
                )
            ],
        ),
        Part(
            "resumed",
            "Killed and resumed",
            150,
            30,
            [
                Work(
                    "straight",
                    "benchmarks.gpu.trainings:straight",
                    {"name": "straight", **short},
                    60,
                ),
                Work("killed and resumed", "benchmarks.gpu.trainings:resumed", short, 90),
                Work(
                    "straight once more",
                    "benchmarks.gpu.trainings:straight",
                    {"name": "again", **short},
                    60,
                ),
            ],
        ),
        Part("switches", "One switch at a time, and all without compile", 220, 30, single),
        Part(
            "pretrained",
            "Pretrained mobilenet_v2 on the packed set",
            110,
            40,
            [
                timed(SMALL, f"{PROJECT}, {FASTEST}", switches=FAST),
                Work(
                    "pretrained mobilenet_v2",
                    "benchmarks.gpu.trainings:pretrained",
                    {"photographs": size.pretrained, **epochs},
                    600,
                ),
            ],
        ),
        Part(
            "stages",
            "From the training to the costs, stage by stage",
            230,
            30,
            [
                Work(
                    f"{model.name}, stage by stage",
                    "benchmarks.gpu.pipeline:run",
                    {"model": model, "photographs": size.few, "times": 4},
                    110,
                )
                for model in MODELS[:2]
            ],
        ),
        Part(
            "large",
            "Swin-L at 1024 pixels",
            20,
            12,
            [timed(LARGE, FASTEST, switches={**FAST, "image_cache": False}, **few)],
        ),
        Part("memory", "Batch sizes to the memory's end", 60, 12, batches, until_failure=True),
        Part(
            "two-processes",
            "Two processes on one GPU",
            12,
            8,
            [Work("refused", "benchmarks.gpu.trainings:two_processes", {}, 30)],
        ),
        Part("compile", "torch.compile", 600, 60, compiled),
    ]
    return [
        replace(
            part,
            seconds=part.seconds * size.slower,
            work=[replace(work, most_s=work.most_s * size.slower) for work in part.work],
        )
        for part in listed
    ]
