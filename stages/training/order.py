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
from mmengine.registry import DATA_SAMPLERS, DATASETS, LOOPS
from mmengine.runner import EpochBasedTrainLoop
from torch.utils.data import BatchSampler, Sampler

from stages.training import random_states


@LOOPS.register_module()
class ResumableLoop(EpochBasedTrainLoop):
    """EpochBasedTrainLoop that validates each epoch from `val_begin` on and has a place to go on
    from, which a hook may set before it starts.

    Starting a loader and validating leave the random states as they were: a training that goes on
    starts loaders and may validate once more, and must draw on as if it had not.
    """

    # Batches of the current epoch that are done already.
    start = 0
    # The epoch that was trained last still waits for its validation, if it has one.
    unscored = False

    def run(self) -> Any:
        self.runner.call_hook("before_train")
        while self.unscored or (self._epoch < self._max_epochs and not self.stop_training):
            if not self.unscored:
                self.run_epoch()
            self.unscored = False
            if self._epoch >= self.val_begin:
                with random_states.unchanged():
                    self.runner.val_loop.run()
        self.runner.call_hook("after_train")
        return self.runner.model

    def run_epoch(self) -> None:
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        start, self.start = self.start, 0
        self.dataloader.batch_sampler.skip = start
        with random_states.unchanged():
            batches = iter(self.dataloader)
        for index, batch in enumerate(batches, start):
            self.run_iter(index, batch)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1


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
