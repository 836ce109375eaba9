"""A trained cell whose cost is measured: its model, and a pass of it from decoded images to boxes."""

from __future__ import annotations

import contextlib
import itertools
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
class CellSource:
    """A cell's files, and images to measure it on: decoded (height, width, 3), uint8, BGR."""

    name: str
    config: Path
    checkpoint: Path
    images: Sequence[np.ndarray]


def read_images(config: Path, count: int = IMAGES) -> list[np.ndarray]:
    """The first images of val, decoded as the cell decodes them. Raises InputError."""
    dataset = config_file.read_config(config, "val_dataloader").val_dataloader.dataset
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

    def __init__(self, source: CellSource) -> None:
        """Raises InputError as inference.load_model does, and where there is no image."""
        if not len(source.images):
            raise InputError("the cost of a cell is measured on images, and there is none")
        self.source = source
        self.model, cfg = inference.load_model(source.config, source.checkpoint)
        pipeline = cfg.test_dataloader.dataset.pipeline
        steps = [step for step in pipeline if step.type != "LoadAnnotations"]
        self._pipeline = Compose([{"type": "LoadImageFromNDArray"}, *steps[1:]])

    def enter(self) -> None:
        self.model.to(inference.device())
        self._in_turn = itertools.cycle(self.source.images)

    def leave(self) -> None:
        if torch.cuda.is_available():
            self.model.to("cpu")

    @property
    def weights_mib(self) -> float:
        """Of parameters and buffers."""
        return sum(tensor.nbytes for tensor in self.model.state_dict().values()) / 2**20

    def run(self, count: int) -> float:
        """One pass over the next `count` images, which come in turn; in seconds."""
        chosen = list(itertools.islice(self._in_turn, count))
        start = time.perf_counter()
        _pass(self.model, self._batch(chosen))
        return time.perf_counter() - start

    def work(self) -> dict[str, Any]:
        """What can be counted, of the first image: see measure.measure_costs()."""
        parameters = list(self.model.parameters())
        data = self._batch(self.source.images[:1])
        regions, flops = _count(self.model, data)
        return {
            "parameters": sum(value.numel() for value in parameters),
            "trainable": sum(value.numel() for value in parameters if value.requires_grad),
            "checkpoint_bytes": self.source.checkpoint.stat().st_size,
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
    heads = getattr(getattr(model, "roi_head", None), "bbox_head", ())
    if not isinstance(heads, (tuple, torch.nn.ModuleList)):
        heads = [heads]
    regions: list[int] = []

    def count_regions(head: torch.nn.Module, inputs: tuple, outputs: Any) -> None:
        regions.append(len(inputs[0]))

    with contextlib.ExitStack() as stack:
        for head in heads:
            stack.enter_context(head.register_forward_hook(count_regions))
        counter = stack.enter_context(FlopCounterMode(display=False))
        _pass(model, data)
    return sum(regions), int(counter.get_total_flops())
