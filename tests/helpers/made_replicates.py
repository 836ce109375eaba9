"""Replicates of a score that is known."""

from __future__ import annotations

import numpy as np

from stages.verdict.estimates import WIDER
from stages.verdict.replicates import Replicates


def made(
    value: float, noise: np.ndarray, boxes: int = 1000, split: int = 1, images: int = 400
) -> Replicates:
    """A cell of one class with this value in all statistics, and replicates around it."""
    column = np.concatenate(([value], value + noise))
    return Replicates(
        np.broadcast_to(column[:, None, None, None], (len(column), 1, 4, 3)),
        np.full((1, 4), boxes),
        images,
        split,
    )


# By how much the error of made()'s 400 images is taken larger than their replicates say.
OF_400 = 1 + WIDER / 20
