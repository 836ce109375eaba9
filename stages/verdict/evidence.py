"""What one pair of cells says of a step of a hypothesis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stages.verdict.expressions import Step
from stages.verdict.fairness import Fairness
from stages.verdict.trained import Trained, number

Outcome = Literal["supported", "rejected", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """How one comparison came out: difference = left - right in the metric's units; p: two-sided,
    against the claimed bound or 0; [low, high]: the interval at the level at which it was judged,
    so that it holds the bound exactly where it decides nothing.

    comparisons: for how many p and interval are corrected: 1 on the claim's side, on the other side
    by Holm's factor.
    """

    difference: float
    low: float
    high: float
    p: float
    comparisons: int = 1


@dataclass(frozen=True)
class Evidence:
    """One pair of cells under one step and metric. Values are in the metric's units, None where
    there is nothing to measure; `agrees` says whether the two values alone obey the step; `verdict`
    is of left against right; `fairness` is the pair's stages.verdict.fairness.Fairness over the
    step's factor, None where it was not asked for."""

    step: Step
    metric: str
    left: Trained
    right: Trained
    agrees: bool | None
    verdict: Verdict | None
    outcome: Outcome
    reason: str
    fairness: Fairness | None

    @property
    def confounders(self) -> tuple[str, ...]:
        """The topics in which the pair differs beside the step's factor: ("batch size", "seed")."""
        return self.fairness.topics if self.fairness else ()

    @property
    def values(self) -> tuple[float | None, float | None]:
        return number(self.left, self.metric), number(self.right, self.metric)
