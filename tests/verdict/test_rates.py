"""How often a hypothesis is supported or rejected that should not be: normal scores of known means, the same code."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from stages.verdict.design import Trained
from stages.verdict.estimates import Estimate
from stages.verdict.hypotheses import judge

IMAGES, STUDIES = 100, 4000
LEVELS = {"detector": ["d"], "backbone": ["a", "b", "c", "e"], "neck": ["n"], "optimizer": ["o"]}


@dataclass(frozen=True)
class Claim:
    holds: str
    claim: str = "x"
    where: dict[str, str | int] = field(default_factory=dict)
    metric: str = "val/bbox_mAP_50"


def rates(holds: str, means: dict[str, float]) -> tuple[float, float]:
    """In how many of the studies the claim comes out supported, and rejected. The error of a difference is .02."""
    rng = np.random.default_rng(7)
    names = list(means)
    counts = {"supported": 0, "rejected": 0, "undecided": 0}
    for _ in range(STUDIES):
        scores = np.array(list(means.values())) + rng.normal(0, 0.02 / np.sqrt(2), len(names))
        # The error is known as well as that of 100 images.
        error = 0.02 * np.sqrt(rng.chisquare(IMAGES - 1) / (IMAGES - 1))

        def estimate(a: str, b: str, _: str, scores=scores, error=error) -> Estimate:
            value = float(scores[names.index(a)] - scores[names.index(b)])
            return Estimate(
                value,
                value,
                value,
                error,
                0.0,
                error**2,
                0.0,
                IMAGES - 1,
                999,
                IMAGES,
                1,
                (1, 1),
                False,
            )

        cells = []
        for name, score in zip(names, scores, strict=True):
            row = {
                "detector": "d",
                "backbone": name,
                "neck": "n",
                "optimizer": "o",
                "image_size": 512,
            }
            cells.append(Trained(name, row, {"val/bbox_mAP_50": float(score)}))
        counts[judge([Claim(holds)], cells, LEVELS, estimate)[0].outcome] += 1
    return counts["supported"] / STUDIES, counts["rejected"] / STUDIES


@pytest.mark.slow
@pytest.mark.parametrize(
    ("holds", "means"),
    [
        # The worst case of an intersection-union test: one comparison is not true, the others are beyond doubt.
        ("a < b", {"a": 0.5, "b": 0.5}),
        ("a < b < c", {"a": 0.2, "b": 0.5, "c": 0.5}),
        ("a < b < c < e", {"a": 0.0, "b": 0.3, "c": 0.3, "e": 0.6}),
        ("b - a > 0.02", {"a": 0.48, "b": 0.5}),
    ],
)
def test_what_is_not_true_is_seldom_supported(holds, means):
    assert rates(holds, means)[0] <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("holds", "means"),
    [
        # True, and by so little that every comparison is as good as contrary.
        ("a < b", {"a": 0.5, "b": 0.5001}),
        ("a < b < c", {"a": 0.5, "b": 0.5001, "c": 0.5002}),
        ("{a, b, c} < e", {"a": 0.5, "b": 0.5, "c": 0.5, "e": 0.5001}),
        ("b - a > 0.02", {"a": 0.48, "b": 0.5001}),
    ],
)
def test_what_is_true_is_seldom_rejected(holds, means):
    assert rates(holds, means)[1] <= 0.05
