"""MMEngine's loop over epochs, able to start in the middle of one."""

from __future__ import annotations

from typing import Any

from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop

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
