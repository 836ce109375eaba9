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
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from stages.verdict.estimates import ALPHA, Estimate
from stages.verdict.evidence import Evidence, Outcome, Verdict, sentence
from stages.verdict.expressions import Level, Step
from stages.verdict.fairness import Fairness
from stages.verdict.pairs import levels as levels_of
from stages.verdict.statements import TRAIN_LOSS, Stated, check
from stages.verdict.trained import Trained, number, pairs_of

# (cell a, cell b, metric) -> the Estimate of a - b, or None where there is none. Swapping a and b
# must swap it.
EstimateOf = Callable[[str, str, str], Estimate | None]
# (cell a, cell b, factor) -> what the two differ in beside the factor.
FairnessOf = Callable[[str, str, str], Fairness | None]


@dataclass(frozen=True)
class Finding:
    """A judged hypothesis. `missing` are the rows, as text, that no trained cell fills; `points`
    says whether the plain numbers obey the whole claim (None: not all are there), which decides
    nothing."""

    claim: str
    outcome: Outcome
    evidence: tuple[Evidence, ...]
    missing: tuple[str, ...]
    points: bool | None
    sentence: str

    @property
    def cells(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cell.name for cell in self._sides))

    @property
    def run_ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cell.run_id for cell in self._sides))

    @property
    def _sides(self) -> list[Trained]:
        sides = []
        for evidence in self.evidence:
            sides += [evidence.left, evidence.right]
        return sides

    @property
    def confounded(self) -> bool:
        return any(evidence.confounders for evidence in self.evidence)


@dataclass(frozen=True)
class _Comparison:
    """What is put to one pair of cells. estimate: left - right, None where nothing can be tested,
    and `why`."""

    step: Step
    metric: str
    first: Trained
    second: Trained
    estimate: Estimate | None
    reason: str

    @property
    def bound(self) -> float:
        return self.step.bound or 0.0

    @property
    def agrees(self) -> bool | None:
        """Whether the two values alone obey the step."""
        first, second = number(self.first, self.metric), number(self.second, self.metric)
        if first is None or second is None:
            return None
        if self.step.sign == "<":
            return first - second < self.bound
        return first - second > self.bound


def judge(
    stated: Sequence[Stated],
    cells: Iterable[Trained],
    levels: Mapping[str, Collection[Level]],
    estimate: EstimateOf | None = None,
    fairness: FairnessOf | None = None,
    thin: Mapping[str, int] | None = None,
) -> list[Finding]:
    """Every hypothesis against the trained cells, in the order of params.yaml.

    Each step is put to all pairs of cells that differ in its factor only and agree with `where`. A
    claim is rejected where one pair is contrary, supported where there is a pair for every step and
    all of them agree, else undecided. thin: metric -> its number of boxes, where that is too small
    to decide. Raises StudyError as stages.verdict.statements.check does.
    """
    cells = list(cells)
    findings = []
    for hypothesis, steps in zip(stated, check(stated, levels), strict=True):
        comparisons: list[_Comparison] = []
        missing: list[str] = []
        for metric, step in steps:
            pairs, absent = pairs_of(step, hypothesis.where, cells)
            missing += absent
            for first, second in pairs:
                comparisons.append(_comparison(step, metric, first, second, estimate, thin or {}))
        findings.append(_finding(hypothesis.claim, comparisons, missing, fairness))
    return findings


def false_alarms(findings: Iterable[Finding]) -> float:
    """How many hypotheses would be expected to come out supported or rejected by chance, if no cell
    differed from another: at most ALPHA for each one of which a comparison was tested."""
    tested = 0
    for finding in findings:
        tested += any(evidence.verdict is not None for evidence in finding.evidence)
    return ALPHA * tested


def _finding(
    claim: str,
    comparisons: Sequence[_Comparison],
    missing: Sequence[str],
    fairness: FairnessOf | None,
) -> Finding:
    verdicts = _verdicts(comparisons)
    evidence = []
    for comparison, verdict in zip(comparisons, verdicts, strict=True):
        evidence.append(_weighed(comparison, verdict, fairness))
    outcomes = {item.outcome for item in evidence}
    outcome: Outcome = "supported"
    if "rejected" in outcomes:
        outcome = "rejected"
    elif missing or "undecided" in outcomes:
        outcome = "undecided"
    agreed = {item.agrees for item in evidence}
    points: bool | None = True
    if False in agreed:
        points = False
    elif missing or None in agreed:
        points = None
    absent = tuple(dict.fromkeys(missing))
    text = sentence(claim, outcome, evidence, absent)
    return Finding(claim, outcome, tuple(evidence), absent, points, text)


def _verdicts(comparisons: Sequence[_Comparison]) -> list[Verdict | None]:
    """Of each comparison, None where nothing can be tested."""
    p = []
    for comparison in comparisons:
        if comparison.estimate is not None:
            p.append(comparison.estimate.test(comparison.bound)[1])
    tests = iter(zip(p, *levels_of(p), strict=True))
    verdicts: list[Verdict | None] = []
    for comparison in comparisons:
        verdict = None
        if comparison.estimate is not None:
            plain, corrected, _, level = next(tests)
            if _points_to_claim(comparison):
                verdict = _verdict(comparison, plain, ALPHA)
            else:
                verdict = _verdict(comparison, corrected, level)
        verdicts.append(verdict)
    return verdicts


def _points_to_claim(comparison: _Comparison) -> bool:
    above = comparison.estimate.centre > comparison.bound
    return above == (comparison.step.sign == ">")


def _verdict(comparison: _Comparison, p: float, level: float) -> Verdict:
    estimate = comparison.estimate
    largest = math.inf if comparison.metric == TRAIN_LOSS else 1.0
    low, high = estimate.interval(level, largest)
    if p >= ALPHA or not _same_side(comparison):
        # So that it holds the bound also where the bias has carried the value across it.
        low, high = min(low, estimate.value), max(high, estimate.value)
    return Verdict(estimate.value, low, high, p, round(ALPHA / level))


def _same_side(comparison: _Comparison) -> bool:
    """Whether what is printed and what is tested point the same way."""
    estimate, bound = comparison.estimate, comparison.bound
    return (estimate.value - bound) * (estimate.centre - bound) > 0


def _comparison(
    step: Step,
    metric: str,
    first: Trained,
    second: Trained,
    estimate_of: EstimateOf | None,
    thin: Mapping[str, int],
) -> _Comparison:
    estimate = None
    if estimate_of is not None:
        estimate = estimate_of(first.name, second.name, metric)
    reason = ""
    if number(first, metric) is None or number(second, metric) is None:
        reason = "there is nothing to measure"
    elif metric == TRAIN_LOSS and min(first.repeats, second.repeats) < 2:
        # A loss has no images to resample: only other seeds show how much of a difference is
        # chance.
        reason = "one training each shows no chance variation of a loss"
    elif estimate is None:
        reason = "no verdict was computed"
    elif metric in thin:
        reason = f"{thin[metric]} boxes are too few to decide"
    return _Comparison(step, metric, first, second, None if reason else estimate, reason)


def _weighed(
    comparison: _Comparison, verdict: Verdict | None, fairness: FairnessOf | None
) -> Evidence:
    step, reason = comparison.step, comparison.reason
    outcome: Outcome = "undecided"
    if verdict is not None:
        if verdict.p < ALPHA and _same_side(comparison):
            outcome = "supported" if _points_to_claim(comparison) else "rejected"
        elif step.bound is None:
            reason = "the two cannot be distinguished"
        else:
            reason = f"the interval holds the bound {step.bound:g}"
    first, second = comparison.first, comparison.second
    fair = None
    if fairness is not None:
        fair = fairness(first.name, second.name, step.factor)
    agrees = comparison.agrees
    return Evidence(step, comparison.metric, first, second, agrees, verdict, outcome, reason, fair)
