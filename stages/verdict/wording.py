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


def sentence(claim: str, outcome: str, evidence: Sequence[Evidence], missing: Sequence[str]) -> str:
    """Outcome, claim and the pairs that decide it: the contrary ones of a rejected claim, the open
    ones of an undecided one; then what is missing and what the pairs differ in beside the claim.
    Plain text, not escaped."""
    telling = [one for one in evidence if one.outcome == outcome]
    parts = [f'{outcome.capitalize()}: "{" ".join(claim.split())}"']
    if telling:
        told = [pair(one) for one in telling[:MOST]]
        told += [f"and {len(telling) - MOST} more"] * (len(telling) > MOST)
        parts.append("; ".join(told))
    if outcome == "undecided" and evidence:
        against = [one for one in evidence if one.agrees is False]
        if against:
            parts.append(
                f"Taken alone, the numbers contradict it in {len(against)} of "
                f"{count(len(evidence), 'comparison')}"
            )
        elif all(one.agrees for one in evidence) and not missing:
            parts.append("Taken alone, the numbers agree with it")
    if missing:
        told = [*missing[:MOST], *[f"{len(missing) - MOST} more rows"] * (len(missing) > MOST)]
        parts.append(f"No cell is trained for {' or for '.join(told)}")
    topics = list(dict.fromkeys(topic for one in evidence for topic in one.confounders))
    if topics:
        pairs = {(one.left.name, one.right.name): bool(one.confounders) for one in evidence}
        number = sum(pairs.values())
        parts.append(
            f"Confounded: {number} of {count(len(pairs), 'pair')} of cells also differ"
            f"{'s' * (number == 1)} in {', '.join(topics)}"
        )
    return ". ".join(parts) + "."


def pair(one: Evidence) -> str:
    """One pair: metric, values, and the difference in the direction of the claim with interval and
    p."""
    step, (left, right) = one.step, one.values
    first, second, sign = (
        (step.right, step.left, -1)
        if step.bound is None and step.sign == "<"
        else (step.left, step.right, 1)
    )
    values = (right, left) if sign < 0 else (left, right)
    rest = {factor: known for factor, known in one.left.row.items() if factor != step.factor}
    text = (
        f"{one.metric} is {value(values[0])} with {level(first)} and {value(values[1])} with {level(second)} "
        f"({row(rest)})"
    )
    if one.verdict:
        ends = sorted((sign * one.verdict.low, sign * one.verdict.high))
        text += (
            f", a difference of {signed(sign * one.verdict.difference)}, 95 % interval {signed(ends[0])} to "
            f"{signed(ends[1])}, {chance(one.verdict.p)}{corrected(one.verdict.comparisons)}"
        )
    if step.bound is not None:
        text += f", against a bound of {step.bound:g}"
    return f"{text}: {one.why}" if one.why else text


def corrected(comparisons: int) -> str:
    """What follows an interval and a p that are corrected for this number of comparisons."""
    return f" (corrected for {comparisons} comparisons)" if comparisons > 1 else ""


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
    return f"{TRAIN_SHARE} {of_factor:g}" if is_share(of_factor) else str(of_factor)


def value(number: float | None) -> str:
    return "n/a" if number is None else f"{number:.3f}"


def signed(difference: float) -> str:
    """Three decimals, or one digit where those would hide a difference that is not zero."""
    if difference == 0 or not math.isfinite(difference) or abs(difference) >= 0.0005:
        return f"{difference + 0.0:+.3f}"
    return f"{difference:+.1g}"


def chance(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def amount(cost: float) -> str:
    """A cost in its unit, as a reader needs it."""
    return f"{cost:,.0f}" if cost >= 1000 else f"{cost:.3g}"
