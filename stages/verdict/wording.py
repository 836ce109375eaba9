"""Judged hypotheses in words. Every sentence follows from the evidence; the claim alone is quoted
as it was written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stages.verdict.expressions import FACTORS, TRAIN_SHARE, Level, is_share

if TYPE_CHECKING:
    from stages.verdict.hypotheses import Evidence

# More pairs or rows than these are counted, not told; `metric: every` makes six.
MOST = 6


def sentence(
    claim: str,
    outcome: str,
    evidence: Sequence[Evidence],
    missing: Sequence[str],
    caution: str = "",
) -> str:
    """Outcome, claim and the pairs that decide it: the contrary ones of a rejected claim, the open
    ones of an undecided one; then what is missing, the `caution` (underfit.py), and what the pairs
    differ in beside the claim. Plain text, not escaped."""
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
        texts = list(missing[:MOST])
        if len(missing) > MOST:
            texts.append(f"{len(missing) - MOST} more rows")
        parts.append(f"No cell is trained for {' or for '.join(texts)}")
    for text in (caution, _confounded(evidence)):
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
    differ = "differs" if number == 1 else "differ"
    return (
        f"Confounded: {number} of {count(len(pairs), 'pair')} of cells also {differ} in "
        f"{', '.join(topics)}"
    )


def pair(evidence: Evidence) -> str:
    """One pair: metric, values, and the difference in the direction of the claim with interval and
    p."""
    step, verdict = evidence.step, evidence.verdict
    first, second = step.left, step.right
    values = evidence.values
    sign = 1
    if step.bound is None and step.sign == "<":
        first, second = second, first
        values = values[::-1]
        sign = -1
    rest = dict(evidence.left.row)
    rest.pop(step.factor, None)
    text = (
        f"{evidence.metric} is {value(values[0])} with {level(first)} and {value(values[1])} "
        f"with {level(second)} ({row(rest)})"
    )
    if verdict:
        low, high = sorted((sign * verdict.low, sign * verdict.high))
        text += (
            f", a difference of {signed(sign * verdict.difference)}, 95 % interval "
            f"{signed(low)} to {signed(high)}, {chance(verdict.p)}{corrected(verdict.comparisons)}"
        )
    if step.bound is not None:
        text += f", against a bound of {step.bound:g}"
    return f"{text}: {evidence.reason}" if evidence.reason else text


def corrected(comparisons: int) -> str:
    """What follows an interval and a p that are corrected for this number of comparisons."""
    if comparisons < 2:
        return ""
    return f" (corrected for {comparisons} comparisons)"


def false_alarms(number: float) -> str:
    """What Judgement.false_alarms says, "" where no hypothesis was tested."""
    if not number:
        return ""
    return (
        f"Of these hypotheses at most {number:.2g} would be expected to be decided by chance alone."
    )


def row(levels: Mapping[str, Any]) -> str:
    """A row as "faster_rcnn, r50, fpn, sgd, 512"; factors that are not given are left out."""
    parts = [str(levels[factor]) for factor in FACTORS if factor in levels]
    # All of the images goes without saying, where anything else is said.
    if TRAIN_SHARE in levels and (levels[TRAIN_SHARE] != 1 or not parts):
        parts.append(level(levels[TRAIN_SHARE]))
    return ", ".join(parts)


def level(of_factor: Level) -> str:
    """A bare share would not say what it is."""
    if is_share(of_factor):
        return f"{TRAIN_SHARE} {of_factor:g}"
    return str(of_factor)


def value(number: float | None) -> str:
    if number is None:
        return "n/a"
    return f"{number:.3f}"


def signed(difference: float) -> str:
    """Three decimals, or one digit where those would hide a difference that is not zero."""
    if difference == 0 or not math.isfinite(difference) or abs(difference) >= 0.0005:
        return f"{difference + 0.0:+.3f}"
    return f"{difference:+.1g}"


def chance(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}s"


def boxes(number: int) -> str:
    """ "1 box", "4,690 boxes"."""
    return f"{number:,} {'box' if number == 1 else 'boxes'}"


def is_or_are(number: int) -> str:
    return "is" if number == 1 else "are"


def amount(cost: float) -> str:
    """A cost in its unit, as a reader needs it."""
    if cost >= 1000:
        return f"{cost:,.0f}"
    return f"{cost:.3g}"
