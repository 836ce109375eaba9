"""A training's whole state as tensors and plain values, taken from MMEngine's Runner and put back
into one."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import EarlyStoppingHook, EMAHook
from mmengine.model import is_model_wrapper

from stages.training import random_states

State = dict[str, Any]


def take(runner: Any, own: State) -> State:
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
    ranks = [mine]
    if get_world_size() > 1:
        ranks = all_gather_object(copied(mine))
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


def put_back(runner: Any, state: State) -> State:
    """The reverse of take(). Returns `own`."""
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


def _buffers(model: torch.nn.Module) -> State:
    """What each of several processes has of its own: gradients are shared, the statistics of batch
    norms are not."""
    if get_world_size() == 1:
        return {}
    parameters = {name for name, _ in model.named_parameters()}
    return {name: value for name, value in model.state_dict().items() if name not in parameters}


def _hooks(runner: Any, kind: type) -> list[Any]:
    return [hook for hook in runner.hooks if isinstance(hook, kind)]
