"""The order and the augmentation of a training's images: functions of seed, epoch and image alone.

So a training can go on in the middle of an epoch with the very batches that it would have seen,
however many loader processes there are, whatever was drawn before.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATA_SAMPLERS, DATASETS
from torch.utils.data import BatchSampler, Sampler

import stages.training.loop  # noqa: F401  registers ResumableLoop

# An image of an epoch: epoch, index in the dataset.
Place = tuple[int, int]


def resumable(cfg: Config) -> Config:
    """`cfg` with the train loader's images seeded one by one and its batches open to a start in
    mid-epoch."""
    cfg = copy.deepcopy(cfg)
    loader = cfg.train_dataloader
    loader.dataset = {
        "type": "SeededDataset",
        "dataset": loader.dataset,
        "seed": cfg.randomness.seed,
    }
    loader.batch_sampler = {"type": "ResumableBatchSampler", "batches": loader.batch_sampler}
    cfg.train_cfg.type = "ResumableLoop"
    return cfg


@DATASETS.register_module()
class SeededDataset:
    """An MMDetection dataset whose transforms draw from (seed, epoch, index); others' random states
    stay as they were.

    mmcv's and mmdet's transforms draw from numpy and random, never from torch.
    """

    def __init__(self, dataset: dict[str, Any], seed: int) -> None:
        self.dataset = DATASETS.build(dataset)
        self.seed = seed
        self.metainfo = self.dataset.metainfo

    def full_init(self) -> None:
        self.dataset.full_init()

    def get_data_info(self, index: int) -> dict[str, Any]:
        return self.dataset.get_data_info(index)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, place: Place) -> Any:
        epoch, index = place
        numpy_state, python_state = np.random.get_state(), random.getstate()
        [seed] = np.random.SeedSequence([self.seed, epoch, index]).generate_state(1)
        np.random.seed(seed)
        random.seed(int(seed))
        try:
            return self.dataset[index]
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)


@DATA_SAMPLERS.register_module()
class ResumableBatchSampler(BatchSampler):
    """Another batch sampler's batches, as Places. The next round starts after the first `skip` of
    them."""

    def __init__(self, sampler: Sampler, batch_size: int, batches: dict[str, Any]) -> None:
        self.sampler = sampler
        self.batch_size = batch_size
        self.batches = DATA_SAMPLERS.build(
            batches, default_args={"sampler": sampler, "batch_size": batch_size}
        )
        self.skip = 0

    def __iter__(self) -> Iterator[list[Place]]:
        skip, self.skip = self.skip, 0
        epoch = self.sampler.epoch
        for number, batch in enumerate(self.batches):
            if number >= skip:
                yield [(epoch, index) for index in batch]

    def __len__(self) -> int:
        return len(self.batches)
