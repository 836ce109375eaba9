"""Hypotheses of params.yaml, judged: supported, rejected or undecided, with the pairs of cells that
say so.

The comparisons of a hypothesis were planned, so that they are a family of their own. It claims that
all of them come out one way. Supported is where each one alone is significant at ALPHA: an
intersection-union test (Berger 1982, "Multiparameter hypothesis testing and acceptance sampling",
Technometrics 24), whose error is at most ALPHA without a correction. Rejected is where one is
contrary after Holm's correction over the hypothesis' own comparisons, since any of them would do. A
claimed bound (a - b > 0.02) is tested against itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from stages.study.counts import count, is_or_are
from stages.study.schema import Hypothesis
from stages.verdict.design import TRAIN_LOSS, Trained, check_hypotheses, pairs_of
from stages.verdict.estimates import ALPHA, Estimate
from stages.verdict.evidence import ClaimOutcome, Evidence, Verdict, claim_sentence
from stages.verdict.expressions import Levels
from stages.verdict.fairness import Fairness
from stages.verdict.pairs import holm_levels

# (cell a, cell b, metric) -> the Estimate of a - b, or None where there is none. Swapping a and b
# must swap it.
EstimateOf = Callable[[str, str, str], Estimate | None]


@dataclass(frozen=True)
class Finding:
    """A judged hypothesis. missing: the rows, as text, that no trained cell fills."""

    claim: str
    outcome: ClaimOutcome
    evidence: tuple[Evidence, ...]
    missing: tuple[str, ...]
    sentence: str

    @property
    def confounded(self) -> bool:
        return any(evidence.confounders for evidence in self.evidence)


def judge(
    stated: Sequence[Hypothesis],
    cells: Iterable[Trained],
    levels: Levels,
    estimate: EstimateOf | None = None,
    fairness: Mapping[tuple[str, str], Fairness] | None = None,
    thin: Mapping[str, int] | None = None,
) -> list[Finding]:
    """Every hypothesis against the trained cells, in the order of params.yaml.

    Each step is put to all pairs of cells that differ in its factor only and agree with `where`. A
    claim is rejected where one pair is contrary, supported where there is a pair for every step and
    all of them agree, else undecided. fairness: (cell a, cell b) -> what the two differ in; thin:
    metric -> its number of boxes, where that is too small to decide. Raises StudyError as
    stages.verdict.design.check_hypotheses does.
    """
    cells = list(cells)
    findings = []
    for hypothesis, steps in zip(stated, check_hypotheses(stated, levels), strict=True):
        comparisons: list[tuple[Evidence, Estimate | None]] = []
        missing: dict[str, None] = {}
        for metric, step in steps:
            pairs, absent = pairs_of(step, hypothesis.where, cells)
            missing |= dict.fromkeys(absent)
            for first, second in pairs:
                difference = estimate and estimate(first.name, second.name, metric)
                fair = fairness and fairness.get((first.name, second.name))
                topics = fair.topics if fair else ()
                item = Evidence(step, metric, first, second, topics)
                reason = _untested(item, difference, thin or {})
                item = replace(item, reason=reason)
                comparisons.append((item, None if reason else difference))
        findings.append(_finding(hypothesis.claim, _weighed(comparisons), tuple(missing)))
    return findings


def expected_false_alarms(findings: Iterable[Finding]) -> float:
    """How many hypotheses would be expected to come out supported or rejected by chance, if no cell
    differed from another: at most ALPHA for each one of which a comparison was tested."""
    tested = 0
    for finding in findings:
        tested += any(evidence.verdict for evidence in finding.evidence)
    return ALPHA * tested


def _finding(claim: str, evidence: Sequence[Evidence], missing: tuple[str, ...]) -> Finding:
    outcomes = {item.outcome for item in evidence}
    outcome: ClaimOutcome = "supported"
    if "rejected" in outcomes:
        outcome = "rejected"
    elif missing or "undecided" in outcomes:
        outcome = "undecided"
    text = claim_sentence(claim, outcome, evidence, missing)
    return Finding(claim, outcome, tuple(evidence), missing, text)


def _untested(item: Evidence, difference: Estimate | None, thin: Mapping[str, int]) -> str:
    """Why nothing can be tested, "" where it can."""
    if None in item.values:
        return "there is nothing to measure"
    if item.metric == TRAIN_LOSS and min(item.left.repeats, item.right.repeats) < 2:
        # A loss has no images to resample: only other seeds show how much of a difference is
        # chance.
        return "one training each shows no chance variation of a loss"
    if difference is None:
        return "no verdict was computed"
    if item.metric in thin:
        boxes = thin[item.metric]
        return f"{count(boxes, 'boxes')} {is_or_are(boxes)} too few to decide"
    return ""


def _weighed(comparisons: Sequence[tuple[Evidence, Estimate | None]]) -> list[Evidence]:
    """The comparisons of a hypothesis with a verdict on each difference that can be tested."""
    p = [difference.test(item.bound)[1] for item, difference in comparisons if difference]
    tests = iter(zip(p, *holm_levels(p), strict=True))
    evidence = []
    for item, difference in comparisons:
        if difference:
            plain, corrected, level = next(tests)
            if _points_to_claim(item, difference):
                item = _decided(item, difference, plain, ALPHA)
            else:
                item = _decided(item, difference, corrected, level)
        evidence.append(item)
    return evidence


def _decided(item: Evidence, difference: Estimate, p: float, level: float) -> Evidence:
    low, high = difference.interval(level, math.inf if item.metric == TRAIN_LOSS else 1.0)
    # What is printed and what is tested must point the same way.
    same_side = (difference.value - item.bound) * (difference.centre - item.bound) > 0
    outcome, reason = item.outcome, ""
    if p < ALPHA and same_side:
        outcome = "supported" if _points_to_claim(item, difference) else "rejected"
    else:
        # So that it holds the bound also where the bias has carried the value across it.
        low, high = min(low, difference.value), max(high, difference.value)
        reason = "the two cannot be distinguished"
        if item.step.bound is not None:
            reason = f"the interval holds the bound {item.bound:g}"
    verdict = Verdict(difference.value, low, high, p, round(ALPHA / level))
    return replace(item, verdict=verdict, outcome=outcome, reason=reason)


def _points_to_claim(item: Evidence, difference: Estimate) -> bool:
    return (difference.centre > item.bound) == (item.step.sign == ">")
