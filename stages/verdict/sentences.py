"""Judged hypotheses in words. Every sentence follows from the evidence; the claim alone is quoted
as it was written."""

from __future__ import annotations

from collections.abc import Sequence

from stages.verdict.evidence import Evidence
from stages.verdict.wording import MOST, chance, corrected, count, level, row, signed, value


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
