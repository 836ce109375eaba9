"""What a trained cell costs to run on this machine: size, work, latency, throughput, memory and energy."""

from __future__ import annotations

import contextlib
import ctypes
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from torch.utils.flop_counter import FlopCounterMode

import stages.model.ops  # noqa: F401  before anything of MMDetection
from stages.cost.energy import Meter
from stages.cost.neighbours import Neighbours
from stages.errors import InputError
from stages.files import read_json
from stages.model import checkpoints, config_file
from stages.safety import memory
from stages.scoring.box_metric import to_results

from mmcv.transforms import Compose  # isort: skip  after the ops
from mmdet.registry import MODELS  # isort: skip


# For the report: what its numbers are.
DEFINITION = ("From the decoded image to boxes in COCO's format: resizing, normalising, network, NMS; median of up to "
              "30 runs after a warm-up, in fp32, on the machine that evaluated the cell.")
_IMAGES = 16


def of_cell(config: Path, checkpoint: Path, seconds: float) -> dict[str, Any]:
    """measure() on the first images of val, read as the cell's config reads them. Raises InputError as it does, and
    where an image cannot be read."""
    loader = config_file.read(config, "val_dataloader").val_dataloader.dataset
    coco = read_json(Path(loader.ann_file))
    load = Compose(loader.pipeline[:1])
    images = []
    for entry in coco["images"][:_IMAGES]:
        path = Path(loader.data_prefix.img) / entry["file_name"]
        try:
            images.append(load({"img_path": str(path)})["img"])
        # MMCV asserts that an image could be decoded.
        except (OSError, AssertionError) as error:
            why = getattr(error, "strerror", None) or "not an image"
            raise InputError(f"{path}: cannot be read ({why}); run dvc repro prepare") from None
    return measure(config, checkpoint, images, seconds=seconds)


def brief(measured: dict[str, Any]) -> dict[str, float | int | None]:
    """What of measure() a table has room for: of one image, but images_per_second, which is of a batch where one was
    run. peak_memory_mib is of running the cell, not of its training."""
    single, batch = measured["batches"]
    several = batch if batch["runs"] else single
    return {"parameters": measured["parameters"], "latency_ms": single["p50_ms"], "latency_p95_ms": single["p95_ms"],
            "images_per_second": several["images_per_second"], "peak_memory_mib": single["peak_mib"],
            "size_mib": measured["checkpoint_bytes"] / 2**20, "gmacs": measured["macs"] / 1e9}


def measure(config: Path, checkpoint: Path, images: Sequence[np.ndarray], *, batch: int = 8, warmup: int = 3,
            runs: int = 30, seconds: float = 30.0) -> dict[str, Any]:
    """The cost of a cell in fp32 on the GPU, or on the CPU with as many threads as torch has been given.

    images: decoded ones (height, width, 3), uint8, BGR, taken in turn; the first is the one that work is counted for.
    warmup, runs: at most so many unmeasured and measured runs of one image and of a batch; seconds: for all of them
    together. At least one of each is made for one image. A batch is left out where, judged by one image, it would
    outlast the time.

    A plain dict. parameters, trainable: numbers; checkpoint_bytes; pixels: [height, width] of the first image as the
    network sees it, padding included; proposals: how many regions its RoI head classified, all of its stages together;
    macs: its multiply-adds, what MMDetection's zoo calls FLOPs; flops: twice as many; device, threads; batches:
    [{batch, runs, p50_ms, p95_ms, images_per_second, peak_mib, joules_per_image, others}], of one image and of
    `batch`, None in all but batch and runs where it was left out.

    A latency is from decoded images to boxes in COCO's format on the CPU: resizing, normalising, network, NMS; the GPU
    is waited for; whatever else runs on the machine slows it down. p95 of few runs is close to the slowest.
    images_per_second: of the mean. peak_mib: above what was in use before the model was built, its weights included;
    on a CPU what the process has resident, less what an earlier call in it has left behind. joules_per_image: see
    energy.py; None on a CPU. others: the share of the machine's cores that other processes used meanwhile
    (neighbours.py); None on a GPU.

    Counted are the products of convolutions, linear layers and attention on the path that really runs, RoI head
    included (FlopCounterMode); not normalisation, activation, pooling, RoIAlign and NMS. MMEngine's
    get_model_complexity_info counts the same products, and normalisation and upsampling besides (0.5 to 0.6 % more for
    ResNet and Swin), but needs a traced forward without post-processing.

    Raises InputError where config.py or the checkpoint is missing or they do not fit, or there is no image.
    """
    if not len(images):
        raise InputError("the cost of a cell is measured on images, and there is none")
    if min(batch, runs) < 1 or warmup < 0:
        raise InputError(f"batch {batch}, runs {runs}, warmup {warmup}: at least 1, 1 and 0 are needed")
    _reset_peak()
    before = memory.peak_mib()
    model, prepare = _load(config, checkpoint)
    sizes = {"parameters": sum(value.numel() for value in model.parameters()),
             "trainable": sum(value.numel() for value in model.parameters() if value.requires_grad),
             "checkpoint_bytes": checkpoint.stat().st_size}
    work = _work(model, prepare(images[:1]))
    deadline = time.perf_counter() + seconds
    single = _timed(model, prepare, images, 1, warmup, runs, time.perf_counter() + seconds / 2, before)
    several = {**dict.fromkeys(single), "batch": batch, "runs": 0}
    # A warm-up and a measured run are the least that a batch takes.
    if time.perf_counter() + 2 * batch * single["p50_ms"] / 1000 < deadline:
        several = _timed(model, prepare, images, batch, warmup, runs, deadline, before)
    return {**sizes, **work, "device": _device_name(), "threads": torch.get_num_threads(), "batches": [single, several]}


def _load(config: Path, checkpoint: Path) -> tuple[torch.nn.Module, Callable[[Sequence[np.ndarray]], dict]]:
    """The model, ready, and what makes a batch of decoded images."""
    cfg = config_file.read(config, "model", "test_dataloader")
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model)
    checkpoints.load(checkpoint, model)
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    steps = [step for step in cfg.test_dataloader.dataset.pipeline if step.type != "LoadAnnotations"]
    pipeline = Compose([{"type": "LoadImageFromNDArray"}, *steps[1:]])

    def prepare(images: Sequence[np.ndarray]) -> dict:
        return pseudo_collate([pipeline({"img": image, "img_id": number}) for number, image in enumerate(images)])

    return model, prepare


def _run(model: torch.nn.Module, data: dict) -> list[Any]:
    with torch.inference_mode():
        found = [to_results(sample.to_dict()) for sample in model.test_step(data)]
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return found


def _work(model: torch.nn.Module, data: dict) -> dict[str, Any]:
    heads = getattr(getattr(model, "roi_head", None), "bbox_head", [])
    regions: list[int] = []
    hooks = [head.register_forward_hook(lambda _, inputs, __: regions.append(len(inputs[0])))
             for head in (heads if isinstance(heads, torch.nn.ModuleList) else [heads] if heads else [])]
    try:
        with FlopCounterMode(display=False) as counter:
            _run(model, data)
    finally:
        for hook in hooks:
            hook.remove()
    flops = int(counter.get_total_flops())
    return {"pixels": list(model.data_preprocessor(data)["inputs"].shape[-2:]), "proposals": sum(regions),
            "macs": flops // 2, "flops": flops}


def _timed(model: torch.nn.Module, prepare: Callable[[Sequence[np.ndarray]], dict], images: Sequence[np.ndarray],
           batch: int, warmup: int, runs: int, deadline: float, before: float) -> dict[str, Any]:
    _reset_peak()
    meter, neighbours = Meter(), Neighbours()
    taken = 0

    def once() -> float:
        nonlocal taken
        chosen = [images[(taken + offset) % len(images)] for offset in range(batch)]
        taken += batch
        start = time.perf_counter()
        _run(model, prepare(chosen))
        return time.perf_counter() - start

    for _ in range(warmup):
        # One more would leave no time to measure.
        spent = once()
        if time.perf_counter() + spent > deadline:
            break
    taken = 0
    meter.restart()
    neighbours.restart()
    times: list[float] = []
    while len(times) < runs and (not times or time.perf_counter() + times[-1] < deadline):
        times.append(once())
    joules, others = meter.joules(), neighbours.share()
    milliseconds = np.array(times) * 1000
    return {"batch": batch, "runs": len(times), "p50_ms": float(np.percentile(milliseconds, 50)),
            "p95_ms": float(np.percentile(milliseconds, 95)),
            "images_per_second": float(batch * 1000 / milliseconds.mean()),
            "peak_mib": round(memory.peak_mib() - before, 1),
            "joules_per_image": None if joules is None else joules / (batch * len(times)), "others": others}


def _reset_peak() -> None:
    # Freed memory that glibc keeps would be filled unseen, and a second measurement show no more than a trace.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    memory.reset_peak()


def _device_name() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
