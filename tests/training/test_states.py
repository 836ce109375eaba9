"""The state of a training in memory: what a step between two passes needs to go on to the same weights."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper

from stages.safety.states import copied, put_state_back, take_state
from stages.training.best import BestHook

PASSES = 2
BATCHES = torch.arange(8.0).reshape(4, 1, 2)


def training() -> SimpleNamespace:
    """What take_state() and put_state_back() read of a Runner, around MMEngine's own wrapper of an optimizer."""
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    wrapper = OptimWrapper(optimizer, accumulative_counts=PASSES)
    wrapper.initialize_count_status(model, 0, len(BATCHES))
    loop = SimpleNamespace(stop_training=False)
    return SimpleNamespace(
        model=model, optim_wrapper=wrapper, param_schedulers=None, hooks=[], train_loop=loop
    )


def train(runner: SimpleNamespace, batches: torch.Tensor) -> None:
    for batch in batches:
        runner.optim_wrapper.update_params(runner.model(batch).square().mean())


@pytest.mark.parametrize("done", range(1, 4))
def test_a_training_goes_on_between_two_passes_of_a_step(done):
    whole, first, second = training(), training(), training()
    train(whole, BATCHES)
    train(first, BATCHES[:done])
    state = take_state(first, {"place": done})
    # What goes on there must not change what was taken.
    train(first, BATCHES[done:])
    train(second, BATCHES[:1])
    second.optim_wrapper.zero_grad()
    second.optim_wrapper.initialize_count_status(second.model, done, len(BATCHES))
    assert put_state_back(second, state) == {"place": done}
    train(second, BATCHES[done:])
    for name, value in whole.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], value)
    assert bool(state["ranks"][0]["gradients"]) == (done % PASSES > 0)


def test_copies_share_nothing():
    value = {"tensors": [torch.zeros(2)], "pair": (1, torch.ones(1)), "text": "a"}
    copy = copied(value)
    value["tensors"][0] += 1
    value["pair"][1].zero_()
    assert (
        copy["tensors"][0].tolist() == [0, 0]
        and copy["pair"][1].tolist() == [1]
        and copy["text"] == "a"
    )


def test_of_equal_epochs_the_first_is_the_best():
    hook = BestHook(passes=2)
    best = []
    for epoch, score in enumerate((0.0, 0.2, 0.2, 0.1, 0.3, None), 1):
        runner = SimpleNamespace(epoch=epoch, iter=10 * epoch)
        hook.after_val_epoch(runner, {"coco/bbox_mAP_50": score})
        best.append(hook.best["epoch"])
    assert best == [1, 2, 2, 2, 5, 5] and hook.last == 6
    assert hook.best == {"epoch": 5, "step": 25, "bbox_mAP_50": 0.3}
