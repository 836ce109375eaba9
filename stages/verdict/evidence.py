"""What one pair of cells says of a step of a hypothesis, and judged hypotheses in words. Every
sentence follows from the evidence; the claim alone is quoted as it was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stages.study.counts import count, form, shortened
from stages.verdict.design import TRAIN_LOSS, Trained
from stages.verdict.expressions import Step
from stages.verdict.wording import (
    MOST_LISTED,
    chance,
    corrected,
    level,
    row,
    signed,
    value,
)

ClaimOutcome = Literal["supported", "rejected", "undecided"]


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
    """One pair of cells under one step and metric. confounders: the topics in which the pair differs
    beside the step's factor, ("batch size", "seed"); verdict: of left against right; reason: what
    keeps it from deciding.

    A claim of an order is about right less left where it wants right to be larger. `cells`,
    `levels`, `values`, `difference` and `ends` are in the claim's direction; values are in the
    metric's units, None where there is nothing to measure.
    """

    step: Step
    metric: str
    left: Trained
    right: Trained
    confounders: tuple[str, ...] = ()
    verdict: Verdict | None = None
    outcome: ClaimOutcome = "undecided"
    reason: str = ""

    @property
    def agrees(self) -> bool | None:
        """Whether the two values alone obey the step."""
        first, second = self.left.value(self.metric), self.right.value(self.metric)
        if first is None or second is None:
            return None
        if self.step.sign == "<":
            return first - second < self.bound
        return first - second > self.bound

    @property
    def bound(self) -> float:
        return self.step.bound or 0.0

    @property
    def _turned(self) -> bool:
        return self.step.bound is None and self.step.sign == "<"

    @property
    def cells(self) -> tuple[Trained, Trained]:
        return (self.right, self.left) if self._turned else (self.left, self.right)

    @property
    def levels(self) -> tuple[str, str]:
        first, second = self.cells
        factor = self.step.factor
        return level(first.level(factor)), level(second.level(factor))

    @property
    def values(self) -> tuple[float | None, float | None]:
        first, second = self.cells
        return first.value(self.metric), second.value(self.metric)

    @property
    def difference(self) -> float | None:
        if self.verdict:
            return -self.verdict.difference if self._turned else self.verdict.difference
        first, second = self.values
        return None if first is None or second is None else first - second

    @property
    def ends(self) -> tuple[float, float] | None:
        """The interval of the difference, None without a verdict."""
        if self.verdict is None:
            return None
        if self._turned:
            return -self.verdict.high, -self.verdict.low
        return self.verdict.low, self.verdict.high


def claim_sentence(
    claim: str, outcome: str, evidence: Sequence[Evidence], missing: Sequence[str]
) -> str:
    """Outcome, claim and the pairs that decide it: the contrary ones of a rejected claim, the open
    ones of an undecided one; then what is missing, which cells may be undertrained, and what the
    pairs differ in beside the claim. Plain text, not escaped."""
    parts = [f'{outcome.capitalize()}: "{" ".join(claim.split())}"']
    deciding = [item for item in evidence if item.outcome == outcome]
    if deciding:
        texts = [evidence_text(item) for item in deciding[:MOST_LISTED]]
        if len(deciding) > MOST_LISTED:
            texts.append(f"and {len(deciding) - MOST_LISTED} more")
        parts.append("; ".join(texts))
    if outcome == "undecided" and evidence:
        agreement = {item.agrees for item in evidence}
        if False in agreement:
            contrary = sum(item.agrees is False for item in evidence)
            parts.append(
                f"Taken alone, the numbers contradict it in {contrary} of "
                f"{count(len(evidence), 'comparisons')}"
            )
        elif agreement == {True} and not missing:
            parts.append("Taken alone, the numbers agree with it")
    if missing:
        texts = shortened(missing, MOST_LISTED, "more rows")
        parts.append(f"No cell is trained for {' or for '.join(texts)}")
    parts += filter(None, (undertrained(evidence), _confounded(evidence)))
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
        f"Confounded: {number} of {count(len(pairs), 'pairs')} of cells also {differ} in "
        f"{', '.join(topics)}"
    )


def evidence_text(evidence: Evidence) -> str:
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
    losses = []
    for item in evidence:
        larger, smaller = _by_size(item)
        if larger is None or smaller is None or item.metric == TRAIN_LOSS:
            continue
        score, smaller_score = larger.value(item.metric), smaller.value(item.metric)
        fit, smaller_fit = larger.value(TRAIN_LOSS), smaller.value(TRAIN_LOSS)
        if score is None or smaller_score is None or fit is None or smaller_fit is None:
            continue
        if score < smaller_score and fit >= smaller_fit:
            own, rival = larger.level(item.step.factor), smaller.level(item.step.factor)
            losses.append(
                f"{value(fit)} with {level(own)} against {value(smaller_fit)} with {level(rival)}"
            )
    if not losses:
        return ""
    listed = "; ".join(dict.fromkeys(losses))
    return (
        f"Where the larger cell scores lower, its train loss is no lower ({listed}). "
        "It may be undertrained rather than worse: more epochs or another learning rate may turn "
        "that around"
    )


def _by_size(evidence: Evidence) -> tuple[Trained, Trained] | tuple[None, None]:
    """The larger cell of a pair and the smaller one; Nones where neither is, or where the factor is
    another than the size of the images or of the model."""
    first, second = evidence.left, evidence.right
    sizes: tuple[Any, Any] = None, None
    if evidence.step.factor == "image_size":
        sizes = first.level("image_size"), second.level("image_size")
    elif evidence.step.factor in ("backbone", "neck"):
        sizes = first.parameters, second.parameters
    if None in sizes or sizes[0] == sizes[1]:
        return None, None
    return (first, second) if sizes[0] > sizes[1] else (second, first)
