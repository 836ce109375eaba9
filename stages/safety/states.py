"""A training's whole state: taken from MMEngine's Runner and put back into one, and its files, which
are written beside the training, whole or not at all, never more than two."""

from __future__ import annotations

import hashlib
import logging
import pickle
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import EarlyStoppingHook, EMAHook
from mmengine.model import is_model_wrapper

from stages import files
from stages.errors import InputError
from stages.safety.workspace import POINTER, states_of
from stages.training import random_states

TrainingState = dict[str, Any]
log = logging.getLogger(__name__)

KEPT = 2


def take_state(runner: Any, own: TrainingState) -> TrainingState:
    """Copies on the CPU of all that a step depends on: parameters, optimizer with loss scaler,
    schedulers, the average of the weights, early stopping and random states. The same on every
    process; `ranks` is what these do not share: random states, the caller's `own`, and gradients
    where an epoch ends between two optimizer steps.

    MMEngine's message hub is left out: with its logger off, nothing reads what is collected there.
    """
    wrapper = runner.optim_wrapper
    models = _models(runner)
    gradients = []
    if wrapper.inner_count % wrapper._accumulative_counts:
        gradients = [parameter.grad for parameter in runner.model.parameters()]
    mine = {
        "random": random_states.take(),
        "own": own,
        "buffers": [_buffers(model) for model in models],
        "gradients": gradients,
    }
    ranks = all_gather_object(copied(mine)) if get_world_size() > 1 else [mine]
    early_stopping = []
    for hook in _hooks(runner, EarlyStoppingHook):
        early_stopping.append({"wait_count": hook.wait_count, "best_score": hook.best_score})
    state = {
        "models": [model.state_dict() for model in models],
        "optimizer": wrapper.state_dict(),
        "schedulers": [scheduler.state_dict() for scheduler in runner.param_schedulers or ()],
        "early_stopping": early_stopping,
        "stop_training": runner.train_loop.stop_training,
        "ranks": ranks,
    }
    return copied(state)


def put_state_back(runner: Any, state: TrainingState) -> TrainingState:
    """The reverse of take_state(). Returns `own`."""
    mine = state["ranks"][get_rank()]
    for model, values, buffers in zip(
        _models(runner), state["models"], mine["buffers"], strict=True
    ):
        model.load_state_dict({**values, **buffers}, strict=True)
    runner.optim_wrapper.load_state_dict(state["optimizer"])
    for scheduler, values in zip(runner.param_schedulers or (), state["schedulers"], strict=True):
        scheduler.load_state_dict(values)
    for hook, values in zip(
        _hooks(runner, EarlyStoppingHook), state["early_stopping"], strict=True
    ):
        hook.wait_count, hook.best_score = values["wait_count"], values["best_score"]
    runner.train_loop.stop_training = state["stop_training"]
    if mine["gradients"]:
        for parameter, gradient in zip(runner.model.parameters(), mine["gradients"], strict=True):
            if gradient is not None:
                gradient = gradient.to(parameter.device)
            parameter.grad = gradient
    random_states.put_back(mine["random"])
    return mine["own"]


def copied(value: Any) -> Any:
    """`value` with every tensor copied to the CPU, so that the next step cannot change it."""
    if torch.is_tensor(value):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: copied(entry) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(copied(entry) for entry in value)
    return value


def unwrapped(model: torch.nn.Module) -> torch.nn.Module:
    """The model itself, without the wrapper that several processes train it in."""
    return model.module if is_model_wrapper(model) else model


def _models(runner: Any) -> list[torch.nn.Module]:
    """The model, and its average where there is one."""
    averages = [hook.ema_model for hook in _hooks(runner, EMAHook)]
    return [unwrapped(runner.model), *averages]


def _buffers(model: torch.nn.Module) -> TrainingState:
    """What several processes do not share: gradients they do, statistics of batch norms not."""
    if get_world_size() == 1:
        return {}
    parameters = {name for name, _ in model.named_parameters()}
    return {name: value for name, value in model.state_dict().items() if name not in parameters}


def _hooks(runner: Any, kind: type) -> list[Any]:
    return [hook for hook in runner.hooks if isinstance(hook, kind)]


class _Measured:
    """A file for torch.save that knows the hash of what it has written, and the disk's complaint."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.hash = hashlib.sha256()
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            written = self.file.write(data)
        except OSError as error:
            self.error = error
            raise
        self.hash.update(data)
        return written

    def flush(self) -> None:
        self.file.flush()


def dump(content: Any, path: Path) -> str:
    """torch.save in one move; the file's SHA-256. Raises OSError, which torch would hide."""
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        measured = _Measured(file)
        try:
            torch.save(content, measured)
        except RuntimeError:
            if measured.error:
                raise measured.error from None
            raise
    return measured.hash.hexdigest()


class Writer:
    """A thread that writes files in the order of their coming, so that no step waits for the disk.

    What went wrong, such as an OSError of a full disk, is raised by the next call.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._pending: list[Future] = []

    def put(self, work: Callable[[], None]) -> None:
        # At most one in the making: a slow disk must not fill the memory.
        self.wait()
        self._pending.append(self._pool.submit(work))

    def check(self) -> None:
        """Raises what has gone wrong so far."""
        if self._pending and self._pending[0].done():
            self.wait()

    def close(self) -> None:
        """Lets what is in the making end, well or not."""
        self._pool.shutdown()

    def wait(self) -> None:
        """Until all is on disk."""
        while self._pending:
            self._pending.pop(0).result()


def save_state(folder: Path, content: TrainingState, step: int) -> None:
    """Adds a state of `step`; once the pointer names it, all but the last two are removed."""
    name = f"state-{step}.pth"
    entries = [entry for entry in states_of(folder) if entry["file"] != name]
    entry = {
        "file": name,
        "step": step,
        "saved": datetime.now().isoformat(" ", "seconds"),
        "best_epoch": (content["best"] or {}).get("epoch"),
        "sha256": dump(content, folder / name),
    }
    files.write_json(folder / POINTER, {"states": [entry, *entries][:KEPT]})
    _prune(folder)


def load_state(folder: Path) -> TrainingState | None:
    """The newest whole state, tensors and plain values; None where there is none.

    A damaged one is removed, said, and the one before it taken. Raises InputError for one that
    holds code, which is not run.
    """
    for entry in states_of(folder) or _by_name(folder):
        path = folder / entry["file"]
        if "sha256" in entry and files.sha256(path) != entry["sha256"]:
            _discard(path, "its content is not what was written")
            continue
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            reason = " ".join(str(error).split())[:60]
            raise InputError(
                f"{path}: holds more than tensors and plain values and is not opened ({reason}); "
                f"remove {folder} to train from the start"
            ) from None
        except (RuntimeError, EOFError) as error:
            if "sha256" in entry:
                raise
            _discard(path, " ".join(str(error).split())[:80])
    return None


def _by_name(folder: Path) -> list[dict[str, Any]]:
    """For a damaged pointer: only whole states ever had these names."""
    paths = sorted(folder.glob("state-*.pth"), key=_number, reverse=True)
    return [{"file": path.name} for path in paths]


def _discard(path: Path, reason: str) -> None:
    log.warning("%s: damaged (%s); falling back to the previous state", path, reason)
    path.unlink(missing_ok=True)


def _prune(folder: Path) -> None:
    """Removes states that the pointer does not name, and epochs' checkpoints that none needs."""
    entries = states_of(folder)
    named = {entry["file"] for entry in entries}
    for path in folder.glob("state-*.pth"):
        if path.name not in named:
            path.unlink(missing_ok=True)
    epochs = {entry["best_epoch"] for entry in entries}
    checkpoints = sorted(folder.glob("epoch-*.pth"), key=_number)
    # The newest may be the best by now, and no state says so yet.
    for path in checkpoints[:-1]:
        if _number(path) not in epochs:
            path.unlink(missing_ok=True)


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])
