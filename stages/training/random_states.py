"""The states of the generators that a training draws from."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

State = dict[str, Any]


def take() -> State:
    """The states of torch's, numpy's and Python's generators, and of the GPU's where there is
    one."""
    kind, keys, *rest = np.random.get_state()
    cuda = None
    if torch.cuda.is_available():
        cuda = torch.cuda.get_rng_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": cuda,
        "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), *rest],
        "python": random.getstate(),
    }


def put_back(states: State) -> None:
    """The reverse of take()."""
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    random.setstate(states["python"])


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    """After it the states are as they were before."""
    kept = take()
    try:
        yield
    finally:
        put_back(kept)
