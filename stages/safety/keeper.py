"""Keeps a training's state as it goes, from which another process goes on, on a CPU bit for bit."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook

from stages import program
from stages.errors import InputError
from stages.files import link
from stages.safety import states
from stages.safety.loaders import Batches, explain
from stages.safety.record import ProgressHook
from stages.safety.states import TrainingState, Writer, put_state_back, save_state, take_state
from stages.safety.workspace import newest_step
from stages.tracking.cells import TrainingRun
from stages.training import best
from stages.training.history import Diverged
from stages.training.runner import Training

# Within a long epoch. A state is written in the background in seconds, so this costs a thousandth;
# a kill at any time repeats ten minutes at most, on average five.
EVERY_S = 600.0
_GO_ON, _SAVE, _LEAVE = range(3)
# gloo's and NCCL's words, where the process that started all of them has not ended this one first.
_GONE = re.compile("connection (closed|reset)|remote process exited", re.IGNORECASE)


class CheckpointsHook(Hook):
    """After each validation: epoch-<n>.pth.

    One file an epoch, so that a state names the very file that was its best, whatever came after
    it. save_state() removes those that no state needs. To be registered after BestHook.
    """

    priority = "BELOW_NORMAL"

    def __init__(
        self, folder: Path, training: Training, classes: list[str], writer: Writer
    ) -> None:
        self.folder = folder
        self.best = training.best
        self.classes = classes
        self.writer = writer

    def after_val_epoch(self, runner: Any, metrics: dict[str, float | None]) -> None:
        if is_main_process():
            weights = states.copied(states.unwrapped(runner.model).state_dict())
            content = best.content(weights, self.classes, runner.epoch)
            path = self._path(runner.epoch)
            self.writer.put(lambda: states.dump(content, path))

    def finish(self) -> None:
        """best.pth and last.pth, one file under two names where they are the same."""
        self.writer.wait()
        for name, epoch in (("best.pth", self.best.best["epoch"]), ("last.pth", self.best.last)):
            link(self._path(epoch), self.folder / name)

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch}.pth"


class KeeperHook(Hook):
    """Saves the state after each epoch's last step, every EVERY_S within one, and when asked to
    stop; puts one back.

    Only after a whole optimizer step whose loss has been read: no state holds a step that diverged
    or ran out of memory. The state of an epoch's end is one before its validation, which is then
    done (again): it changes nothing that is in the state, and costs less than a second state.
    """

    # After everything else of a step: the average, the schedules, the history.
    priority = "LOWEST"

    def __init__(
        self,
        folder: Path,
        training: Training,
        progress: ProgressHook,
        writer: Writer,
        before: TrainingState | None,
        run: TrainingRun | None,
    ) -> None:
        self.folder = folder
        self.recorder = training.recorder
        self.best = training.best
        self.passes = training.passes
        self.progress = progress
        self.writer = writer
        self.before = before
        self.run = run
        # Of training, in the processes before.
        self.seconds_before = before["seconds"] if before else 0.0

        self.group: Any = None

    @property
    def seconds(self) -> float:
        """Of training, without what a kill has lost."""
        return self.seconds_before + time.monotonic() - self.clock

    def before_train(self, runner: Any) -> None:
        self.clock = self.saved = time.monotonic()
        # A signal to stop can then end waits for loader processes.
        for loop in (runner.train_loop, runner.val_loop):
            loop.dataloader = Batches(loop.dataloader)
        if get_world_size() > 1:
            # Agreeing over the GPUs' own group would make every step wait for them.
            self.group = torch.distributed.new_group(backend="gloo", timeout=timedelta(minutes=10))
        if self.before:
            self._put_back(runner, self.before)
            self.before = None
        self._leave_if_asked()

    def after_train_iter(self, runner: Any, batch_idx: int, **_: Any) -> None:
        if (runner.iter + 1) % self.passes:
            return
        self.writer.check()
        is_due = time.monotonic() - self.saved >= EVERY_S
        wanted = self._agree(_SAVE if is_due else _GO_ON)
        done = batch_idx + 1
        # The end of an epoch has a state of its own.
        if done == len(runner.train_dataloader):
            wanted = _GO_ON
        if wanted != _GO_ON:
            self._save(runner, runner.epoch, done)
        if wanted == _LEAVE:
            self._leave()

    def after_train_epoch(self, runner: Any) -> None:
        self._save(runner, runner.epoch + 1, 0)
        if self._agree(_GO_ON) == _LEAVE:
            self._leave()

    def after_val_iter(self, runner: Any, **_: Any) -> None:
        self._leave_if_asked()

    def after_val(self, runner: Any) -> None:
        self._leave_if_asked()

    def last_words(self, cell: str, scale: str, error: BaseException) -> BaseException:
        """`error` as one line that says how to go on, where a person can do something about it."""
        step = newest_step(self.folder)
        after = "the same command starts over"
        if step is not None:
            after = f"the same command resumes from step {step}, whose state is saved"
        is_ours = isinstance(error, InputError) or not isinstance(error, RuntimeError)
        if not is_ours and program.asked_to_stop():
            # The signal that is asking has ended something that the step needed.
            error = program.Stopped(program.asked_to_stop())
        if isinstance(error, Diverged):
            return InputError(
                f"{cell}: {error}; lower the learning rate (cells.{cell}.lr, now {error.lr:.3g} a "
                "step), clip gradients (clip_grad) or lengthen the warm-up (warmup_iterations)"
            )
        if isinstance(error, program.Stopped):
            # One of several processes speaks.
            message = f"{cell}: {error}; {after}" if is_main_process() else ""
            return program.Stopped(error.number, message)
        lost = explain(error, scale)
        if lost:
            return InputError(f"{cell}: {lost}; {after}")
        if get_world_size() > 1 and isinstance(error, RuntimeError) and _GONE.search(str(error)):
            return InputError(f"{cell}: another of its processes has ended; {after}")
        if isinstance(error, OSError) and error.errno in program.DISK:
            place = error.filename or self.folder
            reason = (error.strerror or "").lower()
            return InputError(f"{place}: {reason}; free some space, and {after}")
        return error

    def _leave_if_asked(self) -> None:
        """Where the state on disk is that of now, and the processes do not wait for each other."""
        if program.asked_to_stop() is not None:
            self.writer.wait()
            raise program.Stopped(program.asked_to_stop())

    def _leave(self) -> None:
        self.writer.wait()
        if self.group:
            # torchrun's agent ends all when the first one goes, and one is still writing.
            torch.distributed.barrier(self.group)
        raise program.Stopped(program.asked_to_stop() or program.signal.SIGTERM)

    def _agree(self, wanted: int) -> int:
        """_LEAVE where a signal asks for it, else `wanted`; the most that any process wants, since
        signals come one by one, and all must save after the same step."""
        if program.asked_to_stop() is not None:
            wanted = _LEAVE
        if not self.group:
            return wanted
        value = torch.tensor(wanted)
        torch.distributed.all_reduce(value, torch.distributed.ReduceOp.MAX, self.group)
        return int(value)

    def _save(self, runner: Any, epoch: int, start: int) -> None:
        self.recorder.check()
        state = take_state(runner, self.recorder.summed)
        iteration = runner.iter
        if start:
            iteration += 1
        self.saved = time.monotonic()
        if not is_main_process():
            return
        content = {
            **state,
            "epoch": epoch,
            "start": start,
            "iteration": iteration,
            "rows": list(self.recorder.rows),
            "pending": [dict(row) for row in self.recorder.pending],
            "best": self.best.best,
            "seconds": self.seconds,
            "run_id": self.run and self.run.run_id,
        }
        self.writer.put(lambda: save_state(self.folder, content, iteration // self.passes))

    def _put_back(self, runner: Any, state: TrainingState) -> None:
        loop = runner.train_loop
        loop._epoch, loop._iter, loop.start = state["epoch"], state["iteration"], state["start"]
        loop.unscored = not state["start"]
        runner.optim_wrapper.initialize_count_status(
            runner.model, state["iteration"], loop.max_iters
        )
        self.best.best = state["best"]
        self.recorder.put_back(state["rows"], state["pending"], put_state_back(runner, state))
        self.progress.resume()
