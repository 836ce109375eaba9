"""One trained cell whose cost is measured: its model, and one pass of it from decoded images to
boxes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from torch.utils.flop_counter import FlopCounterMode

from stages import inference
from stages.errors import InputError
from stages.files import read_json
from stages.model import config_file
from stages.scoring.results import to_results

from mmcv.transforms import Compose  # isort: skip  after the ops

IMAGES = 16


@dataclass(frozen=True)
class Source:
    """Where a cell's files lie, and images to measure it on: decoded ones (height, width, 3),
    uint8, BGR."""

    name: str
    config: Path
    checkpoint: Path
    images: Sequence[np.ndarray]


def read_images(config: Path, count: int = IMAGES) -> list[np.ndarray]:
    """The first images of val, decoded as the cell's config decodes them. Raises InputError where
    one cannot be."""
    dataset = config_file.read(config, "val_dataloader").val_dataloader.dataset
    coco = read_json(Path(dataset.ann_file))
    load = Compose(dataset.pipeline[:1])
    images = []
    for entry in coco["images"][:count]:
        path = Path(dataset.data_prefix.img) / entry["file_name"]
        try:
            images.append(load({"img_path": str(path)})["img"])
        # MMCV asserts that an image could be decoded.
        except (OSError, AssertionError) as error:
            reason = getattr(error, "strerror", None) or "not an image"
            raise InputError(f"{path}: cannot be read ({reason}); run dvc repro prepare") from None
    return images


class Subject:
    """A cell with its model, which is on the GPU only between enter() and leave()."""

    def __init__(self, source: Source) -> None:
        """Raises InputError as inference.load does, and where there is no image."""
        if not len(source.images):
            raise InputError("the cost of a cell is measured on images, and there is none")
        self.name = source.name
        self.images = source.images
        self.checkpoint = source.checkpoint
        self.model, cfg = inference.load(source.config, source.checkpoint)
        steps = []
        for step in cfg.test_dataloader.dataset.pipeline:
            if step.type != "LoadAnnotations":
                steps.append(step)
        self._pipeline = Compose([{"type": "LoadImageFromNDArray"}, *steps[1:]])
        self._next = 0

    def enter(self) -> None:
        self.model.to(inference.device())
        self._next = 0

    def leave(self) -> None:
        if torch.cuda.is_available():
            self.model.to("cpu")

    @property
    def weights_mib(self) -> float:
        """Of parameters and buffers."""
        total = 0
        for tensor in self.model.state_dict().values():
            total += tensor.numel() * tensor.element_size()
        return total / 2**20

    def run(self, count: int) -> float:
        """One pass over the next `count` images, which come in turn; in seconds. The GPU is waited
        for."""
        chosen = []
        for offset in range(count):
            chosen.append(self.images[(self._next + offset) % len(self.images)])
        self._next += count
        start = time.perf_counter()
        _pass(self.model, self._batch(chosen))
        return time.perf_counter() - start

    def work(self) -> dict[str, Any]:
        """What can be counted, of the first image: see measure.measure()."""
        parameters = trainable = 0
        for value in self.model.parameters():
            parameters += value.numel()
            if value.requires_grad:
                trainable += value.numel()
        data = self._batch(self.images[:1])
        regions, flops = _count(self.model, data)
        return {
            "parameters": parameters,
            "trainable": trainable,
            "checkpoint_bytes": self.checkpoint.stat().st_size,
            "pixels": list(self.model.data_preprocessor(data)["inputs"].shape[-2:]),
            "proposals": regions,
            "macs": flops // 2,
            "flops": flops,
        }

    def _batch(self, images: Sequence[np.ndarray]) -> dict[str, Any]:
        samples = []
        for number, image in enumerate(images):
            samples.append(self._pipeline({"img": image, "img_id": number}))
        return pseudo_collate(samples)


def _pass(model: torch.nn.Module, data: dict[str, Any]) -> None:
    with torch.inference_mode():
        for sample in model.test_step(data):
            to_results(sample.to_dict())
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _count(model: torch.nn.Module, data: dict[str, Any]) -> tuple[int, int]:
    """Regions that the RoI heads classified, and floating-point operations, of one pass."""
    heads = getattr(getattr(model, "roi_head", None), "bbox_head", None)
    if heads is None:
        heads = []
    elif not isinstance(heads, torch.nn.ModuleList):
        heads = [heads]
    regions: list[int] = []
    hooks = []
    for head in heads:
        hooks.append(
            head.register_forward_hook(lambda _, inputs, __: regions.append(len(inputs[0])))
        )
    try:
        with FlopCounterMode(display=False) as counter:
            _pass(model, data)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(regions), int(counter.get_total_flops())
