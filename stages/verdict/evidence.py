"""What one pair of cells says of a step of a hypothesis, and judged hypotheses in words. Every
sentence follows from the evidence; the claim alone is quoted as it was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stages.verdict.expressions import Step
from stages.verdict.fairness import Fairness
from stages.verdict.statements import TRAIN_LOSS
from stages.verdict.trained import Trained, number
from stages.verdict.wording import (
    MOST,
    chance,
    corrected,
    count,
    form,
    level,
    row,
    shortened,
    signed,
    value,
)

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
    def bound(self) -> float:
        return self.step.bound or 0.0

    @property
    def turned(self) -> bool:
        """Whether the claim is about right less left: of an order, what it wants to be larger comes
        first. `cells`, `levels`, `values`, `difference` and `ends` are in its direction."""
        return self.step.bound is None and self.step.sign == "<"

    @property
    def cells(self) -> tuple[Trained, Trained]:
        return (self.right, self.left) if self.turned else (self.left, self.right)

    @property
    def levels(self) -> tuple[str, str]:
        first, second = level(self.step.left), level(self.step.right)
        return (second, first) if self.turned else (first, second)

    @property
    def values(self) -> tuple[float | None, float | None]:
        first, second = self.cells
        return number(first, self.metric), number(second, self.metric)

    @property
    def difference(self) -> float | None:
        if self.verdict:
            return -self.verdict.difference if self.turned else self.verdict.difference
        first, second = self.values
        return None if first is None or second is None else first - second

    @property
    def ends(self) -> tuple[float, float] | None:
        """The interval of the difference, None without a verdict."""
        if self.verdict is None:
            return None
        if self.turned:
            return -self.verdict.high, -self.verdict.low
        return self.verdict.low, self.verdict.high


def sentence(claim: str, outcome: str, evidence: Sequence[Evidence], missing: Sequence[str]) -> str:
    """Outcome, claim and the pairs that decide it: the contrary ones of a rejected claim, the open
    ones of an undecided one; then what is missing, which cells may be undertrained, and what the
    pairs differ in beside the claim. Plain text, not escaped."""
    parts = [f'{outcome.capitalize()}: "{" ".join(claim.split())}"']
    deciding = [item for item in evidence if item.outcome == outcome]
    if deciding:
        texts = [pair(item) for item in deciding[:MOST]]
        if len(deciding) > MOST:
            texts.append(f"and {len(deciding) - MOST} more")
        parts.append("; ".join(texts))
    if outcome == "undecided" and evidence:
        agreement = {item.agrees for item in evidence}
        if False in agreement:
            contrary = sum(item.agrees is False for item in evidence)
            parts.append(
                f"Taken alone, the numbers contradict it in {contrary} of "
                f"{count(len(evidence), 'comparison')}"
            )
        elif agreement == {True} and not missing:
            parts.append("Taken alone, the numbers agree with it")
    if missing:
        texts = shortened(missing, MOST, "more rows")
        parts.append(f"No cell is trained for {' or for '.join(texts)}")
    for text in (undertrained(evidence), _confounded(evidence)):
        if text:
            parts.append(text)
    return ". ".join(parts) + "."


def _confounded(evidence: Sequence[Evidence]) -> str:
    """In which topics how many of the pairs differ beside the claim; "" where none does."""
    topics: dict[str, None] = {}
    # A pair of cells may stand in several comparisons, the last of which counts.
    pairs = {}
    for item in evidence:
        topics.update(dict.fromkeys(item.confounders))
        pairs[item.left.name, item.right.name] = bool(item.confounders)
    if not topics:
        return ""
    number = sum(pairs.values())
    differ = form(number, "differs", "differ")
    return (
        f"Confounded: {number} of {count(len(pairs), 'pair')} of cells also {differ} in "
        f"{', '.join(topics)}"
    )


def pair(evidence: Evidence) -> str:
    """One pair: metric, values, and the difference in the direction of the claim."""
    step, verdict = evidence.step, evidence.verdict
    first, second = evidence.levels
    values = evidence.values
    rest = dict(evidence.left.row)
    rest.pop(step.factor, None)
    text = (
        f"{evidence.metric} is {value(values[0])} with {first} and {value(values[1])} "
        f"with {second} ({row(rest)})"
    )
    if verdict and evidence.ends:
        low, high = evidence.ends
        text += (
            f", a difference of {signed(evidence.difference or 0.0)}, 95 % interval "
            f"{signed(low)} to {signed(high)}, {chance(verdict.p)}{corrected(verdict.comparisons)}"
        )
    if step.bound is not None:
        text += f", against a bound of {step.bound:g}"
    return f"{text}: {evidence.reason}" if evidence.reason else text


def undertrained(evidence: Iterable[Evidence]) -> str:
    """On cells that could fit their training images better than others and do not, each pair once,
    without the last full stop; "" where there is none.

    More pixels, or more weights of the same detector, can fit the same images at least as well.
    Where a larger cell scores lower and its train loss is no lower either, it has not overfitted:
    its training has not found what it could express (the degradation of He et al. 2016,
    arXiv:1512.03385, section 1). Another learning rate or a longer training may then turn the
    comparison around. That a loss is higher is not said: the last epochs' mean losses of two cells
    differ by chance as well.
    """
    losses: dict[str, None] = {}
    for item in evidence:
        order = _by_size(item)
        if order is None or item.metric == TRAIN_LOSS:
            continue
        (score, fit), (smaller_score, smaller_fit) = (
            (number(cell, item.metric), number(cell, TRAIN_LOSS)) for cell in order
        )
        if score is None or smaller_score is None or fit is None or smaller_fit is None:
            continue
        if score < smaller_score and fit >= smaller_fit:
            sides = []
            for cell, loss in zip(order, (fit, smaller_fit), strict=True):
                sides.append(f"{value(loss)} with {level(cell.level(item.step.factor))}")
            losses[" against ".join(sides)] = None
    if not losses:
        return ""
    return (
        f"Where the larger cell scores lower, its train loss is no lower ({'; '.join(losses)}). "
        "It may be undertrained rather than worse: more epochs or another learning rate may turn "
        "that around"
    )


def _by_size(evidence: Evidence) -> tuple[Trained, Trained] | None:
    """The larger cell of a pair and the smaller one; None where neither is, or where the factor is
    another than the size of the images or of the model."""
    first, second = evidence.left, evidence.right
    sizes: list[Any]
    if evidence.step.factor == "image_size":
        sizes = [cell.level("image_size") for cell in (first, second)]
    elif evidence.step.factor in ("backbone", "neck"):
        sizes = [cell.parameters for cell in (first, second)]
    else:
        return None
    if None in sizes or sizes[0] == sizes[1]:
        return None
    return (first, second) if sizes[0] > sizes[1] else (second, first)
